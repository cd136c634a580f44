"""What has to run on a GPU. Each path takes a device and raises where a tensor lies on another one.

A path looks at values only where the course promises the same ones on every device.
"""

from __future__ import annotations

import contextlib
import copy
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from unittest import mock

import pytest
import torch
from matplotlib import pyplot as plt
from torch import Tensor

from course_lib import chapters, data, metrics, models
from course_lib.cnn import convolution, detection, filters, pooling
from course_lib.cnn.training_a_cnn import Classifier
from course_lib.data import augment, drawing_images, landscapes, portraits, strokes
from course_lib.data.batches import batches
from course_lib.data.imageset import ImageSet
from course_lib.gan import dcgan, points, stable_training
from course_lib.show import TrainingView, widgets
from course_lib.training import Run, Trainable, fit
from course_lib.training.progress import Bar
from course_lib.vae import autoencoders_to_vae, gan_or_vae, training_a_vae

Path = Callable[[torch.device], None]
PATHS: dict[str, Path] = {}

LOOKS = {"28 grey": {"size": 28}, "32 colour": {"size": 32, "colour": True}}
ONE_LOOK = {"detector"}  # reads grey images of 28 pixels only
NOT_FOLLOWED = {"hand_reader", "sketch_gan", "stackgan"}  # nn.GRU and torch.quantile: the pretended GPU has neither
SETTINGS = {  # beside the defaults
    "autoencoder": [{"network": "mlp"}],
    "vae": [
        {"network": "mlp"},
        {"likelihood": "gaussian"},
        {"importance": 3},
        {"beta": 4.0, "warm_up": 10, "free_bits": 0.1},
    ],
}


def path(function: Path) -> Path:
    PATHS[function.__name__.replace("_", " ")] = function
    return function


def take(name: str, device: torch.device) -> None:
    torch.manual_seed(0)
    PATHS[name](device)


def on(device: torch.device, *tensors: Tensor) -> None:
    for tensor in tensors:
        assert tensor.device.type == device.type, f"device: {list(tensor.shape)} lies on {tensor.device}, not {device}"


def close(ours: Tensor, theirs: Tensor) -> None:
    """Equal but for the rounding of a GPU that multiplies with fewer bits."""
    torch.testing.assert_close(ours.cpu(), theirs.cpu(), atol=0.05, rtol=0.05)


