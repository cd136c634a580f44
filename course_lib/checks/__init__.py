"""Feedback on exercises: `checks.conv2d(conv2d)` under your cell says solved, not solved yet, or what went wrong."""

from course_lib.checks import compare, core, formula, guard, surroundings, verdict
from course_lib.checks.autoencoders_to_vae import (
    autoencoder_loss,
    linear_autoencoder,
    reconstruct,
    reparameterise,
)
from course_lib.checks.conditional_gan import condition, order_table, projection_logits, sample_to_order
from course_lib.checks.convolution import conv2d, conv2d_backward, conv_output_size
from course_lib.checks.dcgan import batch_norm, overlap_counts, sample, slerp
from course_lib.checks.drawing_images import bernstein, bezier_surface, de_casteljau, ink
from course_lib.checks.gan_or_vae import copy_ratio, draw_codes, frechet_gaussians, seed_verdict
from course_lib.checks.pooling import max_pool2d, max_pool2d_backward, receptive_field
from course_lib.checks.progress import board
from course_lib.checks.stable_training import (
    gradient_penalty,
    minibatch_deviation,
    precision,
    r1_penalty,
    relativistic_losses,
)
from course_lib.checks.the_gan_game import discriminator_loss, gan_step, generator_loss, js_divergence
from course_lib.checks.training_a_cnn import cross_entropy, non_max_suppression, train_step
from course_lib.checks.training_a_vae import gaussian_kl, iwae, negative_elbo, vae_forward
from course_lib.checks.verdict import NotSolvedYet, WrongAnswer

surroundings.remember(compare, core, formula, guard, surroundings, verdict)
