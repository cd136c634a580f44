"""Chapter 17: the network that reads one digit, slid over a large canvas, finds and reads several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.cnn.training_a_cnn import FEATURES, Classifier, ink
from course_lib.data.arguments import check_whole
from course_lib.data.augment import affine
from course_lib.data.batches import Batch
from course_lib.data.glyphs import SYMBOLS
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.training.model import Trainable, evaluating, fitting

STRIDE = 4  # pixels between two answers: the body halves height and width twice
NEAR, FAR = 3.0, 6.0  # pixels: closer to a digit's centre an answer must be the digit, farther away "nothing"
SIDE = 22  # pixels of a found digit's window
SUPPRESS = 0.2  # windows that overlap a more certain one by more than this are the same digit
RECEPTIVE = 40  # pixels: an answer is made of this square and of nothing else
CROP = 44  # pixels: the smallest square on the grid of the poolings that holds it
CELL = 32  # a canvas is cut into cells; each holds at most one digit


@dataclass(frozen=True)
class Canvases:
    """Several digits a canvas, and where they are.

    images  float32 [N, 1, size, size] in [-1, 1]
    labels  int64 [N, K]; -1 where a canvas has fewer than K digits
    boxes   float32 [N, K, 4]: left, top, right, bottom of the ink, in pixels
    """

    images: Tensor
    labels: Tensor
    boxes: Tensor

    @property
    def centres(self) -> Tensor:
        """[N, K, 2]: x and y of the middle of every box."""
        return (self.boxes[..., :2] + self.boxes[..., 2:]) / 2


@dataclass(frozen=True)
class Found:
    """What was found on one canvas: boxes [M, 4], labels [M] and scores [M], the most certain first."""

    boxes: Tensor
    labels: Tensor
    scores: Tensor


def scatter(digits: Tensor, labels: Tensor, per_canvas: int = 4, size: int = 96, seed: int | None = None) -> Canvases:
    """Lay digits [M, 1, 28, 28] out on M // per_canvas canvases, at random places in different cells; about one in five
    is left out, so that canvases differ in number. Without a seed, torch's global random numbers are used.
    """
    cells = (size // CELL) ** 2
    if digits.shape[1:] != (1, 28, 28) or not 1 <= per_canvas <= cells:
        raise CourseError(
            f"digits: got {list(digits.shape)}, {per_canvas} a canvas, expected [M, 1, 28, 28], 1 to {cells} a canvas"
        )
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    count = len(digits) // per_canvas
    device = digits.device
    digits = digits[: count * per_canvas].unflatten(0, (count, per_canvas))  # [N, K, 1, 28, 28]
    cell = torch.rand(count, cells, generator=generator).argsort(dim=1)[:, :per_canvas]
    corner = torch.stack([cell % (size // CELL), cell // (size // CELL)], -1) * CELL + (CELL - 28) // 2
    corner = (corner + torch.randint(-5, 6, corner.shape, generator=generator)).clamp(0, size - 28).to(device)
    present = (torch.rand(count, per_canvas, generator=generator) < 0.8).to(device)
    present[:, 0] = True
    labels = labels[: count * per_canvas].reshape(count, per_canvas).masked_fill(~present, -1)
    return laid_out(digits, labels, corner, size, size)


def in_a_row(digits: Tensor, labels: Tensor, length: int = 4, spacing: int = 26, seed: int = 0) -> Canvases:
    """Whole numbers: digits [M, 1, 28, 28] on M // length canvases of 48 pixels' height, `length` side by side.

    spacing  pixels from the middle of one digit to that of the next; each is moved by 1 sideways, 4 up or down at most
    """
    if digits.shape[1:] != (1, 28, 28):
        raise CourseError(f"digits: got {list(digits.shape)}, expected [M, 1, 28, 28]")
    check_whole("length", length, 1)
    check_whole("spacing", spacing, 8)
    generator, count, device = torch.Generator().manual_seed(seed), len(digits) // length, digits.device
    width = STRIDE * -(-(spacing * (length - 1) + 28 + 16) // STRIDE)  # a whole number of answers
    digits = digits[: count * length].unflatten(0, (count, length))
    shift = torch.stack([torch.randint(-r, r + 1, (count, length), generator=generator) for r in (1, 4)], -1)
    corner = torch.stack([8 + spacing * torch.arange(length), torch.full((length,), 10)], -1)
    corner = (corner + shift).to(device)
    return laid_out(digits, labels[: count * length].unflatten(0, (count, length)), corner, 48, width)


def laid_out(digits: Tensor, labels: Tensor, corner: Tensor, height: int, width: int) -> Canvases:
    """Digits [N, K, 1, 28, 28] on N canvases, each with its top left at x, y = corner [N, K, 2]; none where -1 is."""
    count, per_canvas, device = *labels.shape, digits.device
    canvas = digits.new_full((count, height, width), -1.0)
    image, pixel = torch.arange(count, device=device)[:, None, None], torch.arange(28, device=device)
    for k in range(per_canvas):
        rows, columns = corner[:, k, 1, None] + pixel, corner[:, k, 0, None] + pixel  # [N, 28]
        place = (image, rows[:, :, None], columns[:, None, :])
        drawn = torch.where((labels[:, k] >= 0)[:, None, None], digits[:, k, 0], -1.0)
        canvas[place] = torch.maximum(canvas[place], drawn)  # ink on ink stays ink
    boxes = ink_boxes(digits[:, :, 0]) + torch.cat([corner, corner], -1)
    return Canvases(canvas[:, None], labels, boxes)


def ink_boxes(images: Tensor, threshold: float = 0.0) -> Tensor:
    """The smallest box around the ink of images [..., H, W] in [-1, 1]: [..., 4] as left, top, right, bottom."""
    marked = images > threshold
    columns, rows = marked.any(-2).float(), marked.any(-1).float()
    left, top = columns.argmax(-1), rows.argmax(-1)
    right, bottom = images.shape[-1] - columns.flip(-1).argmax(-1), images.shape[-2] - rows.flip(-1).argmax(-1)
    return torch.stack([left, top, right, bottom], -1).float()


class Detector(Trainable):
    """The classifier with its dense layers written as convolutions, and one more class: nothing.

    A dense layer over a 7x7 map is a 7x7 convolution that happens to fit once. On a larger canvas it fits many times:
    [N, 1, H, W] -> logits [N, classes + 1, H / 4, W / 4], one answer every 4 pixels, at the price of one pass
    (Sermanet et al. 2014, "OverFeat", section 3.5). Answer (i, j) depends on the pixels 4 i - 18 to 4 i + 21 and
    4 j - 18 to 4 j + 21, and on no others.
    """

    name = "detector"
    batch_size = 128  # digits; four to a canvas
    average_decay = 0.99

    def __init__(
        self, channels: int = 1, size: int = 28, width: int = 16, classes: int = len(SYMBOLS), start: str = ""
    ):
        super().__init__(channels=channels, size=size, width=width, classes=classes, start=start)
        classifier = Classifier(channels, classes=classes + 1, size=size, width=width)
        self.nothing = classes  # the number of the last class
        reach = size // STRIDE
        self.body = classifier.body
        self.to_features = nn.Conv2d(2 * width, FEATURES, reach, padding=reach // 2)
        self.to_logits = nn.Conv2d(FEATURES, classes + 1, 1)
        self.adopt(classifier)

    @classmethod
    def for_data(cls, images: ImageSet, **config) -> Detector:
        """With `start`, the name of a classifier that ships with the course, it begins with what that one knows."""
        if images.images.shape[1:] != (1, 28, 28):
            raise CourseError(f"images: got {list(images.images.shape)}, expected grey 28x28 images")
        detector = cls(classes=len(images.class_names), **config)
        if start := detector.config["start"]:
            from course_lib import chapters, models

            known = [name for name, how in chapters.SHIPPED.items() if how.model == Classifier.name]
            if start not in known:
                raise CourseError(f"start: got {start!r}, expected one of {', '.join(known)}")
            if not detector.to_logits.weight.is_meta:
                detector.adopt(models.pretrained(start))
        return detector

    @classmethod
    def from_classifier(cls, classifier: Classifier) -> Detector:
        """Start from what a classifier knows; only "nothing" is left to learn."""
        c = classifier.config
        detector = cls(channels=c["channels"], size=c["size"], width=c["width"], classes=c["classes"])
        detector.adopt(classifier)
        return detector

    @torch.no_grad()
    def adopt(self, classifier: Classifier) -> None:
        """Copy a classifier's weights: the same numbers, reshaped from dense layers to convolutions."""
        self.body.load_state_dict(classifier.body.state_dict())
        for ours, theirs in ((self.to_features, classifier.to_features), (self.to_logits, classifier.to_logits)):
            rows = len(theirs.weight)
            ours.weight[:rows] = theirs.weight.reshape(rows, *ours.weight.shape[1:])
            ours.bias[:rows] = theirs.bias

    def forward(self, canvases: Tensor) -> Tensor:
        return self.to_logits(F.relu(self.to_features(self.body(ink(canvases)))))

    def configure(self) -> None:
        self.optimizers = {"adam": torch.optim.Adam(self.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=True)}

    def schedule(self, progress: float) -> float:
        return 1.0 - 0.95 * progress

    def augment(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Slanted, turned, larger and smaller digits; where they lie is the canvas's business."""
        return affine(images, generator, degrees=8, scale=0.15, shear=0.1, shift=0)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        canvases = scatter(batch.images, batch.labels)
        logits = self(canvases.images).float()
        wanted = target_map(canvases, logits.shape[-2:], self.nothing)
        each = F.cross_entropy(logits, wanted.clamp(min=0), reduction="none")
        digit, nothing = (wanted >= 0) & (wanted < self.nothing), wanted == self.nothing
        loss = each[digit].mean() + each[nothing].mean()  # digits are rare: the two kinds count the same
        self.descend(loss, self.optimizers["adam"])
        return {"digits": each[digit].mean().detach(), "nothing": each[nothing].mean().detach()}

    def heat(self, canvases: Tensor, batch_size: int = 100) -> Tensor:
        """Class probabilities [N, classes + 1, H / 4, W / 4]; the last is "nothing"."""
        with evaluating(self):
            device = self.to_logits.weight.device
            return torch.cat([self(part.to(device)).softmax(dim=1) for part in canvases.split(batch_size)])

    def detect(self, canvases: Tensor, threshold: float = 0.5) -> list[Found]:
        """Where digits are on every canvas, and which: peaks of the heat map, each kept once."""
        return [
            found_on(canvas[0], heat, threshold)
            for canvas, heat in zip(canvases, self.heat(canvases).cpu(), strict=True)
        ]

    def evaluate(self, images: ImageSet) -> dict[str, float]:
        """Recall and precision on canvases made of these images; see `score`."""
        canvases = scatter(fitting(self, images).images[:4000], images.labels[:4000], seed=0)
        return {**score(self.detect(canvases.images), canvases), "canvases": len(canvases.images)}


def middles(shape: Sequence[int], device: torch.device) -> Tensor:
    """x and y of the pixel that each answer looks around, (4 j + 2, 4 i + 2): [h, w, 2]."""
    y, x = (torch.arange(n, device=device) * STRIDE + STRIDE / 2 for n in shape)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def target_map(canvases: Canvases, shape: torch.Size, nothing: int = len(SYMBOLS)) -> Tensor:
    """What each answer should be, int64 [N, h, w]: a digit near its centre, `nothing` (10 for ten digits) far from all,
    -1 (either) in between.

    Answer (i, j) looks at a window around the pixel 4 i + 2, 4 j + 2.
    """
    gaps = (middles(shape, canvases.images.device) - canvases.centres[:, :, None, None]).norm(dim=-1)  # [N, K, h, w]
    gaps = gaps.masked_fill((canvases.labels < 0)[:, :, None, None], torch.inf)
    nearest, which = gaps.min(dim=1)
    target = canvases.labels.gather(1, which.flatten(1)).view_as(which)
    return target.masked_fill(nearest > NEAR, -1).masked_fill(nearest > FAR, nothing)


def reaching_in(canvases: Canvases, shape: torch.Size, side: int = 28) -> Tensor:
    """Of how many digits a part lies in the window of `side` pixels around each answer: int64 [N, h, w].

    0 is empty paper; 1, away from the middle of a digit, a digit cut off; 2 or more are pieces of several.
    """
    middle = middles(shape, canvases.images.device)
    boxes = canvases.boxes[:, :, None, None]
    apart = (boxes[..., :2] >= middle + side / 2) | (boxes[..., 2:] <= middle - side / 2)
    return ((canvases.labels >= 0)[:, :, None, None] & ~apart.any(-1)).sum(1)


def found_on(canvas: Tensor, heat: Tensor, threshold: float, overlap: float = SUPPRESS, reach: float = SIDE) -> Found:
    """Turn one heat map [classes + 1, h, w] into boxes on a canvas [H, W].

    overlap, reach  windows of `reach` pixels that overlap a more certain one by more than this are the same digit
    """
    certainty = 1 - heat[-1]
    rows, columns = (certainty > threshold).nonzero(as_tuple=True)
    centre = torch.stack([columns, rows], -1) * STRIDE + STRIDE / 2
    windows, heaps = (torch.cat([centre - side / 2, centre + side / 2], -1) for side in (SIDE, reach))
    scores = certainty[rows, columns]
    keep = suppress(heaps, scores, overlap)
    boxes = torch.stack([tight(canvas, windows[i].long().tolist()) for i in keep]) if len(keep) else torch.zeros(0, 4)
    labels = heat[:-1, rows[keep], columns[keep]].argmax(dim=0)
    return Found(boxes, labels, scores[keep])


def tight(canvas: Tensor, window: list[int]) -> Tensor:
    """The box of the ink inside a window (left, top, right, bottom) of a canvas [H, W]."""
    left, top = max(window[0], 0), max(window[1], 0)
    inside = canvas[top : window[3], left : window[2]].cpu()
    return ink_boxes(inside) + torch.tensor([left, top, left, top])


def pairwise_iou(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of every box [M, 4] with every other [K, 4]: [M, K]; 0 where both are empty."""
    corner = torch.maximum(one[:, None, :2], other[None, :, :2])
    side = torch.minimum(one[:, None, 2:], other[None, :, 2:]) - corner
    shared = side.clamp(min=0).prod(dim=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (one, other)]
    union = areas[0][:, None] + areas[1][None] - shared
    return torch.where(union > 0, shared / union, 0)


def suppress(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Non-maximum suppression: the indices of the boxes [M, 4] that stay, the most certain first.

    Take the most certain box, drop all that overlap it by more than `threshold`, go on with the rest.
    """
    order, kept = scores.argsort(descending=True, stable=True), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[pairwise_iou(boxes[best, None], boxes[order])[0] <= threshold]
    return torch.stack(kept) if kept else order


# ---------------------------------------------------------------------------------------------------------------------
# How good it is
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ranking:
    """All boxes of all canvases, the most certain first: which are hits, and how many digits there were to find.

    scores, overlaps  float32 [M]; an overlap is the IoU with the digit that was hit, 0 for none
    hits              bool [M]
    labels            int64 [M]
    truth             int64 [D]: the labels of all digits
    """

    scores: Tensor
    overlaps: Tensor
    hits: Tensor
    labels: Tensor
    truth: Tensor

    def of_class(self, label: int) -> Ranking:
        mine = self.labels == label
        parts = (part[mine] for part in (self.scores, self.overlaps, self.hits, self.labels))
        return Ranking(*parts, self.truth[self.truth == label])


def ranked(found: list[Found], truth: Canvases, iou: float = 0.5) -> Ranking:
    """A box is a hit when its label is right and it overlaps a true box, not yet taken, by `iou` or more."""
    overlaps, digits = [], []
    for one, labels, true in zip(found, truth.labels.cpu(), truth.boxes.cpu(), strict=True):
        true, labels = true[labels >= 0], labels[labels >= 0]
        digits.append(labels)
        ious = pairwise_iou(one.boxes, true) * (one.labels[:, None] == labels[None])
        for row in ious:  # most certain box first
            best = int(row.argmax()) if len(row) else 0
            hit = len(row) > 0 and row[best] >= iou
            overlaps.append(float(row[best]) if hit else 0.0)
            if hit:
                ious[:, best] = 0
    scores = torch.cat([one.scores for one in found])
    labels = torch.cat([one.labels for one in found])
    order, overlap = scores.argsort(descending=True, stable=True), torch.tensor(overlaps)
    return Ranking(scores[order], overlap[order], overlap[order] > 0, labels[order], torch.cat(digits))


def score(found: list[Found], truth: Canvases, iou: float = 0.5) -> dict[str, float]:
    """A digit counts as found when a box of the right label overlaps its own by `iou` or more; each box counts once.

    Returns recall (found digits / digits), precision (boxes that found one / boxes) and the mean overlap of the hits.
    """
    all_boxes = ranked(found, truth, iou)
    hits, digits = int(all_boxes.hits.sum()), len(all_boxes.truth)
    return {
        "recall": hits / max(digits, 1),
        "precision": hits / max(len(all_boxes.hits), 1),
        "overlap": float(all_boxes.overlaps.sum()) / max(hits, 1),
        "digits": digits,
    }


def precision_recall(hits: Tensor, digits: int) -> tuple[Tensor, Tensor]:
    """Precision and recall [M], float64, when the list of boxes is cut after the first, the second ...

    hits    bool [M], the most certain box first
    digits  how many there were to find
    """
    found = hits.double().cumsum(0)
    return found / torch.arange(1, len(hits) + 1, device=hits.device), found / max(digits, 1)


def average_precision(hits: Tensor, digits: int, points: int | None = None) -> float:
    """The area under the curve of precision over recall, once the curve is made to fall.

    At every recall the best precision counts that is reached there or farther right. With `points`, the mean over so
    many evenly spaced recalls, as the COCO benchmark has it (101); without, the exact area.
    """
    if not len(hits) or not digits:
        return 0.0
    precision, recall = precision_recall(hits, digits)
    falling = precision.flip(0).cummax(0).values.flip(0)
    if points is None:
        return float((falling * recall.diff(prepend=recall.new_zeros(1))).sum())
    asked = torch.linspace(0, 1, points, dtype=recall.dtype, device=recall.device)
    at = torch.searchsorted(recall, asked - 1e-9)
    return float(torch.cat([falling, falling.new_zeros(1)])[at].mean())


def mean_average_precision(found: list[Found], truth: Canvases, iou: float = 0.5, points: int | None = 101) -> float:
    """The mean of the classes' average precisions, over the classes that there are digits of."""
    everything = ranked(found, truth, iou)
    parts = [everything.of_class(label) for label in everything.truth.unique().tolist()]
    return sum(average_precision(one.hits, len(one.truth), points) for one in parts) / max(len(parts), 1)


# ---------------------------------------------------------------------------------------------------------------------
# Cropping, and reading
# ---------------------------------------------------------------------------------------------------------------------


def crops(canvases: Tensor, side: int = CROP) -> Tensor:
    """All squares of `side` pixels that begin at a multiple of 4: [N, C, H, W] -> [N, h, w, C, side, side]."""
    return canvases.unfold(2, side, STRIDE).unfold(3, side, STRIDE).permute(0, 2, 3, 1, 4, 5)


def window_around(canvas: Tensor, row: int, column: int, side: int = 28) -> Tensor:
    """The window [..., side, side] of a canvas [..., H, W] around an answer; outside of the canvas it is empty."""
    half = side // 2
    padded = F.pad(canvas, (half,) * 4, value=-1.0)
    top, left = STRIDE * row + STRIDE // 2, STRIDE * column + STRIDE // 2
    return padded[..., top : top + side, left : left + side]


def by_cropping(detector: Detector, canvases: Tensor) -> Tensor:
    """The answers [N, classes + 1, h, w] from 20 pixels inside the border on, each read from a crop of its own."""
    parts = crops(canvases)
    middle = CROP // STRIDE // 2
    logits = detector(parts.flatten(0, 2))[:, :, middle, middle]
    return logits.unflatten(0, parts.shape[:3]).permute(0, 3, 1, 2)


def away_from_the_border(answers: Tensor) -> Tensor:
    """Of a pass over whole canvases, [N, C, h, w], the answers that `by_cropping` gives: the inner ones."""
    edge = CROP // STRIDE // 2
    return answers[:, :, edge:-edge, edge:-edge]


def read_number(found: Found) -> str:
    """The labels of one line of digits, from left to right: "2026"."""
    order = (found.boxes[:, 0] + found.boxes[:, 2]).argsort(stable=True)
    return "".join(str(label) for label in found.labels[order].tolist())
