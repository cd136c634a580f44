"""Chapter 4's second half: the network that reads one digit, slid over a large canvas, finds and reads several."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_iou, nms

from course_lib.cnn.training_a_cnn import FEATURES, Classifier, ink
from course_lib.data.batches import Batch
from course_lib.data.glyphs import SYMBOLS
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.training.model import Trainable, evaluating, fitting

STRIDE = 4  # pixels between two answers: the body halves height and width twice
NEAR, FAR = 3.0, 6.0  # pixels: closer to a digit's centre an answer must be the digit, farther away "nothing"
SIDE = 22  # pixels of a found digit's window
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
    canvas = digits.new_full((count, size, size), -1.0)
    image, pixel = torch.arange(count, device=device)[:, None, None], torch.arange(28, device=device)
    for k in range(per_canvas):
        rows, columns = corner[:, k, 1, None] + pixel, corner[:, k, 0, None] + pixel  # [N, 28]
        place = (image, rows[:, :, None], columns[:, None, :])
        drawn = torch.where(present[:, k, None, None], digits[:, k, 0], -1.0)
        canvas[place] = torch.maximum(canvas[place], drawn)  # ink on ink stays ink
    boxes = ink_boxes(digits[:, :, 0]) + torch.cat([corner, corner], -1)
    labels = labels[: count * per_canvas].reshape(count, per_canvas)
    return Canvases(canvas[:, None], labels.masked_fill(~present, -1), boxes)


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
    (Sermanet et al. 2014, "OverFeat", section 3.5).
    """

    name = "detector"
    batch_size = 128  # digits; four to a canvas
    average_decay = 0.99

    def __init__(self, channels: int = 1, size: int = 28, width: int = 16, classes: int = len(SYMBOLS)):
        super().__init__(channels=channels, size=size, width=width, classes=classes)
        classifier = Classifier(channels, classes=classes + 1, size=size, width=width)
        self.nothing = classes  # the number of the last class
        reach = size // STRIDE
        self.body = classifier.body
        self.to_features = nn.Conv2d(2 * width, FEATURES, reach, padding=reach // 2)
        self.to_logits = nn.Conv2d(FEATURES, classes + 1, 1)
        self.adopt(classifier)

    @classmethod
    def for_data(cls, images: ImageSet, **config) -> Detector:
        if images.images.shape[1:] != (1, 28, 28):
            raise CourseError(f"images: got {list(images.images.shape)}, expected grey 28x28 images")
        return cls(classes=len(images.class_names), **config)

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


def target_map(canvases: Canvases, shape: torch.Size, nothing: int = len(SYMBOLS)) -> Tensor:
    """What each answer should be, int64 [N, h, w]: a digit near its centre, `nothing` (10 for ten digits) far from all,
    -1 (either) in between.

    Answer (i, j) looks at a window around the pixel 4 i + 2, 4 j + 2.
    """
    y, x = (torch.arange(n, device=canvases.images.device) * STRIDE + STRIDE / 2 for n in shape)
    answers = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # [h, w, 2] as x, y
    gaps = (answers[None, None] - canvases.centres[:, :, None, None]).norm(dim=-1)  # [N, K, h, w]
    gaps = gaps.masked_fill((canvases.labels < 0)[:, :, None, None], torch.inf)
    nearest, which = gaps.min(dim=1)
    target = canvases.labels.gather(1, which.flatten(1)).view_as(which)
    return target.masked_fill(nearest > NEAR, -1).masked_fill(nearest > FAR, nothing)


def found_on(canvas: Tensor, heat: Tensor, threshold: float) -> Found:
    """Turn one heat map [classes + 1, h, w] into boxes on a canvas [H, W]."""
    certainty = 1 - heat[-1]
    rows, columns = (certainty > threshold).nonzero(as_tuple=True)
    centre = torch.stack([columns, rows], -1) * STRIDE + STRIDE / 2
    windows = torch.cat([centre - SIDE / 2, centre + SIDE / 2], -1)
    scores = certainty[rows, columns]
    keep = nms(windows, scores, iou_threshold=0.2)
    boxes = torch.stack([tight(canvas, windows[i].long().tolist()) for i in keep]) if len(keep) else torch.zeros(0, 4)
    labels = heat[:-1, rows[keep], columns[keep]].argmax(dim=0)
    return Found(boxes, labels, scores[keep])


def tight(canvas: Tensor, window: list[int]) -> Tensor:
    """The box of the ink inside a window (left, top, right, bottom) of a canvas [H, W]."""
    left, top = max(window[0], 0), max(window[1], 0)
    inside = canvas[top : window[3], left : window[2]].cpu()
    return ink_boxes(inside) + torch.tensor([left, top, left, top])


def score(found: list[Found], truth: Canvases, iou: float = 0.5) -> dict[str, float]:
    """A digit counts as found when a box of the right label overlaps its own by `iou` or more; each box counts once.

    Returns recall (found digits / digits), precision (boxes that found one / boxes) and the mean overlap of the hits.
    """
    hits = digits = boxes = 0
    overlap = 0.0
    for one, labels, true in zip(found, truth.labels.cpu(), truth.boxes.cpu(), strict=True):
        true, labels = true[labels >= 0], labels[labels >= 0]
        digits, boxes = digits + len(labels), boxes + len(one.labels)
        ious = box_iou(one.boxes, true) * (one.labels[:, None] == labels[None])
        for row in ious:  # most certain box first
            best = int(row.argmax())
            if row[best] >= iou:
                hits, overlap = hits + 1, overlap + float(row[best])
                ious[:, best] = 0
    return {
        "recall": hits / max(digits, 1),
        "precision": hits / max(boxes, 1),
        "overlap": overlap / max(hits, 1),
        "digits": digits,
    }
