"""All widgets in one place, for `show.widgets.convolution_explorer(...)`; each lives in the module of its chapter."""

from course_lib.show.conditional_gan import digit_press
from course_lib.show.convolution import convolution_explorer
from course_lib.show.dcgan import latent_explorer
from course_lib.show.drawing_images import stroke_editor
from course_lib.show.pooling import pooling_explorer
from course_lib.show.stable_training import distance_explorer
from course_lib.show.the_gan_game import gan_lab
from course_lib.show.training_a_cnn import digit_reader

__all__ = [
    "convolution_explorer",
    "digit_press",
    "digit_reader",
    "distance_explorer",
    "gan_lab",
    "latent_explorer",
    "pooling_explorer",
    "stroke_editor",
]
