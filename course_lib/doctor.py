"""The machine check: what was found, what is missing, and what to do about it. Made to run even where little works."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.places import ROOT, cache_root, data_root

PYTHONS = ((3, 11), (3, 14))  # from the first to before the second
NEEDED = (  # beside torch and torchvision, which are tried as a pair
    "lightning_fabric",
    "torchmetrics",
    "safetensors",
    "numpy",
    "scipy",
    "PIL",
    "filelock",
    "platformdirs",
    "psutil",
    "tqdm",
    "matplotlib",
    "skimage",
    "jupyterlab",
    "ipywidgets",
    "anywidget",
)
INSTALL = "python -m pip install -c constraints.txt -e .   (or: make lab)"
DISK_GB, MEMORY_GB = 1.0, 3.0


@dataclass
class Finding:
    """One line of the table. `needed` tells whether the course runs without it."""

    what: str
    found: str
    good: bool = True
    remedy: str = ""
    needed: bool = True


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]
    return Finding(
        "Python",
        f"{version} at {short(sys.executable)}",
        good,
        "install Python 3.11, 3.12 or 3.13, then `make lab PYTHON=python3.12`",
    )


def torch_pair() -> Finding:
    """torch and torchvision are built for each other; a mismatch shows only when an operator is called."""
    remedy = "install both together: python -m pip install --force-reinstall torch torchvision"
    try:
        import torch
        import torchvision
        from torchvision.ops import nms

        kept = nms(torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9]]), torch.tensor([0.9, 0.8]), 0.5)
        pair = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
        return Finding("torch pair", pair, kept.tolist() == [0], remedy)
    except Exception as error:
        return Finding("torch pair", one_line(error), False, remedy)


def accelerator() -> Finding:
    try:
        import torch

        if torch.cuda.is_available():
            memory = torch.cuda.get_device_properties(0).total_memory / 2**30
            return Finding("accelerator", f"{torch.cuda.get_device_name(0)}, {memory:.0f} GB", needed=False)
        if torch.backends.mps.is_available():
            return Finding("accelerator", "Apple GPU (MPS)", needed=False)
        return Finding(
            "accelerator", f"none: every chapter runs on the CPU ({torch.get_num_threads()} threads)", needed=False
        )
    except Exception as error:
        return Finding("accelerator", one_line(error), False, "first mend torch", needed=False)


def threads() -> Finding:
    """Threads that wait may spin; beside another busy program that makes a training many times slower."""
    from course_lib import openmp

    chosen = ", ".join(f"{name}={os.environ[name]}" for name in openmp.CHOSEN if name in os.environ)
    late = "torch was loaded before the course could set GOMP_SPINCOUNT: beside other busy programs it trains slowly"
    remedy = "start with `python -m course_lib lab` or `make lab`, or set GOMP_SPINCOUNT=1000 before"
    return Finding("threads", chosen if openmp.IN_TIME else late, openmp.IN_TIME, remedy, needed=False)


def packages() -> Finding:
    missing = []
    for name in NEEDED:
        try:
            if importlib.util.find_spec(name) is None:
                missing.append(name)
        except (ImportError, ValueError):
            missing.append(name)
    found = "all there" if not missing else f"missing: {', '.join(missing)}"
    return Finding("packages", found, not missing, INSTALL)


def library() -> Finding:
    """The course's own code is imported, and with it what it needs: a package can be there and broken."""
    try:
        from course_lib.models import MODELS

        for model_class in MODELS.values():
            model_class()
        return Finding("course_lib", f"can be imported, with {len(MODELS)} models")
    except Exception as error:
        return Finding("course_lib", one_line(error), False, f"mend the lines above, or: {INSTALL}")


def memory() -> Finding:
    try:
        import psutil

        free = psutil.virtual_memory().available / 2**30
        return Finding(
            "memory",
            f"{free:.1f} GB free",
            free >= MEMORY_GB,
            f"close other programs: {MEMORY_GB:.0f} GB are needed",
            needed=False,
        )
    except Exception as error:
        return Finding("memory", one_line(error), False, "python -m pip install psutil", needed=False)


def disk() -> Finding:
    place = existing(cache_root())
    free = shutil.disk_usage(place).free / 2**30
    return Finding(
        "disk",
        f"{free:.1f} GB free for {short(cache_root())}",
        free >= DISK_GB,
        "free some space, or set COURSE_CACHE to a larger disk",
    )


def cache() -> Finding:
    return writable(
        "cache",
        cache_root(),
        "set COURSE_CACHE to a folder you may write; without one the digits are drawn again each time",
        needed=False,
    )


