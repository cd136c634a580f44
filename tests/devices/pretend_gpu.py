"""A GPU made of CPU memory: CUDA's rules about devices, checked on a machine without one.

A `PretendTensor` says that it lies on "gpu:0", keeps its values in CPU memory and refuses what CUDA refuses: operations
on tensors of two devices, random numbers from a CPU generator, a GPU index into a CPU tensor, a view as a NumPy array.
Everything else is computed by the CPU. So it sees values, as code that branches on them needs, and every tensor that
was made on, or left on, the wrong device. It cannot see bfloat16, CUDA's own rounding, its random numbers, its memory
or its speed, a second GPU, or a generator of the GPU's own.

`install` changes torch for the whole process and cannot be undone: call it in a process of its own. It stands on
interfaces that are private to torch and may change with any minor version.
"""

from __future__ import annotations

import contextlib
import sys
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "gpu"
CPU = torch.device("cpu")
aten = torch.ops.aten

COPIES = {aten.copy_.default, aten._to_copy.default}  # the only operations that may cross from device to device
INDEXING = {  # these take an index from the CPU for a tensor on the GPU
    aten.index.Tensor,
    aten._unsafe_index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
}
TAKE_A_NUMBER = {aten.fill_.Tensor, aten.masked_fill.Tensor, aten.masked_fill_.Tensor}  # from the CPU, in a tensor []


class PretendTensor(Tensor):
    """Shape, type and strides of `inner`, whose values it has, on the pretended device."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> PretendTensor:
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(NAME, 0),
        )
        made.inner = inner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})

    # With these two `module.to` swaps a parameter for its copy, so that it stays the same object, as on a GPU.
    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["inner"], None

    @classmethod
    def __tensor_unflatten__(cls, inner: dict[str, Tensor], *_: Any) -> PretendTensor:
        return cls(inner["inner"])

    def numpy(self, *_: Any, **__: Any) -> None:
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() to copy it first.")

    __array__ = numpy

    def tolist(self) -> Any:
        return self.inner.tolist()

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.inner.untyped_storage()

    def new_tensor(self, values: Any, *, dtype: torch.dtype | None = None, device: Any = None) -> Tensor:
        return torch.tensor(values, dtype=dtype or self.dtype).to(device or self.device)

    def __repr__(self) -> str:
        return f"{self.inner!r} on {NAME}"


def run(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """One operation: refuse what CUDA refuses, compute the rest on the CPU, say that the result lies on the GPU."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    on_gpu = any(isinstance(tensor, PretendTensor) for tensor in tensors)
    if on_gpu and func not in COPIES:
        refuse_two_devices(func, args, tensors)
    if kwargs.get("device") is not None:
        on_gpu = torch.device(kwargs["device"]).type == NAME
    if on_gpu and kwargs.get("generator") is not None:
        raise RuntimeError(f"Expected a '{NAME}' device type for generator but found 'cpu'")
    if torch.Tag.inplace_view in func.tags:
        raise NotImplementedError(f"{func} changes a shape in place, which the pretended GPU does not follow")
    with _disable_current_modes():
        result = func(*tree_map(to_cpu, args), **tree_map(to_cpu, kwargs))
    given = {id(to_cpu(tensor)): tensor for tensor in tensors}  # what is changed in place comes back as it came

    def from_cpu(value: Any) -> Any:
        if id(value) in given:
            return given[id(value)]
        return PretendTensor(value) if on_gpu and isinstance(value, Tensor) else value

    return tree_map(from_cpu, result)


def to_cpu(value: Any) -> Any:
    if isinstance(value, PretendTensor):
        return value.inner
    return CPU if isinstance(value, torch.device) and value.type == NAME else value


def refuse_two_devices(func: Any, args: tuple, tensors: list[Tensor]) -> None:
    """Raise, as CUDA does, where `tensors`, one of which is on the GPU, may not meet in `func`."""
    if func in INDEXING and isinstance(args[0], PretendTensor):
        tensors = [args[0], *(value for value in args[2:] if isinstance(value, Tensor))]
    elsewhere = [tensor for tensor in tensors if not isinstance(tensor, PretendTensor)]
    takes_numbers = func in TAKE_A_NUMBER | INDEXING or torch.Tag.pointwise in func.tags
    written = args[0] if func._schema.is_mutable else None
    numbers = all(tensor.ndim == 0 and tensor is not written for tensor in elsewhere)
    if elsewhere and not (takes_numbers and numbers):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {NAME}:0 and cpu! ({func})"
        )


class Dispatched(TorchDispatchMode):
    """Operations that involve the device, also those that make a tensor there from nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        ours = any(
            isinstance(leaf, PretendTensor) or (isinstance(leaf, torch.device) and leaf.type == NAME) for leaf in leaves
        )
        return run(func, args, kwargs) if ours else func(*args, **kwargs)


class Made(TorchFunctionMode):
    """torch.tensor and torch.as_tensor fill a device's memory by themselves: let them fill the CPU's, and move that."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.as_tensor and isinstance(args[0], Tensor):
            return args[0].to(kwargs.get("device") or args[0].device, kwargs.get("dtype") or args[0].dtype)
        if func in (torch.tensor, torch.as_tensor):
            return func(*tree_map(to_cpu, args), **{**kwargs, "device": None}).to(kwargs.get("device") or "cpu")
        return func(*args, **kwargs)


class Backend(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


def pretend_fabric(*_: Any) -> SimpleNamespace:
    """What `training.fit` asks of Lightning Fabric: one process, in float32."""
    return SimpleNamespace(device=torch.device(NAME, 0), world_size=1, global_rank=0, autocast=contextlib.nullcontext)


def install() -> torch.device:
    """From now on there is a device "gpu", and `training.fit` trains on it."""
    _setup_privateuseone_for_python_backend(NAME, Backend())
    import course_lib.training  # noqa: F401

    sys.modules["course_lib.training.fit"].make_fabric = pretend_fabric
    Dispatched().__enter__()
    Made().__enter__()
    return torch.device(NAME, 0)
