"""By what a file of tensors is known to be whole."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor


def checksum(tensors: dict[str, Tensor], beside: str) -> str:
    """CRC-32 of a text that is kept beside them and of every tensor's name, type, shape and bytes."""
    found = zlib.crc32(beside.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy(), found)
    return f"{found:08x}"
