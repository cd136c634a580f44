"""Figures, live training views and widgets for the notebooks; nothing else of the course imports this."""

from course_lib.show import start_here, widgets
from course_lib.show.figures import figure, grey, images, numbers, png, table
from course_lib.show.source import source
from course_lib.show.training_view import TrainingView, curves

__all__ = [
    "TrainingView",
    "curves",
    "figure",
    "grey",
    "images",
    "numbers",
    "png",
    "source",
    "start_here",
    "table",
    "widgets",
]
