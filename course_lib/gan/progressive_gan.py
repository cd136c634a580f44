"""Chapter 13: a GAN that grows from 4 x 4 pixels to the full size (Karras et al. 2018)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data.arguments import check_whole
from course_lib.data.batches import Batch
from course_lib.errors import CourseError
from course_lib.gan.dcgan import FEATURES
from course_lib.gan.stable_training import MinibatchDeviation, RelativisticPair
from course_lib.gan.the_gan_game import GAN
from course_lib.training.model import evaluating

FADE, HOLD = 200, 200  # steps to fade a level in, and to hold it
PLAIN_RATE = 1.5e-3  # for weights that hold their own scale: those of a typical layer then move by the same share
SMALLEST = 4  # pixels along a side of the first level, or a little more: 28 starts at 7

# ---------------------------------------------------------------------------------------------------------------------
# When what grows
# ---------------------------------------------------------------------------------------------------------------------


def sides(size: int) -> list[int]:
    """The sides of the levels, each twice the one before: 32 -> [4, 8, 16, 32], 28 -> [7, 14, 28]."""
    found = [check_whole("size", size, 2 * SMALLEST)]
    while found[0] % 2 == 0 and found[0] // 2 >= SMALLEST:
        found.insert(0, found[0] // 2)
    if len(found) == 1:
        raise CourseError(f"size: got {size}, expected an even size such as 28, 32 or 64, which can be halved")
    return found


def growth(step: int, fade: int, hold: int, last: int) -> tuple[int, float]:
    """(level, alpha) of a step, counted from 0 over the whole training.

    Level 0 is held for `hold` steps. Every later one is faded in over `fade` steps, in which alpha rises from 1 / fade
    to 1, and then held for `hold` steps; the last one to the end. With fade = hold = 0 everything is there from the
    first step on.
    """
    if step < hold:
        return 0, 1.0
    if fade + hold == 0:
        return last, 1.0
    level, inside = divmod(step - hold, fade + hold)
    if level >= last:
        return last, 1.0
    return level + 1, min(1.0, (inside + 1) / fade) if fade else 1.0


def mix(old: Tensor, new: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) * old + alpha * new."""
    return old + alpha * (new - old)


def enlarge(images: Tensor, times: int = 2) -> Tensor:
    """[N, C, H, W] -> [N, C, times * H, times * W]: every pixel becomes a square of its colour."""
    return images.repeat_interleave(times, 2).repeat_interleave(times, 3) if times > 1 else images


def shrink(images: Tensor, times: int = 2) -> Tensor:
    """[N, C, H, W] -> [N, C, H / times, W / times]: the mean of every square."""
    return F.avg_pool2d(images, times) if times > 1 else images


def shown(images: Tensor, side: int, alpha: float) -> Tensor:
    """Real images as the discriminator is to see them: [N, C, side, side], as sharp as the fakes of this moment.

    While a level is faded in, a fake holds (1 - alpha) of a coarser picture. So must the real ones, or their sharpness
    gives them away.
    """
    small = shrink(images, images.shape[-1] // side)
    return small if alpha == 1 else mix(enlarge(shrink(small)), small, alpha)


# ---------------------------------------------------------------------------------------------------------------------
# Layers
# ---------------------------------------------------------------------------------------------------------------------


class PixelNorm(nn.Module):
    """Divides the features of every pixel by their root mean square over the channels (dimension 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class Equalised(nn.Module):
    """A dense layer or a convolution whose weights are stored with deviation 1 and scaled down when they are used.

    The scale is He's, gain / sqrt(inputs). Adam moves every stored weight by about its rate, so that all layers, wide
    and narrow, change by the same share of their size (Karras et al. 2018, section 4.1).
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, gain: float = math.sqrt(2)):
        super().__init__()
        self.layer, self.scale = layer, gain / math.sqrt(layer.weight[0].numel())
        nn.init.normal_(layer.weight)
        nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.layer.weight * self.scale
        if isinstance(self.layer, nn.Linear):
            return F.linear(x, weight, self.layer.bias)
        return self.layer._conv_forward(x, weight, self.layer.bias)


