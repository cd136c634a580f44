"""How well the readers that ship recover the factors of drawings they have not seen, where a factor can be seen at all.

python benchmarks/factor_reader.py --images 2000 --seeds 0 1 2 --write
"""

from __future__ import annotations

from runner import options_for, rounded, write

from course_lib import data, models
from course_lib.cnn.factor_reader import reading
from course_lib.data.worlds import visible

READERS = {"portraits": "portrait_reader", "landscapes": "landscape_reader"}


def main() -> None:
    parser = options_for(__doc__, seeds=[0, 1, 2])
    parser.add_argument("--images", type=int, default=2000, help="drawings of each seed, from the test stream")
    parser.add_argument("--least", type=float, default=1.0, help="the change, in pixels, that makes a factor visible")
    options = parser.parse_args()
    for world, name in READERS.items():
        reader, scores, everywhere, seen = models.pretrained(name), [], [], []
        for seed in options.seeds:
            images = data.load(world, count=options.images, split="test", seed=seed, masks=False)
            shows = visible(world, options.images, seed=seed, least=options.least)
            scores.append(reading(reader, images, shows))
            everywhere.append(reading(reader, images))
            seen.append({factor: float(where.float().mean()) for factor, where in shows.items()})
        factors = {
            factor: {
                "kind": "category" if table.values else "number",
                "visible": rounded([score[factor] for score in scores]),
                "everywhere": rounded([score[factor] for score in everywhere]),
                "share": rounded(sum(share[factor] for share in seen) / len(seen)),
            }
            for factor, table in reader.table.items()
        }
        for kind, bar in (("category", 0.98), ("number", 0.95)):
            worst = {n: min(f["visible"]) for n, f in factors.items() if f["kind"] == kind}
            below = {n: score for n, score in worst.items() if not score >= bar}
            print(f"{world}, {kind}: {len(worst) - len(below)} of {len(worst)} at {bar} or more; below: {below}")
        settings = {"images": options.images, "seeds": options.seeds, "least": options.least}
        write(options, f"{name}", world=world, **settings, factors=factors)


if __name__ == "__main__":
    main()
