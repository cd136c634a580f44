"""Chapter 16: a generator steered by styles (Karras et al. 2019), with the second version's modulated convolution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.errors import CourseError
from course_lib.gan.progressive_gan import PixelNorm, sides
from course_lib.gan.stable_training import BatchDiscriminator, RelativisticPair
from course_lib.gan.the_gan_game import GAN
from course_lib.training.model import evaluating

CENTRE_DRAWS = 4096  # noises whose mean w is the centre of W
RIDGE = 1e-3  # of the linear readout, as a share of the codes' mean square


# ---------------------------------------------------------------------------------------------------------------------
# The layers
# ---------------------------------------------------------------------------------------------------------------------


def modulated_conv2d(maps: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True) -> Tensor:
    """Each image is convolved with a kernel of its own: `weight`, its input channels scaled by the image's style.

    maps    [N, C, H, W]
    weight  [O, C, k, k] with an odd k, shared by all images; zeros around the maps keep their size
    style   [N, C]: by what each input channel is multiplied
    demodulate  divide each output channel by the length of its scaled kernel, so that no style makes it louder
    Returns [N, O, H, W]. (Karras et al. 2020, equations 1 and 3.)

    A factor on an input channel of the kernel is a factor on that channel of the image, and one on an output channel is
    a factor on the result. So the batch shares one ordinary convolution, and no kernel is copied.
    """
    if maps.ndim != 4 or style.shape != maps.shape[:2] or weight.shape[1] != maps.shape[1]:
        raise CourseError(
            f"style: got {list(style.shape)} for maps {list(maps.shape)} and weight {list(weight.shape)}, expected "
            "[N, C] for [N, C, H, W] and [O, C, k, k]"
        )
    out = F.conv2d(maps * style[:, :, None, None], weight, padding=weight.shape[2] // 2)
    if demodulate:
        lengths = (style.square() @ weight.square().sum(dim=(2, 3)).T + 1e-8).sqrt()  # [N, O]
        out = out / lengths[:, :, None, None]
    return out


class Mapping(nn.Module):
    """Noise z [N, latent] -> w [N, style]: a few dense layers, after z is scaled to length sqrt(latent).

    Only the direction of z counts: normal noise of many dimensions has nearly the same length anyway.
    """

    def __init__(self, latent: int, style: int, depth: int):
        super().__init__()
        layers: list[nn.Module] = []
        for layer in range(depth):
            dense = nn.Linear(style if layer else latent, style)
            nn.init.kaiming_normal_(dense.weight, 0.2)  # keeps the variance from layer to layer
            nn.init.zeros_(dense.bias)
            layers += [dense, nn.LeakyReLU(0.2)]
        self.norm, self.layers = PixelNorm(), nn.Sequential(*layers)  # chapter 13's norm, of a vector

    def forward(self, noise: Tensor) -> Tensor:
        return self.layers(self.norm(noise))


class StyledLayer(nn.Module):
    """Maps [N, C, H, W], w [N, style] and noise [N or 1, 1, h, w] -> maps [N, O, h, w], of the same or twice the side.

    w -> one factor per input channel -> modulated convolution -> enlarged, or not -> plus noise -> LeakyReLU. The noise
    is one map for all channels; each channel has learned a strength for it, zero at first.
    """

    def __init__(self, inputs: int, outputs: int, style: int, enlarge: bool):
        super().__init__()
        self.to_factors = factors_of(style, inputs)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3) / math.sqrt(9 * inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(outputs))
        self.enlarge = enlarge

    def forward(self, maps: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        maps = modulated_conv2d(maps, self.weight, self.to_factors(w))
        if self.enlarge:
            maps = F.interpolate(maps, scale_factor=2, mode="bilinear")
        maps = maps + self.strength[:, None, None] * noise + self.bias[:, None, None]
        return math.sqrt(2) * F.leaky_relu(maps, 0.2)


def factors_of(style: int, channels: int) -> nn.Linear:
    """A dense layer from w to one factor per channel; its bias is 1, so that all factors start near 1."""
    layer = nn.Linear(style, channels)
    nn.init.ones_(layer.bias)
    return layer


class Synthesis(nn.Module):
    """Styles [N, layers, style] -> images [N, channels, size, size], from one learned constant.

    Maps of 4, 8, 8, 16, 16, 32 and 32 pixels, and a last layer that turns them into colours: eight layers, each with a
    style of its own. `width` channels at the full size, twice and then four times as many below. No tanh at the end: a
    pixel a little outside of [-1, 1] still gets its gradient; whoever shows or judges the images clamps them.
    """

    def __init__(self, channels: int, size: int, style: int, width: int):
        super().__init__()
        self.sides = sides_of(size)
        maps = [width * min(4, size // side) for side in self.sides]
        self.constant = nn.Parameter(torch.randn(1, maps[0], self.sides[0], self.sides[0]))
        self.layers = nn.ModuleList(
            StyledLayer(maps[max(0, i - 1)], maps[i], style, enlarge=i % 2 == 1) for i in range(len(maps))
        )
        self.to_factors = factors_of(style, width)
        self.to_colours = nn.Parameter(0.5 * torch.randn(channels, width, 1, 1) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, styles: Tensor, noise: Sequence[Tensor]) -> Tensor:
        maps = self.constant.expand(len(styles), -1, -1, -1)
        for layer, w, one in zip(self.layers, styles.unbind(1), noise, strict=False):
            maps = layer(maps, w, one)
        image = modulated_conv2d(maps, self.to_colours, self.to_factors(styles[:, -1]), demodulate=False)
        return image + self.bias[:, None, None]


def sides_of(size: int) -> list[int]:
    """The side of the maps after each layer but the last: 32 -> 4, 8, 8, 16, 16, 32, 32; 28 -> 7, 14, 14, 28, 28."""
    levels = sides(size)
    if len(levels) < 3:
        raise CourseError(f"size: got {size}, expected one that can be halved twice, such as 28, 32 or 64")
    return [levels[0], *(side for side in levels[1:] for _ in range(2))]


def groups_of(size: int) -> dict[str, list[int]]:
    """Which layers are coarse (maps up to a quarter of the size), middle (half) and fine (the full size, colours)."""
    found: dict[str, list[int]] = {"coarse": [], "middle": [], "fine": []}
    for layer, side in enumerate([*sides_of(size), size]):
        found["fine" if side == size else "middle" if 2 * side == size else "coarse"].append(layer)
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Styles
# ---------------------------------------------------------------------------------------------------------------------


def mix_styles(a: Tensor, b: Tensor, layers: Tensor) -> Tensor:
    """Styles [N, L, style]: those of `b` in the chosen layers, those of `a` in the others.

    layers  bool [L], the same for all images, or [N, L]
    """
    if a.shape != b.shape or layers.shape not in (a.shape[1:2], a.shape[:2]) or layers.dtype != torch.bool:
        raise CourseError(
            f"layers: got {layers.dtype} {list(layers.shape)} for styles {list(a.shape)} and {list(b.shape)}, "
            "expected bool [L] or [N, L] for two [N, L, style]"
        )
    return torch.where(layers[..., None], b, a)


def truncate(w: Tensor, centre: Tensor, psi: float) -> Tensor:
    """w [..., style] drawn towards the centre [style]: psi 1 leaves it, 0 is the centre (Karras et al. 2019, B)."""
    return centre + psi * (w - centre)


class StyleGAN(RelativisticPair, GAN):
    """Chapter 7's recipe with another generator: noise becomes w, w becomes styles, styles steer every layer.

    While it learns, some images get the styles of two noises, so that no layer can rely on its neighbours, and every
    image gets fresh noise maps. In eval mode all of that is off: one style for all layers, and always the same maps.
    """

    name = "stylegan"
    batch_size = 32
    rate = 3e-3
    betas = (0.0, 0.9)
    gamma = 4.0
    every = 16
    slower = 10  # how many times slower the mapping learns than the rest
    mixing = 0.9  # share of the images that get two styles

    def __init__(
        self, channels: int = 3, size: int = 32, latent: int = 32, style: int = 64, width: int = 16, depth: int = 3
    ):
        super().__init__(latent=latent, channels=channels, size=size, style=style, width=width, depth=depth)
        self.generator = nn.ModuleDict(
            {"mapping": Mapping(latent, style, depth), "synthesis": Synthesis(channels, size, style, width)}
        )
        self.discriminator = BatchDiscriminator(channels, size, width)
        self.sides = sides_of(size)
        self.layers = len(self.sides) + 1
        fixed = torch.Generator().manual_seed(0)
        for i, side in enumerate(self.sides):
            self.register_buffer(
                f"noise_{i}", torch.randn(1, 1, side, side, generator=fixed, device="cpu"), persistent=False
            )

    def configure(self) -> None:
        super().configure()
        slow = {"params": list(self.generator["mapping"].parameters()), "lr": self.rate / self.slower}
        rest = {"params": list(self.generator["synthesis"].parameters())}
        self.optimizers["generator"] = torch.optim.Adam([rest, slow], lr=self.rate, betas=self.betas, fused=True)

    def fixed_maps(self) -> list[Tensor]:
        """The noise maps of eval mode, [1, 1, h, w] each: the same for all images."""
        return [getattr(self, f"noise_{i}") for i in range(len(self.sides))]

    def fresh_maps(self, count: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """New noise maps for `count` images, [count, 1, h, w] each."""
        like = self.noise_0
        device = like.device if generator is None else generator.device
        shapes = [(count, 1, side, side) for side in self.sides]
        return [torch.randn(shape, generator=generator, device=device).to(like) for shape in shapes]

    def styles(self, noise: Tensor) -> Tensor:
        """Noise [N, latent] -> [N, layers, style]: its w, once for every layer."""
        return self.generator["mapping"](noise)[:, None].expand(-1, self.layers, -1)

    def mixed(self, styles: Tensor) -> Tensor:
        """For a share `mixing` of the images: another noise's style from a random layer on."""
        count, device = len(styles), styles.device
        start = torch.randint(1, self.layers, (count,), device=device)
        start = torch.where(torch.rand(count, device=device) < self.mixing, start, self.layers)
        chosen = torch.arange(self.layers, device=device) >= start[:, None]
        return mix_styles(styles, self.styles(self.noise(count)), chosen)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        styles = self.styles(noise)
        if self.training:
            return self.generator["synthesis"](self.mixed(styles), self.fresh_maps(len(noise)))
        return self.generator["synthesis"](styles, self.fixed_maps()).clamp(-1, 1)

    def w(self, noise: Tensor) -> Tensor:
        """Noise [N, latent] -> w [N, style], without gradients."""
        with evaluating(self):
            return self.generator["mapping"](noise.to(self.noise_0))

    def centre(self) -> Tensor:
        """The mean w [style] of many noises."""
        return self.w(self.noise(CENTRE_DRAWS, torch.Generator().manual_seed(0))).mean(dim=0)

    def paint(self, styles: Tensor, maps: Sequence[Tensor] | None = None, batch_size: int = 500) -> Tensor:
        """Images of styles [N, layers, style], or of one w [N, style] for all layers: eval mode, no gradients.

        maps  noise maps; by default the fixed ones
        """
        if styles.ndim == 2:
            styles = styles[:, None].expand(-1, self.layers, -1)
        if styles.ndim != 3 or styles.shape[1:] != (self.layers, self.config["style"]):
            raise CourseError(
                f"styles: got {list(styles.shape)}, expected [N, {self.layers}, {self.config['style']}] or "
                f"[N, {self.config['style']}]"
            )
        maps = [one.expand(len(styles), -1, -1, -1) for one in (self.fixed_maps() if maps is None else maps)]
        with evaluating(self):
            parts = zip(styles.split(batch_size), *(one.split(batch_size) for one in maps), strict=True)
            return torch.cat([self.generator["synthesis"](part, some).float().clamp(-1, 1) for part, *some in parts])


