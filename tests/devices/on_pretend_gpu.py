"""python on_pretend_gpu.py WHAT FILE: run the paths, the rules or the planted bugs on the pretended GPU.

A program of its own, since the pretended GPU changes torch. It writes name -> what was raised ("" for nothing) as JSON.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import gpu_rules
import pretend_gpu
import torch


def raised(function: Callable, *arguments: object) -> str:
    try:
        function(*arguments)
    except Exception:
        return traceback.format_exc()
    return ""


def paths(device: torch.device) -> dict[str, str]:
    from gpu_paths import PATHS, take  # all that the course imports: seconds that the rules do without

    return {name: raised(take, name, device) for name in PATHS}


def rules(device: torch.device) -> dict[str, str]:
    every = gpu_rules.REFUSED | gpu_rules.ALLOWED
    return {name: raised(gpu_rules.check, rule, device) for name, rule in every.items()}


def bugs(device: torch.device) -> dict[str, str]:
    from gpu_paths import take
    from planted_bugs import BUGS, Bug, planted

    def run(bug: Bug) -> None:
        with planted(bug):
            take(bug.path, device)

    return {name: raised(run, bug) for name, bug in BUGS.items()}


if __name__ == "__main__":
    what, file = sys.argv[1:]
    results = {"paths": paths, "rules": rules, "bugs": bugs}[what](pretend_gpu.install())
    Path(file).write_text(json.dumps(results))
