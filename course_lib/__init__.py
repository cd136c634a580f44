"""Image Generation from Scratch: the tested companion of the notebooks."""

__version__ = "0.1.0"
