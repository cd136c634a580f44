"""Chapter 15: two worlds without pairs (Zhu et al. 2017). Two translators, and each must undo what the other does."""

from __future__ import annotations

from itertools import chain
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data.arguments import check_whole
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet, check_images, from_bytes, to_bytes
from course_lib.errors import CourseError
from course_lib.gan.the_gan_game import frozen
from course_lib.training.model import Trainable, evaluating

# ---------------------------------------------------------------------------------------------------------------------
# Data: two sets of images, of which no one knows who belongs to whom
# ---------------------------------------------------------------------------------------------------------------------


def two_worlds(first: ImageSet, second: ImageSet) -> ImageSet:
    """One set of both: label 0 for the images of the first world, 1 for those of the second.

    Raises CourseError unless the images have one shape.
    """
    if first.images.shape[1:] != second.images.shape[1:]:
        raise CourseError(
            f"second: got images {list(second.images.shape[1:])}, expected {list(first.images.shape[1:])}, as those "
            "of the first world"
        )
    labels = torch.cat([torch.full((len(world),), place) for place, world in enumerate((first, second))])
    names = (first.name, second.name) if first.name != second.name else ("first world", "second world")
    images = torch.cat([first.images, second.images])
    return ImageSet(images, labels.to(images.device), class_names=names, name=f"{first.name} and {second.name}")


# ---------------------------------------------------------------------------------------------------------------------
# Losses
# ---------------------------------------------------------------------------------------------------------------------


class LeastSquares:
    """Real logits shall be 1 and fake ones 0 (Mao et al. 2017): the mean of the squares of what is missing.

    Unlike softplus it also pulls at a logit that is far on the right side. Logits of any shape, [N] or patches.
    """

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return ((real - 1).square().mean() + fake.square().mean()) / 2

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        return (fake - 1).square().mean()


def cycle_loss(images: Tensor, there: nn.Module, back: nn.Module) -> Tensor:
    """How far `back(there(images))` lies from the images: the mean absolute difference, a scalar."""
    return F.l1_loss(back(there(images)), images)


# ---------------------------------------------------------------------------------------------------------------------
# Networks
# ---------------------------------------------------------------------------------------------------------------------


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Padded by reflection, so that the border of a picture is no black frame."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, padding_mode="reflect")


class ResidualBlock(nn.Module):
    """x + f(x): two convolutions that say what to change, so that a block that has learned nothing changes nothing.

    Instance norm (each channel of each image to mean 0 and deviation 1) acts on f alone. On the sum it would take the
    brightness and the colours of every picture away.
    """

    def __init__(self, width: int):
        super().__init__()
        self.change = nn.Sequential(
            convolution(width, width, 3),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(),
            convolution(width, width, 3),
            nn.InstanceNorm2d(width, affine=True),
        )

    def forward(self, images: Tensor) -> Tensor:
        return images + self.change(images)


