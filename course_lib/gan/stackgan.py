"""Chapter 14: a caption becomes a sketch of 16 pixels, and the sketch a picture of 64 (Zhang et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import models
from course_lib.data.arguments import check_whole
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.data.wording import Vocabulary, facts, wording_of
from course_lib.errors import CourseError
from course_lib.gan.dcgan import FEATURES, Discriminator, Generator, levels
from course_lib.gan.stable_training import MinibatchDeviation, RelativisticPair
from course_lib.gan.the_gan_game import GAN, check_count, frozen
from course_lib.training.model import evaluating

SKETCH = 16  # pixels along a side of the first stage's picture

# ---------------------------------------------------------------------------------------------------------------------
# Words
# ---------------------------------------------------------------------------------------------------------------------


class TextEncoder(nn.Module):
    """Captions as numbers [N, L] -> one vector each [N, width]: a vector for every word, read one after the other.

    The reader is a gated recurrent unit (Cho et al. 2014). Its state after the last word is the result: the zeros that
    fill a short caption up are never read.
    """

    def __init__(self, words: int, width: int):
        super().__init__()
        self.table = nn.Embedding(words, width // 2, padding_idx=0)
        self.reader = nn.GRU(width // 2, width, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        with torch.autocast(tokens.device.type, enabled=False):
            states, _ = self.reader(self.table(tokens))  # [N, L, width]
        last = (tokens != 0).sum(dim=1) - 1
        return states[torch.arange(len(tokens), device=tokens.device), last]


def kl_to_normal(mean: Tensor, log_deviation: Tensor) -> Tensor:
    """KL(N(mean, deviation²) || N(0, 1)), added up over the numbers of a code [N, D], averaged over the captions.

    Chapter 10's formula, never negative: (mean² + deviation² - 1) / 2 - log deviation. 0 for mean 0 and deviation 1.
    """
    each = (mean.square() + (2 * log_deviation).exp() - 1) / 2 - log_deviation
    return each.sum(dim=1).mean()


class Conditioning(nn.Module):
    """Captions as numbers [N, L] -> the mean and the log deviation of their codes, [N, code] each.

    Conditioning augmentation (Zhang et al. 2017, section 3.2): a caption is not a point but a small cloud, from which
    every picture gets a point of its own. The generator has to get along with captions near those it has read.
    """

    def __init__(self, words: int, width: int, code: int):
        super().__init__()
        self.encoder = TextEncoder(words, width)
        self.to_code = nn.Linear(width, 2 * code)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_deviation = self.to_code(self.encoder(tokens)).float().chunk(2, dim=1)
        return mean, log_deviation.clamp(-6, 3)

    @staticmethod
    def sample(mean: Tensor, log_deviation: Tensor, chance: Tensor) -> Tensor:
        """mean + deviation * chance, with standard normal `chance` [N, code]: chapter 9's reparameterised sample."""
        return mean + log_deviation.exp() * chance


# ---------------------------------------------------------------------------------------------------------------------
# Pictures
# ---------------------------------------------------------------------------------------------------------------------


class ResidualBlock(nn.Module):
    """x + f(x), f two convolutions: what has been drawn stays, unless the block says what to change."""

    def __init__(self, width: int):
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(maps + self.change(maps))


