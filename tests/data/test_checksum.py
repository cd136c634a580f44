"""A checksum of tensors changes with everything that a file says of them."""

from __future__ import annotations

import torch

from course_lib.data.checksum import checksum


def test_text_names_types_shapes_and_bytes_all_count():
    numbers = torch.arange(6, dtype=torch.int32).reshape(2, 3)
    seen = [
        checksum({"a": numbers}, "card"),
        checksum({"a": numbers}, "another card"),
        checksum({"b": numbers}, "card"),
        checksum({"a": numbers.view(torch.float32)}, "card"),
        checksum({"a": numbers.reshape(3, 2)}, "card"),
        checksum({"a": numbers.T}, "card"),
        checksum({"a": numbers.clone().fill_diagonal_(9)}, "card"),
        checksum({"a": numbers, "b": numbers}, "card"),
    ]
    assert len(set(seen)) == len(seen)


def test_neither_order_nor_layout_count():
    one, other = torch.rand(3, 2), torch.rand(4)
    assert checksum({"a": one, "b": other}, "") == checksum({"b": other, "a": one}, "")
    assert checksum({"a": one.T.contiguous().T}, "") == checksum({"a": one}, "")