class Translator(nn.Module):
    """Images [N, C, H, W] -> images of the other world, [N, C, H, W] in [-1, 1] (after Johnson et al. 2016).

    Halved once, changed by residual blocks, doubled again: at half the size a block costs a quarter, and sees twice as
    far.
    """

    def __init__(self, channels: int, width: int, blocks: int):
        super().__init__()
        self.layers = nn.Sequential(
            convolution(channels, width, 5),
            nn.ReLU(),
            convolution(width, 2 * width, 3, stride=2),  # [N, 2w, 16, 16]
            nn.ReLU(),
            *(ResidualBlock(2 * width) for _ in range(blocks)),
            nn.ConvTranspose2d(2 * width, width, kernel_size=4, stride=2, padding=1),  # [N, w, 32, 32]
            nn.ReLU(),
            convolution(width, channels, 5),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class PatchDiscriminator(nn.Module):
    """Images [N, C, H, W] -> logits [N, h, w]: each judges one patch, 18 pixels wide, and no dense layer sees them all.

    (Isola et al. 2017.) Texture and colour are judged many times in every image; the composition is nobody's business,
    which suits a translator: it comes from the input.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=4, stride=2, padding=1),  # sees 4 x 4
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1),  # 10 x 10
            nn.InstanceNorm2d(2 * width, affine=True),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, kernel_size=3, padding=1),  # 18 x 18
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)[:, 0]


# ---------------------------------------------------------------------------------------------------------------------
# The image buffer
# ---------------------------------------------------------------------------------------------------------------------


class ImageBuffer(nn.Module):
    """Fakes of earlier steps, so that the discriminator does not forget old tricks (Shrivastava et al. 2017).

    Every fake that comes in is shown to the discriminator, or, at even odds once the buffer is full, an old one in its
    place, whose seat the new one takes. Kept in 8 bits, as part of the model: a run that is continued goes on with it.
    """

    def __init__(self, capacity: int, channels: int, size: int):
        super().__init__()
        self.register_buffer("kept", torch.zeros(capacity, channels, size, size, dtype=torch.uint8))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, fakes: Tensor) -> Tensor:
        """Fakes [N, C, H, W], detached -> as many images, some of them old."""
        capacity, shown = len(self.kept), fakes.clone()
        for place, fake in enumerate(to_bytes(fakes)):
            count = int(self.count)
            if count < capacity:
                self.kept[count] = fake
                self.count += 1
            elif capacity and torch.rand(()) < 0.5:
                seat = int(torch.randint(capacity, ()))
                shown[place] = from_bytes(self.kept[seat])
                self.kept[seat] = fake
        return shown


# ---------------------------------------------------------------------------------------------------------------------
# The model
# ---------------------------------------------------------------------------------------------------------------------


class CycleGAN(Trainable):
    """Two translators and two discriminators, trained on images of two classes that are nowhere paired.

    first, second  the classes that are the two worlds; images of other classes are left aside
    cycle          weight of the way there and back
    identity       weight of: a picture that is of the other world already stays as it is
    buffer         how many old fakes the discriminators are shown
    """

    name = "cyclegan"
    batch_size = 32
    average_decay = 0.995
    objective: Any = LeastSquares
    rate: ClassVar[float] = 1e-3
    betas: ClassVar[tuple[float, float]] = (0.5, 0.999)

    def __init__(
        self,
        channels: int = 3,
        size: int = 32,
        width: int = 16,
        blocks: int = 3,
        first: int = 0,
        second: int = 1,
        cycle: float = 10.0,
        identity: float = 5.0,
        buffer: int = 50,
    ):
        super().__init__(
            channels=channels,
            size=size,
            width=width,
            blocks=blocks,
            first=first,
            second=second,
            cycle=cycle,
            identity=identity,
            buffer=buffer,
        )
        if size % 4 or size < 8:
            raise CourseError(f"size: got {size}, expected a multiple of 4, 8 or more")
        for name, value in (("blocks", blocks), ("buffer", buffer), ("first", first), ("second", second)):
            check_whole(name, value, 0)
        if first == second:
            raise CourseError(f"second: got {second}, expected another class than the first")
        self.forth, self.back = (Translator(channels, width, blocks) for _ in range(2))
        self.of_first, self.of_second = (PatchDiscriminator(channels, 2 * width) for _ in range(2))
        self.old_first, self.old_second = (ImageBuffer(buffer, channels, size) for _ in range(2))

    def configure(self) -> None:
        translators = chain(self.forth.parameters(), self.back.parameters())
        judges = chain(self.of_first.parameters(), self.of_second.parameters())
        self.optimizers = {
            name: torch.optim.Adam(weights, lr=self.rate, betas=self.betas, fused=True)
            for name, weights in (("translators", translators), ("discriminators", judges))
        }

    def schedule(self, progress: float) -> float:
        """The full rate for half of the training, then down to nothing along a line."""
        return min(1.0, 2 * (1 - progress))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the translators, one of the discriminators (Zhu et al. 2017, section 3)."""
        first, second = (batch.images[batch.labels == self.config[world]] for world in ("first", "second"))
        if not (len(first) and len(second)):  # a batch of one world teaches nothing
            return dict.fromkeys(("discriminators", "translators", "cycle", "identity"), torch.zeros(()))
        # The translators: each gets what it shall change, and what it shall leave as it is.
        fake_second, same_second = self.forth(torch.cat([first, second])).split([len(first), len(second)])
        fake_first, same_first = self.back(torch.cat([second, first])).split([len(second), len(first)])
        cycle = F.l1_loss(self.back(fake_second), first) + F.l1_loss(self.forth(fake_first), second)
        identity = F.l1_loss(same_first, first) + F.l1_loss(same_second, second)
        with frozen(self.of_first), frozen(self.of_second):
            fooled = self.objective.generator(None, self.of_first(fake_first)) + self.objective.generator(
                None, self.of_second(fake_second)
            )
            loss = fooled + self.config["cycle"] * cycle + self.config["identity"] * identity
            self.descend(loss, self.optimizers["translators"])
        # The discriminators: real pictures of a world against fakes of it, new and old.
        old_first, old_second = self.old_first(fake_first.detach()), self.old_second(fake_second.detach())
        judged = self.objective.discriminator(self.of_first(first), self.of_first(old_first))
        judged = judged + self.objective.discriminator(self.of_second(second), self.of_second(old_second))
        self.descend(judged, self.optimizers["discriminators"])
        return {
            "discriminators": judged.detach(),
            "translators": fooled.detach(),
            "cycle": cycle.detach(),
            "identity": identity.detach(),
        }

    def translate(self, images: Tensor, to: str = "second", batch_size: int = 500) -> Tensor:
        """Images [N, C, H, W] as pictures of the other world, float32 in [-1, 1]: eval mode, no gradients.

        to  "second" for images of the first world, "first" for those of the second
        Raises CourseError for another word, and for images that are not of the model's shape.
        """
        ways = {"second": self.forth, "first": self.back}
        if to not in ways:
            raise CourseError(f"to: got {to!r}, expected 'first' or 'second'")
        wanted = [self.config["channels"], self.config["size"], self.config["size"]]
        if list(check_images(images).shape[1:]) != wanted:
            raise CourseError(f"images: got {list(images.shape[1:])}, expected {wanted}, as the model was made for")
        with evaluating(self):
            device = next(self.parameters()).device
            return torch.cat([ways[to](part.to(device)).float() for part in images.split(batch_size)])

    def sample(self, count: int, *, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        raise CourseError(
            "sample: 'cyclegan' draws nothing from noise; it translates pictures: model.translate(images)"
        )

    def evaluate(self, images: ImageSet) -> dict[str, float]:
        """How far the way there and back leads from a picture, on average, in grey levels of 255."""
        figures = {}
        for name, here, there in (("first", "first", "second"), ("second", "second", "first")):
            some = images.images[images.labels == self.config[here]]
            if not len(some):
                raise CourseError(f"images: got none of class {self.config[here]}, the {name} world of this model")
            again = self.translate(self.translate(some, to=there), to=here)
            figures[f"cycle_{name}"] = float((again - some.to(again.device)).abs().mean() * 127.5)
        return figures
