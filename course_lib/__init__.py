"""Image Generation from Scratch: the tested companion of the notebooks."""

from course_lib import openmp

__version__ = "0.1.0"

openmp.limit_spinning()
