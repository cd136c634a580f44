"""Figures, live training views and widgets for the notebooks; nothing else of the course imports this."""

from course_lib.show import widgets
from course_lib.show.figures import figure, images, png, table
from course_lib.show.source import source
from course_lib.show.training_view import TrainingView, curves

__all__ = ["TrainingView", "curves", "figure", "images", "png", "source", "table", "widgets"]