def both(device: torch.device, one: Tensor, other: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Two tensors with either of them, or both, on the device."""
    yield from ((one.to(device), other), (one, other.to(device)), (one.to(device), other.to(device)))


def train(model: Trainable, images: ImageSet, device: torch.device, steps: int = 3, **options) -> Trainable:
    """The moving average after a few steps of 20 images, which five critic steps or canvases of four divide."""
    run = fit(model, images, steps=steps, batch_size=20, device=device.type, view=Bar(silent=True), **options)
    return run.model


DRAWN = {"portraits": portraits, "landscapes": landscapes}
WORLDS = {how.model: DRAWN[how.data] for how in chapters.SHIPPED.values() if how.data in DRAWN}  # who learns from them


@contextlib.contextmanager
def any_judge(images: ImageSet) -> Iterator[None]:
    """No judge of colour images ships, and to train one takes a minute: here an untrained one will do."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, COURSE_JUDGE=folder):
        train(Classifier.for_data(images), images, torch.device("cpu"), steps=0, folder=folder)
        yield


# ---------------------------------------------------------------------------------------------------------------------
# Every model: training steps, samples, metrics
# ---------------------------------------------------------------------------------------------------------------------


def train_and_use(name: str, look: dict, config: dict, device: torch.device) -> None:
    draw = partial(WORLDS[name].draw, masks=False) if name in WORLDS else partial(strokes.draw, **look)
    images, test = draw(40), draw(7, split="test")
    model = train(models.model_class(name).for_data(images, **config), images, device)
    on(device, *model.state_dict().values())
    here = copy.deepcopy(model).cpu()
    if hasattr(model, "translate"):
        close(model.translate(test.images.to(device)), here.translate(test.images))
    elif can(model, "sample"):
        drawn = model.sample(3, seed=1)
        on(device, drawn)
        close(drawn, here.sample(3, seed=1))
    if can(model, "evaluate"):
        with any_judge(images):
            for judged, against in ((model, test), (model, test.to(device)), (here, test.to(device))):
                judged.evaluate(against)


def can(model: Trainable, method: str) -> bool:
    return getattr(type(model), method) is not getattr(Trainable, method)


for name in models.MODELS:
    if name in NOT_FOLLOWED:
        continue
    if name in WORLDS:
        PATHS[f"{name}, in its own world"] = partial(train_and_use, name, {}, {})
        continue
    for look, options in LOOKS.items():
        if look == "28 grey" or name not in ONE_LOOK:
            PATHS[f"{name}, {look}"] = partial(train_and_use, name, options, {})
    for config in SETTINGS.get(name, ()):
        PATHS[f"{name}, {config}"] = partial(train_and_use, name, LOOKS["28 grey"], config)


@path
def a_run_that_is_saved_and_continued(device: torch.device) -> None:
    images = strokes.draw(40)
    for name in ("dcgan", "vae"):
        with tempfile.TemporaryDirectory() as folder:
            for steps in (2, 4):
                model = train(models.build(name, images), images, device, steps=steps, folder=folder)
            close(model.sample(2), models.load(folder).to(device).sample(2))


@path
def shipped_models(device: torch.device) -> None:
    images = strokes.draw(8, device=device)
    on(device, models.pretrained("classifier").to(device).read(images.images))
    for name in ("conditional_gan", "r3gan", "autoencoder", "vae_plane"):
        on(device, models.pretrained(name).to(device).sample(4))


@path
def orders_for_the_conditional_gan(device: torch.device) -> None:
    model = models.pretrained("conditional_gan").to(device)
    wanted = torch.tensor([3, 1, 4])
    drawn = model.sample(3, labels=wanted.to(device))
    close(drawn, model.sample(3, labels=wanted))
    on(device, model.between(model.noise(3), 3, 8, torch.linspace(0, 1, 3)))


# ---------------------------------------------------------------------------------------------------------------------
# Images and batches
# ---------------------------------------------------------------------------------------------------------------------


@path
def drawing(device: torch.device) -> None:
    wanted = torch.tensor([3, 1, 4, 1, 5])
    slant = torch.linspace(-0.2, 0.2, 5)
    for options in ({}, {"colour": True, "size": 32}, {"size": 64, "slant": slant, "thickness": 3.0}):
        there, here = strokes.draw(wanted, device=device, **options), strokes.draw(wanted, **options)
        on(device, there.images, there.labels, *there.factors.values())
        close(there.images.mean((1, 2, 3)), here.images.mean((1, 2, 3)))
        assert list(there.captions) == list(here.captions)
    strokes.draw(wanted.to(device), device=device, slant=slant.to(device))
    on(device, data.load("strokes", count=20, device=device).images)


@path
def parts_of_an_image_set(device: torch.device) -> None:
    images = strokes.draw(10, device=device)
    mask, positions = images.labels.cpu() < 5, torch.tensor([0, 3, 9])
    for index in (mask, positions, mask.to(device), positions.to(device), slice(2, 4)):
        part = images[index]
        on(device, part.images, part.labels, *part.factors.values())
        assert len(part.captions[0]) > 0
    on(torch.device("cpu"), strokes.draw(10)[mask.to(device)].images)


@path
def augmented_batches(device: torch.device) -> None:
    here, there = strokes.draw(20, colour=True), strokes.draw(20, colour=True).to(device)
    every = augment.compose(augment.shift, augment.affine, augment.flip)
    for change in (None, augment.shift, augment.affine, augment.flip, every):
        for ours, theirs in zip(batches(there, 8, augment=change), batches(here, 8, augment=change), strict=True):
            on(device, *ours)
            close(ours.images, theirs.images)


@path
def curves_and_surfaces(device: torch.device) -> None:
    t = torch.linspace(0, 1, 5, device=device)
    control = torch.rand(4, 2, device=device)
    close(drawing_images.de_casteljau(control, t), drawing_images.bezier(control, t))
    spots, normals = drawing_images.bezier_surface(torch.rand(4, 4, 3, device=device), t, t)
    on(device, spots, drawing_images.shade(normals, torch.ones(3, device=device)))
    corners, pen = torch.rand(2, 9, 2, device=device), torch.ones(2, 8, device=device)
    on(device, drawing_images.exact_distance(corners, pen, 16))
    on(device, drawing_images.render(corners, pen, torch.full((2,), 0.1, device=device), 16))


# ---------------------------------------------------------------------------------------------------------------------
# Convolution, pooling and detection
# ---------------------------------------------------------------------------------------------------------------------


@path
def our_own_layers(device: torch.device) -> None:
    layers = [convolution.Conv2d(2, 4, 3, padding=1), pooling.MaxPool2d(2), pooling.AvgPool2d(3, 1, 1)]
    network = torch.nn.Sequential(*layers, convolution.Conv2d(4, 2, 1)).to(device)
    images = torch.rand(2, 2, 8, 8, device=device, requires_grad=True)
    network(images).square().sum().backward()
    on(device, images.grad, *(weight.grad for weight in network.parameters()))
    with torch.no_grad():
        x, weight = images.detach(), torch.rand(2, 3, 4, 4, device=device)
        on(device, network(x), convolution.conv_transpose2d(x, weight, stride=2, padding=1))
        on(device, pooling.avg_pool2d(x, 3, 1, 1, count_include_pad=False), pooling.global_average_pool(x))
        on(device, filters.gradient_magnitude(x), *(filters.apply_filter(x, name) for name in filters.FILTERS))
        on(device, filters.apply_filter(x, filters.box()))


@path
def finding_digits(device: torch.device) -> None:
    images = strokes.draw(20)
    there = images.to(device)
    here = detection.scatter(images.images, images.labels, seed=1)
    canvases = detection.scatter(there.images, there.labels, seed=1)
    on(device, canvases.images, canvases.labels, canvases.boxes)
    close(canvases.images, here.images)
    detector = detection.Detector.from_classifier(models.pretrained("classifier").to(device)).to(device)
    on(device, detector.heat(here.images), detection.target_map(canvases, (24, 24)))
    for shown in (here.images, canvases.images):
        found = detector.detect(shown, threshold=0.0)
        detection.score(found, canvases)
        detection.score(found, here)
        detection.mean_average_precision(found, canvases)
    rows = detection.in_a_row(there.images, there.labels)
    on(device, rows.images, rows.labels, rows.boxes, detection.reaching_in(canvases, (24, 24)))
    on(device, detection.by_cropping(detector, rows.images), detection.window_around(rows.images, 3, 4))


# ---------------------------------------------------------------------------------------------------------------------
# The plane, the codes
# ---------------------------------------------------------------------------------------------------------------------


@path
def games_in_the_plane(device: torch.device) -> None:
    target = points.ring()
    for game in (points.PointGAN, *(getattr(stable_training, f"Point{name}") for name in ("WGAN", "WGANGP", "R3GAN"))):
        model = game().to(device)
        for _ in range(3):
            model.step(target.sample(40).to(device))
        drawn = model.sample(50)
        on(device, drawn, *model.state_dict().values())
        for near, centres in both(device, drawn.cpu(), target.centres):
            assert metrics.mode_coverage(near, centres, target.spread).counts.sum() <= 50


@path
def codes_and_what_lies_between(device: torch.device) -> None:
    images = strokes.draw(40)
    flat = images.images.flatten(1).to(device)
    components = autoencoders_to_vae.principal_components(flat, 3)
    on(device, components.decode(components.encode(flat)))
    for name in ("autoencoder", "vae"):
        model = models.pretrained(name).to(device)
        on(device, model.reconstruct(images.images), model.codes(images.images))
        on(device, model.interpolate(images.images[:2], images.images[2:4], 3))
    models.pretrained("autoencoder").to(device).fit_codes(images.images)
    model = models.pretrained("vae").to(device)
    on(device, training_a_vae.draw_posterior(model, images.images))
    noise = torch.randn(5, 4, device=device)
    on(device, dcgan.slerp(noise, noise.flip(0), 0.5), dcgan.slerp(noise, noise.flip(0), torch.linspace(0, 1, 5)))
    for gradients in (autoencoders_to_vae.pathwise_gradients, autoencoders_to_vae.score_function_gradients):
        on(device, gradients(torch.square, 1.0, 0.5, noise[:, 0]))


# ---------------------------------------------------------------------------------------------------------------------
# Metrics, with either side on the device
# ---------------------------------------------------------------------------------------------------------------------


@path
def the_report(device: torch.device) -> None:
    test = strokes.draw(12, split="test")
    fakes = strokes.draw(12, seed=9)
    here = metrics.report(fakes.images, test, fakes.labels)
    for images, labels in both(device, fakes.images, fakes.labels):
        for against in (test, test.to(device)):
            there = metrics.report(images, against, labels)
            assert there.frechet_distance == pytest.approx(here.frechet_distance, rel=0.05)
            assert there.as_ordered == here.as_ordered


@path
def distances_between_clouds(device: torch.device) -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 20, 4, generator=generator)
    for ours, theirs in both(device, real, fake):
        assert metrics.frechet_distance(ours, theirs) == pytest.approx(metrics.frechet_distance(real, fake))
        assert metrics.precision_recall(ours, theirs) == metrics.precision_recall(real, fake)
    metrics.kl_to_uniform(metrics.class_shares(fake.softmax(dim=1).to(device)))


