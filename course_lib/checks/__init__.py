"""Feedback on exercises: `checks.conv2d(conv2d)` under your cell says solved, not solved yet, or what went wrong."""

from course_lib.checks.convolution import conv2d, conv2d_backward, conv_output_size
from course_lib.checks.core import NotSolvedYet, WrongAnswer
from course_lib.checks.drawing_images import bernstein, bezier_surface, de_casteljau, ink
from course_lib.checks.pooling import max_pool2d, max_pool2d_backward, receptive_field
from course_lib.checks.progress import board
from course_lib.checks.training_a_cnn import cross_entropy, non_max_suppression, train_step
