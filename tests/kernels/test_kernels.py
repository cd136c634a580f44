"""The tests' kernels do as kernels of their own do, and a chapter opens in a kernel of its own."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

ROOT = Path(__file__).parents[2]
copied = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every kernel is a process of its own")


def run(*sources: str, folder: Path = ROOT, **options) -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **{"timeout": 60, **options}).execute()
    return notebook


STATE = """
import os, sys
print(os.getcwd(), os.environ["COURSE_X"], sys.path[0], any(name.startswith("course_lib") for name in sys.modules))
print("torch" in sys.modules, file=sys.stderr)
"""
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"


@copied
def test_a_copy_has_its_folder_and_environment_and_nothing_of_the_course(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_X", "seven")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "library"))
    state, figure = run(STATE, FIGURE, folder=tmp_path).cells
    outputs = {output.name: output.text for output in state.outputs}
    assert outputs == {"stdout": f"{tmp_path} seven {tmp_path / 'library'} False\n", "stderr": "True\n"}
    assert "image/png" in figure.outputs[0].data


@copied
def test_a_copy_is_interrupted_and_its_end_is_told():
    with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
        run("import time\ntime.sleep(60)", timeout=1, interrupt_on_timeout=True)
    with pytest.raises(DeadKernelError):
        run("import os\nos._exit(3)")


@copied
def test_a_copy_ends_with_who_started_it(tmp_path):
    told = tmp_path / "told"
    cell = f"import os, signal, time\nprint(os.getpid(), file=open({str(told)!r}, 'w'), flush=True)\n"
    with pytest.raises(DeadKernelError):
        run(cell + "os.killpg(int(os.environ['COURSE_KERNEL_STARTED']), signal.SIGKILL)\ntime.sleep(60)")
    deadline = time.monotonic() + 30
    while Path("/proc", told.read_text().strip()).exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_the_first_chapter_opens_in_a_kernel_of_its_own(monkeypatch):
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    notebook = nbformat.read(ROOT / "notebooks" / "01_drawing_images.ipynb", as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    seen = run("import sys\nprint('torch' in sys.modules)", first.source, folder=ROOT / "notebooks")
    assert seen.cells[0].outputs[0].text == "False\n"