# ---------------------------------------------------------------------------------------------------------------------
# What is measured
# ---------------------------------------------------------------------------------------------------------------------


def path_length(
    features: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, walk: Callable[..., Tensor], step: float, seed: int = 0
) -> Tensor:
    """Squared feature distance of two images a small step apart, over step squared: [N], one for each way.

    features  codes -> features [N, F] of their images
    walk      (a, b, share [N]) -> codes on the way, such as slerp or torch.lerp
    A random place on each way is taken (Karras et al. 2019, section 4.1). The smaller, the more evenly images change.
    """
    share = (1 - step) * torch.rand(len(a), generator=torch.Generator().manual_seed(seed)).to(a)
    here, there = (features(walk(a, b, s)) for s in (share, share + step))
    return (there - here).square().sum(dim=1) / step**2


def straight(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """`share` [N] of the way from a to b [N, D], straight."""
    return torch.lerp(a, b, share[:, None])


def readout(codes: Tensor, target: Tensor) -> Callable[[Tensor], Tensor]:
    """A linear layer from codes [N, D] to numbers or one-hot rows [N, K], by ridge regression in float64."""
    mean, level = codes.double().mean(dim=0), target.double().mean(dim=0)
    x, y = codes.double() - mean, target.double() - level
    ridge = RIDGE * x.square().sum(dim=0).mean()
    weight = torch.linalg.solve(x.T @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype, device=x.device), x.T @ y)
    return lambda some: (some.double() - mean) @ weight + level


