"""The chapters of the course, one row each. Every list of chapters, models, widgets and checkpoints comes from here.

A new chapter is one row and its own files; CONTRIBUTING.md says which. Nothing here imports torch, so that the doctor
and the command line can read it on a machine where little works.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shipped:
    """A small checkpoint that comes with the course, and what makes it again."""

    model: str
    steps: int
    data: str = "strokes"
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    count: int | None = None  # of training images; None is the usual number
    size: int | None = None  # of the images in pixels; None is the usual one
    colour: bool = False
    precision: str | None = None  # "bf16-mixed" is faster on processors that multiply in bfloat16; None: as usual there


@dataclass(frozen=True)
class Chapter:
    """What is known of a chapter.

    built    what the reader builds, for the README and for the map in chapter 0
    article  the part of the articles it follows
    module   its module in course_lib, and those beside it
    models   name on the command line -> class, as module.Class
    shipped  checkpoint -> how it is made
    widgets  widget -> the label of the control that a test moves
    minutes  to read it, as `course_lib.authoring.listings.minutes` counts them
    """

    number: int
    stem: str
    title: str
    built: str
    article: str
    modules: tuple[str, ...] = ()
    models: dict[str, str] = field(default_factory=dict)
    shipped: dict[str, Shipped] = field(default_factory=dict)
    widgets: dict[str, str] = field(default_factory=dict)
    minutes: int = 5

    @property
    def name(self) -> str:
        """What its notebook, exercise and solution are called: "06_dcgan"."""
        return f"{self.number:02d}_{self.stem}"

    @property
    def heading(self) -> str:
        """The first line of its notebook: "6 · DCGAN"."""
        return f"{self.number} · {self.title}"

    @property
    def has_exercises(self) -> bool:
        return self.number > 0


DRAWN_16, DRAWN_64 = ({"size": size, "colour": True, "precision": "bf16-mixed"} for size in (16, 64))
SMALL = {"latent": 10, "hidden": 64, "width": 8}  # five of them ship together

CHAPTERS = (
    Chapter(
        0,
        "start_here",
        "Start here",
        "ten cells of PyTorch, how the three machines relate, map, progress",
        "A 1-2",
        minutes=25,
    ),
    Chapter(
        number=1,
        stem="drawing_images",
        title="Drawing images",
        built="Bézier curves and surfaces, the stroke renderer, the data set",
        article="A 1.1",
        modules=("data.drawing_images",),
        widgets={"stroke_editor": "slant"},
        minutes=70,
    ),
    Chapter(
        number=2,
        stem="convolution",
        title="Convolution",
        built="cross-correlation by loops, then unfold + matmul; its backward pass; transposed convolution; filters "
        "on a photo",
        article="A 3.1.1",
        modules=("cnn.convolution", "cnn.filters"),
        widgets={"convolution_explorer": "position"},
        minutes=70,
    ),
    Chapter(
        number=3,
        stem="pooling",
        title="Pooling",
        built="max and average pooling and their gradients; receptive field; what shrinks and what does not",
        article="A 3.1.2",
        modules=("cnn.pooling",),
        widgets={"pooling_explorer": "position"},
        minutes=70,
    ),
    Chapter(
        number=4,
        stem="training_a_cnn",
        title="Training a CNN",
        built="gradient descent, backpropagation on a graph, the five steps by hand; validation and overfitting; what "
        "the filters learned",
        article="A 3.1.3",
        modules=("cnn.training_a_cnn",),
        models={"classifier": "cnn.training_a_cnn.Classifier"},
        shipped={
            "classifier": Shipped("classifier", 3000),
            "classifier_mnist": Shipped("classifier", 3000, "mnist"),
        },
        widgets={"digit_reader": "pen width"},
        minutes=75,
    ),
    Chapter(
        number=5,
        stem="the_gan_game",
        title="The GAN game",
        built="the game on points in the plane, the optimal discriminator, saturation, a museum of failures; "
        "the MLP GAN",
        article="A 3.2, B 2, C 1-2, 6",
        modules=("gan.the_gan_game", "gan.points"),
        models={"mlp_gan": "gan.the_gan_game.MLPGAN"},
        shipped={"mlp_gan": Shipped("mlp_gan", 94_000)},
        widgets={"gan_lab": "discriminator rate"},
        minutes=75,
    ),
    Chapter(
        number=6,
        stem="dcgan",
        title="DCGAN",
        built="transposed convolutions and their grid, strided discriminator, latent walks; 28 px live, "
        "128 px in colour",
        article="A 4, C 4",
        modules=("gan.dcgan",),
        models={"dcgan": "gan.dcgan.DCGAN"},
        shipped={"dcgan": Shipped("dcgan", 2500)},
        widgets={"latent_explorer": "mix"},
        minutes=75,
    ),
    Chapter(
        number=7,
        stem="stable_training",
        title="Stable training",
        built="mode collapse measured; WGAN, WGAN-GP, relativistic pairing with R1 + R2 on one scoreboard",
        article="C 4-5, B 5",
        modules=("gan.stable_training",),
        models={"wgan_gp": "gan.stable_training.WGANGP", "r3gan": "gan.stable_training.R3GAN"},
        shipped={"wgan_gp": Shipped("wgan_gp", 800), "r3gan": Shipped("r3gan", 4000)},
        widgets={"distance_explorer": "distance"},
        minutes=75,
    ),
    Chapter(
        number=8,
        stem="conditional_gan",
        title="Digits to order",
        built="digits to order, and between two classes",
        article="B 1",
        modules=("gan.conditional_gan",),
        models={"conditional_gan": "gan.conditional_gan.ConditionalGAN"},
        shipped={"conditional_gan": Shipped("conditional_gan", 4000)},
        widgets={"digit_press": "morph"},
        minutes=80,
    ),
    Chapter(
        number=9,
        stem="autoencoders_to_vae",
        title="From autoencoders to the VAE",
        built="PCA as the linear autoencoder, why an autoencoder's samples fail, the reparameterised sample and its "
        "gradient",
        article="A 3.3.1",
        modules=("vae.autoencoders_to_vae",),
        models={"autoencoder": "vae.autoencoders_to_vae.Autoencoder"},
        shipped={"autoencoder": Shipped("autoencoder", 3000)},
        widgets={"code_plane": "across"},
        minutes=70,
    ),
    Chapter(
        number=10,
        stem="training_a_vae",
        title="Training a VAE",
        built="the ELBO line by line, beta, posterior collapse and its cures, the IWAE bound, what each latent encodes",
        article="A 3.3.2",
        modules=("vae.training_a_vae",),
        models={"vae": "vae.training_a_vae.VAE"},
        shipped={
            "vae": Shipped("vae", 6000, settings={"hidden": 128}),
            "vae_plane": Shipped("vae", 4000, settings={"latent": 2, "hidden": 128}),
            **{
                f"beta_vae_{beta:g}": Shipped("vae", 3000, settings={"beta": beta, **SMALL})
                for beta in (0.1, 0.5, 1, 4, 16)
            },
        },
        widgets={"latent_plane": "up", "beta_slider": "beta", "latent_sliders": "latent 0"},
        minutes=80,
    ),
    Chapter(
        number=11,
        stem="gan_or_vae",
        title="GAN or VAE?",
        built="the same data, the same budget, one scoreboard; when to choose what",
        article="A 6",
        modules=("vae.gan_or_vae",),
        widgets={"side_by_side": "walk"},
        minutes=80,
    ),
    Chapter(
        number=12,
        stem="new_worlds",
        title="New worlds",
        built="filled shapes, painter's order, alpha; portraits and landscapes with factors, masks and captions; the "
        "reader network that judges them",
        article="A 1.1, C 3",
        modules=("data.new_worlds", "cnn.factor_reader"),
        models={"factor_reader": "cnn.factor_reader.FactorReader"},
        shipped={
            "portrait_reader": Shipped("factor_reader", 16_000, "portraits", count=100_000, precision="bf16-mixed"),
            "landscape_reader": Shipped("factor_reader", 16_000, "landscapes", count=100_000, precision="bf16-mixed"),
        },
        widgets={"portrait_editor": "smile"},
        minutes=75,
    ),
    Chapter(
        number=13,
        stem="progressive_gan",
        title="Growing a GAN",
        built="networks that grow from 4 to 32 pixels while they train: fade-in, equalised learning rate, pixel norm; "
        "the contest against the full size",
        article="B 1, C 4",
        modules=("gan.progressive_gan",),
        models={"progressive_gan": "gan.progressive_gan.ProgressiveGAN"},
        shipped={"progressive_gan": Shipped("progressive_gan", 3004, "portraits")},
        widgets={"fade_explorer": "alpha"},
        minutes=60,
    ),
    Chapter(
        number=14,
        stem="stackgan",
        title="From words to pictures",
        built="a caption becomes a sketch, and the sketch a picture: text encoder, conditioning augmentation, a "
        "discriminator that reads; every word checked, for combinations never seen in training too",
        article="B 1",
        modules=("gan.stackgan", "data.wording", "cnn.hand_reader", "metrics.said"),
        models={
            "hand_reader": "cnn.hand_reader.HandReader",
            "sketch_gan": "gan.stackgan.SketchGAN",
            "stackgan": "gan.stackgan.StackGAN",
        },
        shipped={
            "hand_reader": Shipped("hand_reader", 1500, count=20_000, **DRAWN_64),
            "sketch_strokes": Shipped("sketch_gan", 5000, count=30_000, **DRAWN_16),
            "sketch_portraits": Shipped("sketch_gan", 2500, "portraits", **DRAWN_16),
            "stack_strokes": Shipped("stackgan", 3000, count=20_000, **DRAWN_64),
            "stack_portraits": Shipped("stackgan", 415, "portraits", count=5000, **DRAWN_64),
        },
        widgets={"caption_writer": "others"},
        minutes=55,
    ),
    Chapter(
        number=15,
        stem="cyclegan",
        title="Two worlds without pairs",
        built="unpaired translation, summer <-> winter and day <-> night: residual translators, patch discriminator, "
        "image buffer, cycle and identity loss; judged by the true counterparts; what a fake hides",
        article="C 4",
        modules=("gan.cyclegan", "gan.counterparts"),
        models={"cyclegan": "gan.cyclegan.CycleGAN"},
        shipped={
            "cyclegan": Shipped(
                "cyclegan", 3000, "landscapes", settings={"first": 0, "second": 2}, precision="bf16-mixed"
            ),
        },
        widgets={"curtain": "curtain"},
        minutes=75,
    ),
    Chapter(
        number=16,
        stem="stylegan",
        title="Style",
        built="mapping network, modulated convolution, noise and styles by layer, style mixing, truncation; which "
        "layer owns which factor",
        article="C 4",
        modules=("gan.stylegan",),
        models={"stylegan": "gan.stylegan.StyleGAN"},
        shipped={"stylegan": Shipped("stylegan", 6000, "portraits")},
        widgets={"style_mixer": "truncation"},
        minutes=55,
    ),
    Chapter(
        number=17,
        stem="detection",
        title="Finding digits",
        built="the classifier slid over a large canvas: dense layers as convolutions, nothing as a class, heat map, "
        "IoU and non-maximum suppression, average precision; numbers read from left to right",
        article="A 1.2, 2",
        modules=("cnn.detection",),
        models={"detector": "cnn.detection.Detector"},
        shipped={"detector": Shipped("detector", 400, settings={"start": "classifier"})},
        widgets={"digit_finder": "threshold"},
        minutes=50,
    ),
)

MODELS = {model: path for chapter in CHAPTERS for model, path in chapter.models.items()}
SHIPPED = {checkpoint: how for chapter in CHAPTERS for checkpoint, how in chapter.shipped.items()}