@path
def modes_in_the_plane(device: torch.device) -> None:
    target = points.grid(3)
    drawn = target.sample(90, torch.Generator().manual_seed(0))
    for ours, centres in both(device, drawn, target.centres):
        assert metrics.mode_coverage(ours, centres, target.spread)[:2] == (9, 1.0)


@path
def what_a_latent_encodes(device: torch.device) -> None:
    codes, slant = torch.rand(2, 20, 3, generator=torch.Generator().manual_seed(0))
    for ours, theirs in both(device, codes, slant[:, 0]):
        there, here = metrics.matches(ours, {"slant": theirs}), metrics.matches(codes, {"slant": slant[:, 0]})
        assert there["slant"].latent == here["slant"].latent


@path
def bounds_on_the_likelihood(device: torch.device) -> None:
    model, test = models.pretrained("vae"), strokes.draw(6, split="test")
    here = metrics.likelihood(model, test, samples=(1, 5))
    for images in (test, test.to(device)):
        there = metrics.likelihood(model.to(device), images, samples=(1, 5))
        assert there.neg_elbo == pytest.approx(here.neg_elbo, rel=0.2)  # the draws from q are each device's own


@path
def the_contest(device: torch.device) -> None:
    images, test = strokes.draw(130), strokes.draw(12, split="test")
    with mock.patch.object(gan_or_vae, "seconds_per_thousand", lambda model: float(model.sample(2).mean())):
        results = gan_or_vae.contest(images, test, steps=1, samples=12, device=device.type, view=Bar(silent=True))
    for model, score in results.values():
        model = getattr(model, "model", model)  # of a VAE with fitted codes
        on(device, *model.state_dict().values())
        assert score.figures()["images"] == 12


# ---------------------------------------------------------------------------------------------------------------------
# What the chapters show
# ---------------------------------------------------------------------------------------------------------------------


@path
def panels_and_views(device: torch.device) -> None:
    images = strokes.draw(30, device=device)
    reader, press, vae, plane = (
        models.pretrained(name).to(device) for name in ("classifier", "conditional_gan", "vae", "vae_plane")
    )
    widgets.digit_reader(reader)
    widgets.digit_finder(models.pretrained("detector").to(device))
    widgets.digit_press(press, reader)
    widgets.latent_explorer(models.pretrained("r3gan").to(device))
    widgets.side_by_side({"vae": vae, "gan": models.pretrained("dcgan").to(device)}, reader, count=2)
    widgets.latent_sliders(vae, images)
    widgets.latent_plane(plane, images)
    widgets.code_plane(plane, images)
    widgets.beta_slider(images, {beta: models.pretrained(f"beta_vae_{beta}").to(device) for beta in (1, 4)})
    view, run = TrainingView(lambda model: model.sample(4)), Run(vae)
    view.start(vae, run, steps=1, seconds=None)
    plt.close(view.picture(vae, run, "running"))
    view.finish(vae, run)
