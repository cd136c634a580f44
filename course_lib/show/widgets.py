"""All widgets in one place, for `show.widgets.convolution_explorer(...)`; each lives in the module of its chapter."""

from course_lib.show.autoencoders_to_vae import code_plane
from course_lib.show.conditional_gan import digit_press
from course_lib.show.convolution import convolution_explorer
from course_lib.show.dcgan import latent_explorer
from course_lib.show.drawing_images import stroke_editor
from course_lib.show.gan_or_vae import side_by_side
from course_lib.show.pooling import pooling_explorer
from course_lib.show.stable_training import distance_explorer
from course_lib.show.the_gan_game import gan_lab
from course_lib.show.training_a_cnn import digit_reader
from course_lib.show.training_a_vae import beta_slider, latent_plane, latent_sliders

__all__ = [
    "beta_slider",
    "code_plane",
    "convolution_explorer",
    "digit_press",
    "digit_reader",
    "distance_explorer",
    "gan_lab",
    "latent_explorer",
    "latent_plane",
    "latent_sliders",
    "pooling_explorer",
    "side_by_side",
    "stroke_editor",
]