class Refiner(nn.Module):
    """A sketch [N, C, 16, 16] and a code [N, code] -> a picture [N, C, size, size] in [-1, 1].

    The code is laid under every pixel of the sketch. Residual blocks change the small picture, and each doubling paints
    it finer. What comes out is a correction of the enlarged sketch.
    """

    def __init__(self, channels: int, size: int, code: int, width: int, blocks: int):
        super().__init__()
        times = size // SKETCH
        if size != SKETCH * times or times < 2 or times & (times - 1):
            raise CourseError(f"size: got {size}, expected {SKETCH} doubled once or more often, such as 32 or 64")
        self.times, maps = times, 2 * width
        self.start = nn.Sequential(nn.Conv2d(channels + code, maps, 3, padding=1), nn.ReLU())
        layers: list[nn.Module] = [ResidualBlock(maps) for _ in range(blocks)]
        while times > 1:
            finer = max(8, maps // 2)
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(maps, finer, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(finer), nn.ReLU()]
            maps, times = finer, times // 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(maps, channels, 3, padding=1))

    def forward(self, sketch: Tensor, code: Tensor) -> Tensor:
        under = code[:, :, None, None].expand(-1, -1, *sketch.shape[2:])
        correction = self.layers(self.start(torch.cat([sketch, under], dim=1)))
        smooth = F.interpolate(sketch, scale_factor=self.times, mode="bilinear")
        return torch.tanh(correction + torch.atanh(smooth.clamp(-0.99, 0.99)))


class MatchingDiscriminator(nn.Module):
    """Pictures [N, C, H, W] and captions as numbers [N, L] -> logits [N]: real, *and* what the words say?

    Chapter 8's projection with a caption in place of a class: w . h + e(words) . h, with h the features of the picture.
    The features see neither words nor captions, so that a second caption for the same picture costs next to nothing.
    """

    def __init__(self, channels: int, size: int, width: int, words: int, text: int):
        super().__init__()
        body = Discriminator(channels, size, width).body
        self.body = nn.Sequential(*body, MinibatchDeviation())
        self.encoder = TextEncoder(words, text)
        self.to_logit = nn.Linear(FEATURES + 1, 1)
        self.to_projection = nn.Linear(text, FEATURES + 1)

    def words(self, tokens: Tensor) -> Tensor:
        """What the captions ask for: [N, FEATURES + 1]."""
        return self.to_projection(self.encoder(tokens)).float()

    def judge(self, features: Tensor, words: Tensor) -> Tensor:
        return self.to_logit(features).flatten() + (words * features).sum(dim=1)

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        return self.judge(self.body(images), self.words(tokens))


# ---------------------------------------------------------------------------------------------------------------------
# The game that both stages play
# ---------------------------------------------------------------------------------------------------------------------


class WordedGAN(RelativisticPair, GAN):
    """Chapter 7's recipe for pictures with captions.

    The discriminator meets three pairs: (real picture, its words), (real picture, wrong words) and (fake, the words it
    was drawn from). The first shall get a larger logit than either of the others (Reed et al. 2016, algorithm 1).
    """

    batch_size = 96  # half of it, or a little more, has clear words
    rate = 2e-3
    every = 8
    average_decay = 0.998

    def __init__(self, **config: Any):
        super().__init__(**config)
        self.wording = wording_of(config["world"])
        for name in ("code", "text"):
            check_whole(name, config[name], 2)

    @classmethod
    def for_data(cls, images: ImageSet, **config: Any) -> WordedGAN:
        return super().for_data(images, world=wording_of(images.name).world, **config)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.wording.vocabulary

    def lesson(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The pictures of a batch that may be learned from, and the choices of their captions [n, kinds].

        Words and pictures come from the same rows. Pictures that the words do not describe are left out, and so is
        every combination that is held out.
        """
        known = facts(batch)
        choices = self.wording.look(known)
        kept = ~(self.wording.skip(known) | self.wording.unseen(choices))
        return batch.images[kept], choices[kept]

    def coded(self, tokens: Tensor, chance: Tensor) -> tuple[Tensor, Tensor]:
        """A code for each caption, moved by `chance` [N, code] (its mean, without augmentation), and the codes' KL."""
        mean, log_deviation = self.generator.conditioning(tokens)
        if not self.config["augment"]:
            return mean, torch.zeros((), device=mean.device)
        return Conditioning.sample(mean, log_deviation, chance), kl_to_normal(mean, log_deviation)

    def drawn(self, noise: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures, and the KL of the codes they were drawn from."""
        raise NotImplementedError

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Noise [N, latent] and captions as numbers [N, L], in the place of labels -> pictures."""
        return self.drawn(noise, labels)[0]

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.discriminator(images, labels)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        real, choices = self.lesson(batch)
        tokens = self.wording.encode(choices)
        wrong = self.wording.encode(self.wording.one_word_off(choices))
        fake, kl = self.drawn(self.noise(len(real)), tokens)
        # The discriminator: real pictures with their words against fakes, and against wrong words.
        judge = self.discriminator
        right_words, wrong_words = judge.words(torch.cat([tokens, wrong])).chunk(2)
        seen = judge.body(real)
        real_logits = judge.judge(seen, right_words)
        fake_logits = judge.judge(judge.body(fake.detach()), right_words)
        loss = self.objective.discriminator(real_logits, fake_logits)
        mismatch = self.objective.discriminator(real_logits, judge.judge(seen, wrong_words))
        penalty = self.penalty(real, fake.detach(), tokens)
        total = loss + self.config["matching"] * mismatch
        self.descend(total if penalty is None else total + penalty, self.optimizers["discriminator"])
        # The generator: fakes as convincing as real pictures, and its codes near a normal cloud.
        with frozen(judge):
            generator_loss = self.objective.generator(real_logits.detach(), judge(fake, tokens))
            self.descend(generator_loss + self.config["kl"] * kl, self.optimizers["generator"])
        return {
            "discriminator": loss.detach(),
            "mismatch": mismatch.detach(),
            "generator": generator_loss.detach(),
            "kl": kl.detach(),
        }

    def captions(self, count: int, seed: int = 0) -> list[str]:
        """`count` captions of the kind that training shows, drawn at random."""
        seen = self.wording.everything[~self.wording.held_out]
        return self.wording.sentences(seen[torch.randint(len(seen), (count,), generator=_chance(seed))])

    def sample(
        self, count: int, *, seed: int = 0, labels: Tensor | None = None, captions: Sequence[str] | None = None
    ) -> Tensor:
        """`count` pictures, float32 [N, C, H, W] in [-1, 1], picture i drawn to captions[i]; by default to any.

        Eval mode, no gradients, and the same seed the same pictures. Raises CourseError for an unknown word.
        """
        if labels is not None:
            raise CourseError(f"labels: got some, but {self.name!r} takes sentences: sample(count, captions=[...])")
        captions = self.captions(check_count(count), seed) if captions is None else captions
        tokens = self.vocabulary.encode(captions)
        if len(tokens) != count:
            raise CourseError(f"captions: got {len(tokens)}, expected {count}, one per picture")
        return self.draw(self.noise(count, _chance(seed)), tokens)

    def evaluate(self, images: ImageSet) -> dict[str, Any]:
        """How many words come true, of captions seen in training and of combinations that never were."""
        from course_lib.metrics.said import figures

        return figures(self, images)


def _chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------------------------------------------------------------
# Stage I
# ---------------------------------------------------------------------------------------------------------------------


class Sketcher(nn.Module):
    """Noise and a caption's code -> a sketch: chapter 6's generator, told the words."""

    def __init__(self, channels: int, size: int, latent: int, width: int, words: int, text: int, code: int):
        super().__init__()
        self.conditioning = Conditioning(words, text, code)
        self.painter = Generator(channels, size, latent + code, width)

    def forward(self, noise: Tensor, code: Tensor) -> Tensor:
        return self.painter(torch.cat([noise, code], dim=1))


class SketchGAN(WordedGAN):
    """Stage I: a caption -> 16 pixels. What is where, in which colours.

    latent   numbers of noise; `code` of them move the caption's code, where `augment` is 1
    kl       weight of the codes' KL
    matching  weight of the wrong words in the discriminator's loss
    """

    name = "sketch_gan"

    def __init__(
        self,
        world: str = "strokes",
        channels: int = 3,
        size: int = SKETCH,
        latent: int = 48,
        width: int = 16,
        text: int = 64,
        code: int = 24,
        augment: int = 1,
        kl: float = 0.01,
        matching: float = 1.0,
    ):
        super().__init__(
            latent=latent,
            world=world,
            channels=channels,
            size=size,
            width=width,
            text=text,
            code=code,
            augment=augment,
            kl=kl,
            matching=matching,
        )
        if latent <= code:
            raise CourseError(f"latent: got {latent}, expected more than the {code} numbers that move the code")
        levels(size)
        words = len(self.vocabulary)
        self.generator = Sketcher(channels, size, latent - code, width, words, text, code)
        self.discriminator = MatchingDiscriminator(channels, size, width, words, text)

    def drawn(self, noise: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        noise, chance = noise.split([self.latent - self.config["code"], self.config["code"]], dim=1)
        code, kl = self.coded(tokens, chance)
        return self.generator(noise, code), kl


# ---------------------------------------------------------------------------------------------------------------------
# Stage II
# ---------------------------------------------------------------------------------------------------------------------


class Painter(nn.Module):
    """What the second stage learns: to read the caption once more, and to refine a sketch."""

    def __init__(self, channels: int, size: int, width: int, blocks: int, words: int, text: int, code: int):
        super().__init__()
        self.conditioning = Conditioning(words, text, code)
        self.refiner = Refiner(channels, size, code, width, blocks)

    def forward(self, sketch: Tensor, code: Tensor) -> Tensor:
        return self.refiner(sketch, code)


class StackGAN(WordedGAN):
    """Stage II: a sketch and the caption, read a second time -> the picture.

    The first stage is part of the model, with fixed weights: in eval mode always, without gradients, and in no
    optimiser. `for_data` takes it from the model that a checkpoint of `sketch_gan` holds.

    sketch   where that is: a run's folder, a file, or a name of those that ship; "" is "sketch_" and the world's name
    latent   numbers of noise; the last `code` of them move this stage's code, and the others are the sketch's
    """

    name = "stackgan"
    batch_size = 64

    def __init__(
        self,
        world: str = "strokes",
        channels: int = 3,
        size: int = 64,
        latent: int = 72,
        width: int = 16,
        blocks: int = 2,
        text: int = 64,
        code: int = 24,
        augment: int = 1,
        kl: float = 0.01,
        matching: float = 1.0,
        sketch: str = "",
        sketch_code: int = 24,
        sketch_width: int = 16,
    ):
        super().__init__(
            latent=latent,
            world=world,
            channels=channels,
            size=size,
            width=width,
            blocks=blocks,
            text=text,
            code=code,
            augment=augment,
            kl=kl,
            matching=matching,
            sketch=sketch,
            sketch_code=sketch_code,
            sketch_width=sketch_width,
        )
        words = len(self.vocabulary)
        self.first = SketchGAN(
            world, channels, SKETCH, latent - code, sketch_width, text, sketch_code, augment
        ).requires_grad_(False)
        del self.first.discriminator
        self.generator = Painter(channels, size, width, blocks, words, text, code)
        self.discriminator = MatchingDiscriminator(channels, size, max(4, width // 2), words, text)
        self.train()

    @classmethod
    def for_data(cls, images: ImageSet, sketch: str = "", first: SketchGAN | None = None, **config: Any) -> StackGAN:
        """A fresh second stage on top of a trained first one: `first`, or the one that `sketch` names.

        Its readers of captions begin as the first stage's were, and are trained on; all else begins at random.
        """
        if first is None:
            name = sketch or f"sketch_{wording_of(images.name).world}"
            with torch.device("cpu"):  # also while `models.build` only tries the settings out
                first = models.load(name) if Path(name).exists() else models.pretrained(name)
        if not isinstance(first, SketchGAN) or first.config["world"] != images.name:
            raise CourseError(
                f"sketch: got a {first.name} for {first.config.get('world')}, expected a sketch_gan for {images.name}"
            )
        known = first.config
        config = {"code": known["code"], "text": known["text"], "augment": known["augment"], **config}
        config = {"latent": known["latent"] + config["code"], **config}
        taken = {"sketch": sketch, "sketch_code": known["code"], "sketch_width": known["width"]}
        model = super().for_data(images, **config, **taken)
        if not model.first.generator.painter.layers[0].weight.is_meta:
            weights = {name: tensor for name, tensor in first.state_dict().items() if name.startswith("generator.")}
            model.first.load_state_dict(weights)
            if (config["text"], config["code"]) == (known["text"], known["code"]):  # what words mean, to begin with
                model.generator.conditioning.load_state_dict(first.generator.conditioning.state_dict())
                model.discriminator.encoder.load_state_dict(first.discriminator.encoder.state_dict())
        return model

    def train(self, mode: bool = True) -> StackGAN:
        """The second stage's mode; the first stays in eval mode, or its batch norm would go on counting."""
        super().train(mode)
        self.first.eval()
        return self

    def sketch(self, noise: Tensor, tokens: Tensor) -> Tensor:
        """The first stage's pictures [N, C, 16, 16], detached."""
        with torch.no_grad():
            return self.first.generate(noise[:, : self.first.latent], tokens)

    def both(self, noise: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The sketches, and the pictures made of them: eval mode, no gradients."""
        pictures = self.draw(noise, tokens)
        return self.sketch(noise, tokens).float(), pictures

    def retold(self, noise: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Pictures of which each stage was told something else: captions as numbers [N, L], one for each stage."""
        with evaluating(self):
            code, _ = self.coded(second, noise[:, self.first.latent :])
            return self.generator(self.sketch(noise, first), code).float()

    def between(self, noise: Tensor, start: Tensor, end: Tensor, share: Tensor) -> Tensor:
        """Pictures of noise [N, latent] whose codes lie `share` [N] of the way from one caption [1, L] to another.

        The codes are the means of their clouds, in both stages.
        """
        with evaluating(self):
            share = share.to(noise)[:, None]

            def code(reader: Conditioning) -> Tensor:
                return (1 - share) * reader(start)[0] + share * reader(end)[0]

            own = noise[:, : self.first.latent - self.first.config["code"]]
            sketch = self.first.generator(own, code(self.first.generator.conditioning))
            return self.generator(sketch, code(self.generator.conditioning)).float()

    def drawn(self, noise: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        code, kl = self.coded(tokens, noise[:, self.first.latent :])
        return self.generator(self.sketch(noise, tokens), code), kl