def data() -> Finding:
    """Whether the data set that COURSE_DATASET chooses is known, and there."""
    try:
        from course_lib.data import NAMES, WORLDS, kind_and_path, sources
        from course_lib.data.folder import listing
    except Exception as error:
        return Finding("data", one_line(error), False, "first mend torch and the packages", needed=False)
    chosen = os.environ.get("COURSE_DATASET") or "strokes"
    told = f"COURSE_DATASET={chosen}"
    try:
        kind, path = kind_and_path(None)
        if kind == "folder":
            counts = {split: sum(map(len, part.values())) for split, part in listing(path).items()}
            return Finding("data", f"{told}: {counts['train']} images to train, {counts['test']} to test")
    except CourseError as error:
        return Finding("data", str(error), False, f"set COURSE_DATASET to one of {', '.join(NAMES)}, or unset it")
    if kind in ("strokes", *WORLDS):
        return Finding("data", f"{told}: drawn here, nothing is fetched", needed=False)
    if all(os.path.isfile(file) for file in sources.files(kind)):
        return Finding("data", f"{told}, in {short(data_root())}", needed=False)
    remedy = f"with internet: python -m course_lib data {kind}; without: unset COURSE_DATASET"
    return Finding(
        "data", f"{told} is not in {short(data_root())} yet: it is fetched when first used", False, remedy, False
    )


def kernel() -> Finding:
    remedy = f"{sys.executable} -m pip install ipykernel"
    try:
        from jupyter_client.kernelspec import KernelSpecManager

        spec = KernelSpecManager().get_kernel_spec("python3")
        return Finding("Jupyter kernel", f"python3: {short(spec.argv[0])}", True, remedy)
    except Exception as error:
        return Finding("Jupyter kernel", one_line(error), False, remedy)


def widgets() -> Finding:
    """The Python half and the browser half must both be there, and of the same generation."""
    remedy = "python -m pip install --upgrade ipywidgets jupyterlab_widgets anywidget"
    try:
        import ipywidgets

        folder = Path(sys.prefix) / "share" / "jupyter" / "labextensions"
        front = folder / "@jupyter-widgets" / "jupyterlab-manager" / "package.json"
        version = json.loads(front.read_text())["version"]
        any_front = (folder / "anywidget" / "package.json").exists()
        other = "there" if any_front else "without its browser half"
        found = f"ipywidgets {ipywidgets.__version__}, manager {version}, anywidget {other}"
        return Finding("widgets", found, ipywidgets.__version__.startswith("8.") and any_front, remedy)
    except Exception as error:
        return Finding("widgets", one_line(error), False, remedy)


def work() -> Finding:
    remedy = f"make {ROOT} writable, or clone the course into your home folder; work has to be a folder"
    return writable("your work", ROOT / "work", remedy)


CHECKS: tuple[Callable[[], Finding], ...] = (
    python, torch_pair, accelerator, threads, packages, library, memory, disk, cache, data, kernel, widgets, work,
)  # fmt: skip


def short(path: Path | str) -> str:
    """A path as a person would name it: inside the course, inside the home folder, or its last two parts."""
    path = Path(path)
    if not path.is_absolute():
        return str(path)
    for start, name in ((ROOT, ""), (Path(os.path.expanduser("~")), "~/")):
        if path.is_relative_to(start):
            return f"{name}{path.relative_to(start)}" if path != start else name or "."
    return f".../{'/'.join(path.parts[-2:])}"


def existing(path: Path) -> Path:
    """The path, or its nearest parent that is there."""
    return next(p for p in [path, *path.parents] if os.path.exists(p))


def writable(what: str, folder: Path, remedy: str, needed: bool = True) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        return Finding(what, f"{short(folder)} can be written", needed=needed)
    except OSError as error:
        return Finding(what, f"{short(folder)}: {error.strerror or error}", False, remedy, needed)


def one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def examine() -> list[Finding]:
    """Run every check; one that breaks becomes a finding of its own."""
    findings = []
    for check in CHECKS:
        try:
            findings.append(check())
        except CourseError as error:  # of the places: a variable that names no folder, a user without a home
            remedy = "set COURSE_CACHE, and COURSE_DATA if you set it, to folders that there can be"
            findings.append(Finding(check.__name__, str(error), False, remedy, needed=False))
        except Exception as error:
            findings.append(Finding(check.__name__, one_line(error), False, INSTALL))
    return findings


def report() -> int:
    """Print the table; 1 if the course would not run here, else 0."""
    findings = examine()
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        mark = "ok" if finding.good else "MISSING" if finding.needed else "note"
        print(f"{mark:>7}  {finding.what:<{width}}  {finding.found}")
        if not finding.good:
            print(f"{'':>7}  {'':<{width}}  -> {finding.remedy}")
    runs = all(finding.good for finding in findings if finding.needed)
    print(
        "\nThis machine runs the course." if runs else "\nThe course would not run yet: mend the lines marked MISSING."
    )
    return 0 if runs else 1