def plain(layer: nn.Linear | nn.Conv2d, gain: float = math.sqrt(2)) -> nn.Module:
    """The same layer with its scale put into the weights once, at the start: what `Equalised` is compared with."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    nn.init.zeros_(layer.bias)
    return layer


# ---------------------------------------------------------------------------------------------------------------------
# The two networks
# ---------------------------------------------------------------------------------------------------------------------


class GrowingGenerator(nn.Module):
    """Noise [N, latent] -> images [N, channels, side, side] of a level, not squashed: beyond [-1, 1] they are cut off.

    maps[k] are the channels at level k. Every level has a way out of its own, a convolution to colours.
    """

    def __init__(self, channels: int, side: int, latent: int, maps: list[int], wrap=Equalised, norm=PixelNorm):
        super().__init__()
        self.start = nn.Sequential(
            norm(),
            wrap(nn.Linear(latent, maps[0] * side * side)),
            nn.Unflatten(1, (maps[0], side, side)),
            nn.LeakyReLU(0.2),
            norm(),
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), wrap(nn.Conv2d(a, b, 3, padding=1)), nn.LeakyReLU(0.2), norm())
            for a, b in pairwise(maps)
        )
        self.to_colour = nn.ModuleList(wrap(nn.Conv2d(m, channels, 3, padding=1), gain=1.0) for m in maps)

    def forward(self, noise: Tensor, level: int, alpha: float = 1.0) -> Tensor:
        x = self.start(noise)
        for block in self.blocks[:level]:
            before, x = x, block(x)
        new = self.to_colour[level](x)
        if level == 0 or alpha == 1:
            return new
        return mix(enlarge(self.to_colour[level - 1](before)), new, alpha)


class GrowingDiscriminator(nn.Module):
    """Images [N, channels, side, side] of a level -> logits [N]; the generator's mirror, with strided convolutions.

    The features of the last square are judged together with chapter 7's minibatch deviation.
    """

    def __init__(self, channels: int, side: int, maps: list[int], wrap=Equalised, deviation: bool = True):
        super().__init__()
        self.from_colour = nn.ModuleList(
            nn.Sequential(wrap(nn.Conv2d(channels, m, 1)), nn.LeakyReLU(0.2)) for m in maps
        )
        self.blocks = nn.ModuleList(  # block k leads from level k + 1 to level k
            nn.Sequential(wrap(nn.Conv2d(b, a, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)) for a, b in pairwise(maps)
        )
        self.body = nn.Sequential(nn.Flatten(), wrap(nn.Linear(maps[0] * side * side, FEATURES)), nn.LeakyReLU(0.2))
        if deviation:
            self.body.append(MinibatchDeviation())
        self.to_logit = wrap(nn.Linear(FEATURES + deviation, 1), gain=1.0)

    def forward(self, images: Tensor, level: int, alpha: float = 1.0) -> Tensor:
        x = self.from_colour[level](images)
        for down in range(level, 0, -1):
            x = self.blocks[down - 1](x)
            if down == level and alpha < 1:
                x = mix(self.from_colour[level - 1](shrink(images)), x, alpha)
        return self.to_logit(self.body(x)).flatten()


# ---------------------------------------------------------------------------------------------------------------------
# The model
# ---------------------------------------------------------------------------------------------------------------------


class ProgressiveGAN(RelativisticPair, GAN):
    """Chapter 7's recipe on networks that grow.

    fade, hold    steps to fade a level in, and to hold it; both 0: everything from the start, nothing grows
    equalised, pixel_norm, deviation  the three helpers, to be taken away one at a time

    The buffer `age` is the step of the training: it says how far a model has grown, also in a checkpoint and in the
    moving average.
    """

    name = "progressive_gan"
    batch_size = 32
    rate = 2e-2
    betas = (0.0, 0.9)
    every = 16
    average_decay = 0.998

    def __init__(
        self,
        channels: int = 3,
        size: int = 32,
        latent: int = 16,
        width: int = 12,
        fade: int = FADE,
        hold: int = HOLD,
        equalised: bool = True,
        pixel_norm: bool = True,
        deviation: bool = True,
    ):
        options = {"equalised": equalised, "pixel_norm": pixel_norm, "deviation": deviation}
        super().__init__(latent=latent, channels=channels, size=size, width=width, fade=fade, hold=hold, **options)
        check_whole("fade", fade, 0)
        check_whole("hold", hold, 0)
        self.sides, wrap = sides(size), Equalised if equalised else plain
        last = len(self.sides) - 1
        maps = [
            width * min(8, max(2, 2 ** (last - level))) for level in range(last + 1)
        ]  # at 32 pixels 8 w, 4 w, 2 w, 2 w
        side = self.sides[0]
        self.generator = GrowingGenerator(channels, side, latent, maps, wrap, PixelNorm if pixel_norm else nn.Identity)
        half = [max(1, m // 2) for m in maps]
        self.discriminator = GrowingDiscriminator(channels, side, half, wrap, deviation)
        self.register_buffer("age", torch.tensor(0))

    @property
    def grown(self) -> tuple[int, float]:
        """(level, alpha) of this moment."""
        return growth(int(self.age), self.config["fade"], self.config["hold"], len(self.sides) - 1)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.generator(noise, *self.grown)

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.discriminator(images, *self.grown)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Chapter 5's step, on images of the level that is reached."""
        self.age.fill_(self.steps_done)
        level, alpha = self.grown
        return super().training_step(Batch(shown(batch.images, self.sides[level], alpha), batch.labels))

    def draw(self, noise: Tensor, labels: Tensor | None = None, batch_size: int = 1000) -> Tensor:
        """Images [N, C, size, size] in [-1, 1]; those of a level on the way are enlarged to the full size."""
        small = super().draw(noise, labels, batch_size).clamp(-1, 1)
        return enlarge(small, self.sides[-1] // small.shape[-1])

    def paths(self, noise: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """The two pictures that a fade-in of `level` blends: the coarser one, enlarged, and the finer one."""
        check_whole("level", level, 1, len(self.sides) - 1)
        with evaluating(self):
            return enlarge(self.generator(noise, level - 1)).float(), self.generator(noise, level).float()
