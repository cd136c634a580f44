"""`python -m course_lib.authoring.stale`: which measured records rest on code that has changed since."""

from __future__ import annotations

from course_lib.measured import FOLDER, changed_since, measured


def report() -> list[str]:
    """One line per record, the current ones left out."""
    lines = []
    for path in sorted(FOLDER.glob("*.json")):
        record = measured(path.stem)
        changed = changed_since(record)
        if changed is None:
            lines.append(f"{path.stem}: made before records named their code; {record['command']}")
        elif changed:
            lines.append(f"{path.stem}: {', '.join(changed)} changed since; {record['command']}")
    return lines


if __name__ == "__main__":
    print("\n".join(report()) or "every record rests on the code as it is")
