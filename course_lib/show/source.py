"""A library function on the page: the real source, never a second copy of it."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any


def source(thing: Any) -> None:
    """Show the source of a function, method or class, with its file and line."""
    from IPython.display import Code, Markdown, display

    lines, first = inspect.getsourcelines(thing)
    file = inspect.getsourcefile(thing) or ""
    place = "course_lib" + file.rsplit("course_lib", 1)[-1] if "course_lib" in file else file.rsplit("/", 1)[-1]
    display(Markdown(f"`{place}`, line {first}"), Code(textwrap.dedent("".join(lines)), language="python"))
