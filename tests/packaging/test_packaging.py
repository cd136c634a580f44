"""pyproject.toml, constraints.txt and environment.yml say the same; torch and torchvision are a working pair."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
CONDA_NAMES = {"torch": "pytorch"}


def requirements(extra: str | None = None) -> list[Requirement]:
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return [Requirement(line) for line in lines]


def conda() -> tuple[list[str], list[str]]:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    return [entry for entry in entries if isinstance(entry, str)], pip


def test_constraints_are_names_and_versions_only():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!_]+", line), line


@pytest.mark.parametrize("requirement", requirements() + requirements("test"), ids=str)
def test_every_requirement_is_pinned_inside_its_range(requirement):
    pins = {canonicalize_name(name): version for name, version in PINS.items()}
    assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_conda_asks_for_the_same_packages_in_the_same_ranges():
    listed, pip = conda()
    ranges = dict(
        re.match(r"([a-z0-9-]+)(.*)", entry).groups()
        for entry in [*listed, *[p for p in pip if not p.startswith("-e")]]
    )
    for requirement in requirements():
        name = CONDA_NAMES.get(requirement.name, requirement.name)
        name = name if name in ranges else requirement.name
        assert name in ranges, f"{requirement.name} is not in environment.yml"
        assert ranges[name].replace(" ", "") == str(requirement.specifier), requirement.name


def test_conda_asks_for_the_same_python():
    listed, pip = conda()
    python = next(entry for entry in listed if entry.startswith("python"))
    wanted = sorted(PROJECT["requires-python"].split(","))
    assert sorted(python.removeprefix("python").split(",")) == wanted
    assert any(entry.startswith("-e .") for entry in pip)


def test_torch_and_torchvision_are_a_working_pair():
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9], [5.0, 5.0, 6.0, 6.0]])
    assert torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]


def test_the_fixed_packages_are_there():
    names = {requirement.name for requirement in requirements() + requirements("test")}
    assert {"jupyterlab", "torch", "torchvision", "matplotlib", "ipywidgets", "nbval"} <= names


def test_the_library_imports_without_jupyter():
    """A cluster trains where no notebook is installed."""
    import subprocess
    import sys

    program = (
        "import sys\n"
        "for name in ('IPython', 'ipywidgets', 'jupyterlab', 'matplotlib', 'anywidget', 'nbformat'):\n"
        "    sys.modules[name] = None\n"
        "import course_lib.cli, course_lib.data, course_lib.cnn.detection, course_lib.training, course_lib.models\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def imports_of(path: Path) -> set[str]:
    return set(re.findall(r"^\s*(?:from|import) course_lib\.(\w+)", path.read_text(), re.MULTILINE))


NEUTRAL = {"errors", "places"}  # anybody may use them, and they use nobody
ALLOWED = {  # imports point one way
    "data": {"data"},
    "training": {"training", "data"},
    "metrics": {"metrics", "training", "data", "models"},  # models: the judge is loaded by its name
    "cnn": {"cnn", "training", "metrics", "data"},
    "gan": {"gan", "training", "metrics", "data"},
    "vae": {"vae", "training", "metrics", "data"},
    "learner": {"learner"},
}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package):
    for path in (ROOT / "course_lib" / package).glob("*.py"):
        assert imports_of(path) <= ALLOWED[package] | NEUTRAL, path.name


def test_errors_and_places_need_nobody():
    assert imports_of(ROOT / "course_lib" / "errors.py") == set()
    assert imports_of(ROOT / "course_lib" / "places.py") <= {"errors"}
