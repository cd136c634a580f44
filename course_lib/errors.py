"""The one kind of error a reader of this course should see: a single clear line."""


class CourseError(ValueError):
    """Bad input. The message is one line that names the argument, what came and what was expected.

    It is one line whatever came: a line break or another control character, such as in the name of a file, is written
    as Python writes it in a string.
    """

    def __init__(self, message: str):
        super().__init__(printable(message))


def printable(text: str) -> str:
    """One line that a terminal shows as it is."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def quoted(value: object, most: int = 80) -> str:
    """`value` as Python writes it, for a message; the middle of a very long one is left out."""
    text = " ".join(repr(value).splitlines())
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 4 :]}"
