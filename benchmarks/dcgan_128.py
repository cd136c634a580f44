"""Article A's size, 128x128x3: a DCGAN on colour strokes, and the picture grid that chapter 6 shows.

python benchmarks/dcgan_128.py --width 8 --seconds 1800 --write
"""

from __future__ import annotations

import importlib
import io
import json
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from PIL import Image
from runner import options_for

from course_lib import data, training
from course_lib.gan.dcgan import DCGAN
from course_lib.measured import arguments, machine
from course_lib.show.figures import image_grid, png

PICTURE = Path(__file__).parents[1] / "notebooks" / "pictures" / "dcgan_128.png"


def main() -> None:
    parser = options_for(__doc__, seconds=1800)
    parser.add_argument("--width", type=int, default=8, help="16 on a GPU")
    parser.add_argument("--latent", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--processor-time", action="store_true", help="count processor time, on a machine others use")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("dcgan_128.png"), help="where the grid goes without --write")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.processor_time:
        importlib.import_module("course_lib.training.fit").time = SimpleNamespace(monotonic=time.process_time)
    train = data.load("strokes", size=128, colour=True, count=options.images)
    torch.manual_seed(options.seed)
    model = DCGAN.for_data(train, width=options.width, latent=options.latent)
    run = training.fit(
        model,
        train,
        seconds=options.seconds,
        batch_size=options.batch_size,
        seed=options.seed,
        device=options.device,
    )
    out = PICTURE if options.write else options.out
    grid = Image.open(io.BytesIO(png(image_grid(run.model.cpu().sample(16, seed=1), 8))))
    grid.convert("RGB").quantize(256).save(out, optimize=True)  # a chapter has 1.5 MB for all its pictures
    card = {
        "command": f"python benchmarks/dcgan_128.py {arguments()}",
        "machine": machine(),
        "data": "colour strokes, 128x128",
        "images": options.images,
        "seed": options.seed,
        "steps": run.steps,
        "seconds": round(run.seconds),
        "clock": "processor time" if options.processor_time else "wall clock",
        "batch_size": options.batch_size,
        "config": model.config,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps(card))


if __name__ == "__main__":
    main()
