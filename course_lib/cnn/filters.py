"""Hand-made convolution kernels: what people designed before kernels were learned."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.cnn.convolution import check_images, conv2d
from course_lib.errors import CourseError


def check_size(size: int) -> None:
    """Kernels with a centre only."""
    if not isinstance(size, int) or size < 1 or size % 2 == 0:
        raise CourseError(f"size: got {size!r}, expected an odd number of pixels")


def box(size: int = 3) -> Tensor:
    """The mean of size x size pixels. size is odd, so that the kernel has a centre."""
    check_size(size)
    return torch.full((size, size), 1 / size**2)


def gaussian(size: int = 5, sigma: float = 1.0) -> Tensor:
    """A blur whose weights fall off with distance: exp(-r^2 / (2 sigma^2)), sum 1. sigma is in pixels."""
    check_size(size)
    if not sigma > 0:
        raise CourseError(f"sigma: got {sigma}, expected more than 0 pixels")
    x = torch.arange(size) - size // 2
    bell = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = bell.view(-1, 1) * bell  # a Gaussian in two dimensions is the product of two in one
    return kernel / kernel.sum()


# Kernels are written as cross-correlation reads them: a positive number on the right asks for brightness on the right.
# Kernels that sum to 1 keep flat areas as they are; kernels that sum to 0 turn them to 0 and answer to change only.
FILTERS: dict[str, Tensor] = {
    "identity": torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]),
    "shift right": torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0, 0]]),  # every pixel takes its left neighbour's value
    "box blur": box(3),
    "gaussian blur": torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16,  # binomial numbers, close to a Gaussian
    "motion blur": torch.eye(5) / 5,
    "sharpen": torch.tensor([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),  # the image minus its Laplacian
    "emboss": torch.tensor([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]]),  # light falls from the upper left
    "sobel x": torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),  # dark to bright, left to right: vertical edges
    "sobel y": torch.tensor([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]),  # dark to bright, top to bottom: horizontal edges
    "laplacian": torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]),  # second derivatives: both sides of every edge
    "outline": torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
}


def apply_filter(images: Tensor, kernel: Tensor | str) -> Tensor:
    """Cross-correlate every channel of images [N, C, H, W] with one kernel [kh, kw] or the name of one in FILTERS.

    The size stays; the border pixels are repeated outwards, so that no dark frame appears. kh and kw are odd.
    The range is the kernel's business: weights that sum to 0 give answers around 0, and values can leave [-1, 1].
    """
    check_images(images, "images")
    if isinstance(kernel, str):
        if kernel not in FILTERS:
            raise CourseError(f"kernel: got {kernel!r}, expected one of: {', '.join(FILTERS)}")
        kernel = FILTERS[kernel]
    if kernel.ndim != 2 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise CourseError(f"kernel: got {list(kernel.shape)}, expected [kh, kw] with odd kh and kw")
    (kh, kw), channels = kernel.shape, images.shape[1]
    padded = F.pad(images, (kw // 2, kw // 2, kh // 2, kh // 2), mode="replicate")
    weight = kernel.to(images).expand(channels, 1, kh, kw)  # groups: each channel meets its own copy
    return conv2d(padded, weight, groups=channels)


def gradient_magnitude(images: Tensor) -> Tensor:
    """The strength of edges in any direction, from both Sobel kernels: sqrt(gx^2 + gy^2), at least 0."""
    return torch.hypot(apply_filter(images, "sobel x"), apply_filter(images, "sobel y"))
