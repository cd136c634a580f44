"""All widgets in one place, for `show.widgets.convolution_explorer(...)`; each lives in the module of its chapter."""

from course_lib.show.convolution import convolution_explorer
from course_lib.show.drawing_images import stroke_editor
from course_lib.show.pooling import pooling_explorer
from course_lib.show.training_a_cnn import digit_reader

__all__ = ["convolution_explorer", "digit_reader", "pooling_explorer", "stroke_editor"]
