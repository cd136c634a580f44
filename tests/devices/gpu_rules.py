"""CUDA's rules about devices, as far as the pretended GPU knows them: what it refuses, and what it allows.

Each takes a vector [3] and its twin on the CPU. The same list is asked of a real GPU, where there is one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Rule = Callable[[Tensor, Tensor], object]

INDEX = torch.tensor([0, 2])
MASK = torch.tensor([True, False, True])

REFUSED: dict[str, Rule] = {
    "a sum": lambda gpu, cpu: gpu + cpu,
    "a sum in place": lambda gpu, cpu: cpu.add_(gpu),
    "a number of the GPU beside a vector of the CPU": lambda gpu, cpu: cpu * gpu[0],
    "a number of the GPU added to one of the CPU in place": lambda gpu, cpu: cpu.sum().add_(gpu[0]),
    "a matrix product": lambda gpu, cpu: gpu[None] @ cpu[:, None],
    "distances": lambda gpu, cpu: torch.cdist(gpu[None], cpu[None]),
    "a concatenation": lambda gpu, cpu: torch.cat([gpu, cpu]),
    "a stack of numbers": lambda gpu, cpu: torch.stack([gpu[0], cpu[0]]),
    "a choice by a mask of the CPU": lambda gpu, cpu: torch.where(MASK, gpu, 0.0),
    "filling where a mask of the CPU says": lambda gpu, cpu: gpu.masked_fill(MASK, 0.0),
    "rows by an index of the CPU": lambda gpu, cpu: gpu.index_select(0, INDEX),
    "gathering by an index of the CPU": lambda gpu, cpu: gpu.gather(0, INDEX),
    "an index of the GPU into the CPU": lambda gpu, cpu: cpu[INDEX.to(gpu.device)],
    "a mask of the GPU over the CPU": lambda gpu, cpu: cpu[MASK.to(gpu.device)],
    "values of the CPU written into the GPU": lambda gpu, cpu: gpu.index_put_((INDEX,), cpu[:2]),
    "an embedding": lambda gpu, cpu: F.embedding(INDEX, gpu[:, None]),
    "labels of the CPU": lambda gpu, cpu: F.cross_entropy(gpu[None], INDEX[1:]),
    "pixels of the CPU": lambda gpu, cpu: F.conv1d(cpu[None, None], gpu[None, None]),
    "a generator of the CPU": lambda gpu, cpu: torch.rand(3, device=gpu.device, generator=torch.Generator()),
    "a generator of the CPU in place": lambda gpu, cpu: gpu.normal_(generator=torch.Generator()),
    "NumPy": lambda gpu, cpu: gpu.numpy(),
    "NumPy that asks for itself": lambda gpu, cpu: np.asarray(gpu),
}

ALLOWED: dict[str, Rule] = {
    "a number of the CPU": lambda gpu, cpu: gpu * cpu[0] + torch.tensor(1.0),
    "a choice of a number of the CPU": lambda gpu, cpu: torch.where(gpu > 1, gpu, cpu[0]),
    "filling with a number of the CPU": lambda gpu, cpu: gpu.masked_fill(gpu > 1, cpu[0]).fill_(cpu[0]),
    "an index of the CPU": lambda gpu, cpu: gpu[INDEX] + gpu[MASK],
    "a number written where an index of the CPU says": lambda gpu, cpu: gpu.index_put_((INDEX,), cpu[0]),
    "values of the GPU written there": lambda gpu, cpu: gpu.index_put_((INDEX,), gpu[:2] + 1),
    "copies both ways": lambda gpu, cpu: (gpu.copy_(cpu), cpu.copy_(gpu), gpu.cpu().numpy(), cpu.to(gpu)),
    "values read": lambda gpu, cpu: (gpu.tolist(), float(gpu[0]), bool(gpu[1] > 0), "abc"[gpu.long()[0]]),
    "a tensor of values read": lambda gpu, cpu: torch.tensor([gpu[0], gpu[1]], device=gpu.device) + gpu.new_tensor(1.0),
    "numbers drawn there": lambda gpu, cpu: gpu + torch.rand(3, device=gpu.device) + torch.randn_like(gpu),
}


def check(rule: Rule, device: torch.device) -> None:
    cpu = torch.tensor([0.0, 1.0, 2.0])
    rule(cpu.to(device), cpu)
