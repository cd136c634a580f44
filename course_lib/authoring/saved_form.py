"""The form a notebook has on disk: the same on every machine, with still pictures where a kernel moved widgets.

`tidy` gives it to what the course ships; JupyterLab, started by `make lab`, gives it to all it saves. So a chapter
that was only read stays as it was, byte for byte, and one that is opened again, its kernel gone, shows pictures. Cells
with the tag `hide-input` are folded, which JupyterLab reads from another place than the makers of web pages do.
"""

from __future__ import annotations

from typing import Any

LIVE = "application/vnd.jupyter.widget-view+json"  # names a model in a kernel; JupyterLab shows an error without it
STILL = "application/vnd.course.widget-view+json"  # no viewer knows it: it notes that a live widget belongs here
FOLDED = "hide-input"  # the tag of a cell whose code a reader opens only when curious
NOTE = "<div><small>A still picture. Run the notebook down to this cell to move it.</small></div>"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}  # without the versions of the machine


def to_saved_form(notebook: dict[str, Any]) -> None:
    """Bring a notebook into its form on disk, in place. One that has it already does not change."""
    for cell in notebook["cells"]:
        if FOLDED in cell["metadata"].get("tags", []):
            cell["metadata"]["jupyter"] = {**cell["metadata"].get("jupyter", {}), "source_hidden": True}
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    for output in outputs:
        make_still(output.get("data", {}))
    metadata = notebook["metadata"]
    if not any(LIVE in output.get("data", {}) for output in outputs):
        metadata.pop("widgets", None)  # the state of models that nothing shows any more
    if metadata.get("kernelspec", KERNEL)["name"] == KERNEL["name"]:
        metadata["kernelspec"], metadata["language_info"] = dict(KERNEL), dict(LANGUAGE)


def make_still(data: dict[str, Any]) -> None:
    """Take the live view out of an output that has a picture as well; any other output stays as it is."""
    if LIVE in data and "image/png" in data and "text/html" in data:
        del data[LIVE]
        data[STILL] = {"run": "this cell"}
        data["text/html"] = "".join(data["text/html"]) + NOTE  # a file may hold it as a list of lines


def before_saving(model: dict[str, Any], **_: Any) -> None:
    """JupyterLab calls this with what it is about to write; see course_lib/lab_settings/jupyter_server_config.json."""
    if model["type"] == "notebook" and model.get("content"):
        to_saved_form(model["content"])