def direction(codes: Tensor, values: Tensor) -> Tensor:
    """The shortest step [D] from codes [N, D] that raises a linear readout of `values` [N] by one standard deviation.

    values  numbers, or 0 and 1 for what is there or not; the deviation is that of the readout's own answers
    """
    layer = readout(codes, values[:, None].double())
    corners = torch.eye(codes.shape[1], dtype=torch.float64, device=codes.device)
    weight = (layer(corners) - layer(torch.zeros_like(corners)))[:, 0]
    return (layer(codes).std() * weight / weight.square().sum().clamp_min(1e-12)).to(codes)


def explained(guess: Tensor, truth: Tensor) -> float:
    """R²: the share of the variance of `truth` [N, K] that `guess` explains; 1 at best, 0 for the mean."""
    left = (guess - truth).square().sum()
    return float(1 - left / (truth - truth.mean(dim=0)).square().sum())


def told_linearly(codes: Tensor, values: Tensor) -> float:
    """How well a linear layer tells `values` from codes [N, D], on a half it was not fitted to: 0 chance, 1 perfect.

    values  float [N]: the result is R²; int64 [N] categories: accuracy, with 0 for always saying the commonest one
    """
    half = len(codes) // 2
    if values.is_floating_point():
        target = values[:, None].double()
        return explained(readout(codes[:half], target[:half])(codes[half:]), target[half:])
    onehot = F.one_hot(values).double()
    said = readout(codes[:half], onehot[:half])(codes[half:]).argmax(dim=1)
    right, chance = (said == values[half:]).double().mean(), onehot[half:].mean(dim=0).max()
    return float((right - chance) / (1 - chance)) if chance < 1 else 0.0  # where all are alike there is nothing to tell


def moved(before: Tensor, after: Tensor) -> float:
    """How far a factor moved: the share of changed categories, or the mean distance of numbers."""
    apart = (after - before).abs() if before.is_floating_point() else after != before
    return float(apart.double().mean())


def owners(model: StyleGAN, read: Callable[[Tensor], dict[str, Tensor]], a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """Which layer owns which factor: name -> [layers], how far it moves when one layer gets the style of another face.

    read  images -> name -> int64 [N] categories or float [N] numbers
    a, b  w [N, style] of the faces, and of those that lend their styles
    1 is as far as with all layers together, 0 not at all.
    """
    first, second = (w[:, None].expand(-1, model.layers, -1) for w in (a, b))
    alone, whole = read(model.paint(first)), read(model.paint(second))
    shares = {name: torch.zeros(model.layers) for name in alone}
    for layer in range(model.layers):
        one = torch.arange(model.layers, device=first.device) == layer
        seen = read(model.paint(mix_styles(first, second, one)))
        for name, before in alone.items():
            shares[name][layer] = moved(before, seen[name]) / max(moved(before, whole[name]), 0.001)
    return shares
