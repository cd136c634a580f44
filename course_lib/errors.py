"""The one kind of error a reader of this course should see: a single clear line."""


class CourseError(ValueError):
    """Bad input. The message is one line that names the argument, what came and what was expected."""
