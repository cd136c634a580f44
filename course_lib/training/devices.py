"""Device, precision and processes, through Lightning Fabric: the same training runs alone or under torchrun."""

from __future__ import annotations

import os
import warnings

import torch

from course_lib.data.arguments import check_whole
from course_lib.errors import CourseError


def make_fabric(device: str = "auto", precision: str = "auto"):
    """Lightning Fabric with our defaults; under torchrun it joins the other processes."""
    from lightning_fabric import Fabric  # half a second: paid by those who train

    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = "cuda" if found["cuda"] else "mps" if found["mps"] else "cpu"
    if device not in list(found):
        raise CourseError(f"device: got {device!r}, expected auto, cpu, cuda or mps")
    if not found[device]:
        raise CourseError(
            f"device: {device!r} was asked for, but torch {torch.__version__} finds none here; use 'auto' or 'cpu'"
        )
    if precision == "auto":
        precision = "bf16-mixed" if device == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    if precision not in ("32-true", "bf16-mixed"):
        raise CourseError(f"precision: got {precision!r}, expected auto, 32-true or bf16-mixed")
    processes, local = processes_asked_for()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about settings that this course chooses on purpose
        fabric = Fabric(
            accelerator=device,
            devices=local,
            num_nodes=processes // local,
            strategy="ddp" if processes > 1 else "auto",
            precision=precision,
        )
        fabric.launch()
    return fabric


def processes_asked_for() -> tuple[int, int]:
    """How many processes torchrun says there are, in all and on this machine; 1 and 1 without it."""
    processes, local = variable("WORLD_SIZE", 1, least=1), variable("LOCAL_WORLD_SIZE", 1, least=1)
    if processes % local:
        raise CourseError(f"LOCAL_WORLD_SIZE: got {local}, expected a divisor of WORLD_SIZE, which is {processes}")
    rank = variable("RANK", 0)
    if rank >= processes:
        raise CourseError(f"RANK: got {rank}, expected less than WORLD_SIZE, which is {processes}")
    missing = [name for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if processes > 1 and missing:
        raise CourseError(
            f"WORLD_SIZE: got {processes}, but {' and '.join(missing)} not set; start several processes with torchrun"
        )
    return processes, local


def variable(name: str, default: int, least: int = 0) -> int:
    """A whole number from the environment."""
    text = os.environ.get(name) or str(default)
    try:
        value = int(text)
    except ValueError:
        value = text
    return check_whole(name, value, least)


def agree(fabric, stop: bool, seconds: float) -> tuple[bool, float]:
    """The same answer in every process: stop as soon as one wants to, and the slowest clock."""
    if fabric.world_size == 1:
        return stop, seconds
    both = fabric.all_reduce(torch.tensor([float(stop), seconds], device=fabric.device), reduce_op="max")
    return bool(both[0] > 0), float(both[1])


def first_process() -> bool:
    """True in the one process that speaks: alone, or rank 0 under torchrun."""
    return variable("RANK", 0) == 0
