"""Device, precision and processes, through Lightning Fabric: the same training runs alone or under torchrun."""

from __future__ import annotations

import os
import warnings

import torch

from course_lib.errors import CourseError


def make_fabric(device: str = "auto", precision: str = "auto"):
    """Lightning Fabric with our defaults; under torchrun it joins the other processes."""
    from lightning_fabric import Fabric  # half a second: paid by those who train

    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = "cuda" if found["cuda"] else "mps" if found["mps"] else "cpu"
    if device not in found:
        raise CourseError(f"device: got {device!r}, expected auto, cpu, cuda or mps")
    if not found[device]:
        raise CourseError(
            f"device: {device!r} was asked for, but torch {torch.__version__} finds none here; use 'auto' or 'cpu'"
        )
    if precision == "auto":
        precision = "bf16-mixed" if device == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    if precision not in ("32-true", "bf16-mixed"):
        raise CourseError(f"precision: got {precision!r}, expected auto, 32-true or bf16-mixed")
    processes = int(os.environ.get("WORLD_SIZE", 1))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about settings that this course chooses on purpose
        fabric = Fabric(
            accelerator=device,
            devices=local,
            num_nodes=max(processes // local, 1),
            strategy="ddp" if processes > 1 else "auto",
            precision=precision,
        )
        fabric.launch()
    return fabric


def agree(fabric, stop: bool, seconds: float) -> tuple[bool, float]:
    """The same answer in every process: stop as soon as one wants to, and the slowest clock."""
    if fabric.world_size == 1:
        return stop, seconds
    both = fabric.all_reduce(torch.tensor([float(stop), seconds], device=fabric.device), reduce_op="max")
    return bool(both[0] > 0), float(both[1])


def first_process() -> bool:
    """True in the one process that speaks: alone, or rank 0 under torchrun."""
    return int(os.environ.get("RANK", 0)) == 0
