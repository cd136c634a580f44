"""The board of chapter 0: every chapter's exercises, the solved ones ticked."""

from __future__ import annotations

from course_lib.checks.core import REGISTRY
from course_lib.learner.progress import solved


def board() -> None:
    """Show every chapter's exercises, solved ones ticked."""
    from IPython.display import display

    done = solved()
    rows, lines = [], []
    for chapter, exercises in sorted(REGISTRY.items()):
        marks = [("✓" if e.name in done.get(chapter, []) else "○", e.name) for e in exercises]
        count = sum(mark == "✓" for mark, _ in marks)
        cells = " &nbsp; ".join(f"{mark} <code>{name}</code>" for mark, name in marks)
        rows.append(
            f'<tr><td><a href="../work/{chapter}.ipynb">{chapter}</a></td><td>{count} of {len(marks)}</td>'
            f'<td style="text-align:left">{cells}</td></tr>'
        )
        lines.append(f"{chapter}: {count} of {len(marks)}: " + " ".join(f"{mark} {name}" for mark, name in marks))
    head = "<tr><th>exercises</th><th>solved</th><th></th></tr>"
    display({"text/html": f"<table>{head}{''.join(rows)}</table>", "text/plain": "\n".join(lines)}, raw=True)
