"""`python -m course_lib.authoring.readme_table`: put the measured figures into the README, from their files."""

from __future__ import annotations

import math
import statistics

from course_lib.measured import measured
from course_lib.places import ROOT

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def span(values: list[float], digits: int = 0) -> str:
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def percent(values: list[float]) -> str:
    mean = sum(values) / len(values)
    return f"{mean:.2%} ({min(values):.2%} to {max(values):.2%}, {len(values)} seeds)"


def rows() -> list[tuple[str, str, dict]]:
    """What was measured, the figure, and the record it stands in; only what is there."""
    found = []

    def add(name, what, figure) -> None:
        record = measured(name)
        if record:
            found.append((what.format(**record), figure(record), record))

    def accuracy(r) -> str:
        return percent(r["accuracy"])

    add("realism", "a CNN that saw drawn digits only reads MNIST's 10,000 test digits", accuracy)
    add("classifier", "chapter 4's CNN on MNIST's test set after {seconds:g} s", accuracy)
    for name in ("strokes", "mnist"):
        add(f"detection_{name}", "chapter 17's detector on 96x96 canvases, data {data}, {steps} steps", found_and_read)
    add("drawing", "60,000 digits drawn at 28 px", lambda r: f"{r['seconds']:.1f} s")
    add("convolution", "unfold + matmul against the loops", lambda r: f"{r['faster_than_loops']:.0f} times faster")
    same = "the same against torch's own, [64, 32, 28, 28]"
    add("convolution", same, lambda r: f"takes {r['slower_than_torch']:.1f} times as long")
    loader = "batches from one tensor against a loader with per-image transforms"
    add("batches", loader, lambda r: f"{r['ratio']:.0f} times faster")
    for name in ("mnist", "strokes"):
        what = "chapter 7's GAN after {seconds:g} s against the DCGAN with its published settings, data {data}"
        add(f"gan_against_dcgan_{name}", what, against_dcgan)
    company = "chapter 7's GAN with and without the minibatch deviation, {seconds:g} s each, data {data}"
    add("minibatch_deviation_strokes", company, deviation)
    for name in ("mnist", "strokes"):
        what = "chapter 8's digits to order, read as ordered after {seconds:g} s, data {data}"
        add(f"conditional_gan_{name}", what, lambda r: percent(r["as_ordered"]))
    for world, count in (("ring", 8), ("grid", 25)):
        what = f"modes covered in the plane, {world} of {count}, {{steps:,}} generator steps"
        add("modes", what, lambda r, w=world: modes(r[w], len(r["seeds"])))
    longer = "the same on the grid with more time, {steps:,} generator steps"
    add("modes_longer", longer, lambda r: modes(r["grid"], len(r["seeds"])))
    bound = "chapter 10's VAE after {seconds:g} s, data {data}, {protocol}: nats per test image"
    add("vae_mnist", bound, nats)
    for name in ("mnist", "strokes"):
        what = "GAN, VAE and autoencoder after {seconds:g} s each, data {data}: Fréchet distance"
        add(f"gan_or_vae_{name}", what, contest)
    sketched = "chapter 14's sketches of strokes, {steps:,} steps: words that came true, captions seen and held out"
    add("stackgan", sketched, words_true)
    for name in ("season", "time", "glasses"):
        what = "chapter 15's CycleGAN, worlds {worlds}, {steps:,} steps: grey levels off the true counterpart"
        add(f"cyclegan_{name}", what, unpaired)
    images = "images a second in DCGAN's training, against the usual loop around the same networks"
    add("gan_speed_cpu", images, lambda r: f"{statistics.median(r['ratio']):.2f} times as many")
    for name in ("portrait_reader", "landscape_reader"):
        what = "chapter 12's reader of {world}, {images:,} drawings it never saw, where a factor can be seen"
        add(name, what, factors_read)
    grown = "chapter 13's growing GAN, the same networks at full size, chapter 7's GAN: {seconds:g} processor s each"
    add("progressive_gan_portraits", grown, growing)
    styles = "chapter 16's generator against chapter 6's, {budget:g} processor seconds each: Fréchet distance"
    add("stylegan_portraits", styles, lambda r: r["verdict"])
    add("threads", "a training step of chapter 7's GAN, ms, alone and beside one busy program", company_of_threads)
    return found


def found_and_read(record: dict) -> str:
    """Of digits on canvases, and of whole numbers where they were tried."""
    parts = [f"{name} {percent(record[name])}" for name in ("recall", "precision")]
    if "numbers" in record:
        parts.append(f"numbers of four digits read without a mistake {statistics.mean(record['numbers']):.1%}")
        parts.append(f"one pass {record['faster_than_cropping']:.0f} times faster than crops, the same answers")
    return ", ".join(parts)


def factors_read(record: dict) -> str:
    """The median and the worst factor of each kind, in the worst of the seeds."""
    parts = []
    for kind, what in (("category", "accuracy of the categories"), ("number", "R² of the numbers")):
        worst = [min(f["visible"]) for f in record["factors"].values() if f["kind"] == kind]
        worst = [score for score in worst if not math.isnan(score)]  # some are never visible at this size
        parts.append(f"{what} {statistics.median(worst):.3f} in the median, {min(worst):.3f} at worst")
    return f"{', '.join(parts)}, {len(record['seeds'])} seeds"


def words_true(record: dict) -> str:
    """The share of pictures whose every word came true, with each part and without it."""
    parts = []
    for row in record["rows"].values():
        seen, unseen = (statistics.mean(seed["all"] for seed in row[which]) for which in ("seen", "unseen"))
        parts.append(f"{row['title']} {seen:.1%} and {unseen:.1%}")
    floors = record["floors"]
    judged = f"real drawings {floors['seen']['all']:.1%} and {floors['unseen']['all']:.1%}"
    return f"every word of a caption: {', '.join(parts)}; {judged}; {len(record['seeds'])} seeds"


def company_of_threads(record: dict) -> str:
    """Milliseconds of each setting, the medians of the repeats."""
    parts = []
    for name, columns in record["milliseconds"].items():
        parts.append(f"{name} " + " and ".join(f"{statistics.median(values):.0f}" for values in columns.values()))
    return "; ".join(parts)


def nats(record: dict) -> str:
    """-ELBO over the seeds, and the tightest bound."""
    elbo, iwae = record["neg_elbo"], record["iwae_500"]
    return (
        f"-ELBO {statistics.mean(elbo):.2f} ({span(elbo, 2)}, {len(elbo)} seeds); "
        f"K = 500 bound {statistics.mean(iwae):.2f} ({span(iwae, 2)})"
    )


def contest(record: dict) -> str:
    """Fréchet distance of each, and their floor."""
    distances = {name: figures["frechet_distance"] for name, figures in record["contestants"].items()}
    ranges = [f"{name} {span(values)}" for name, values in distances.items()]
    return f"{', '.join(ranges)} (floor {record['floor']:.1f}), {len(distances['vae'])} seeds"


def against_dcgan(record: dict) -> str:
    """Fréchet distances of chapter 7's GAN and of the published DCGAN, the better of its last and averaged weights."""
    rows = {name: row["frechet_distance"] for name, row in record["rows"].items()}
    found = []
    for budget in ("seconds", "steps"):
        pairs = zip(rows[f"dcgan_equal_{budget}"], rows[f"dcgan_equal_{budget}_averaged"], strict=True)
        theirs, ratio = [min(pair) for pair in pairs], record["ratio"][f"equal_{budget}"]
        found.append(f"{span(theirs)} at equal {budget} ({span(ratio, 1)} times lower)")
    return (
        f"Fréchet distance {span(rows['r3gan'])} against {found[0]} and {found[1]}; a popular repository's loop "
        f"{span(rows['popular_equal_seconds'])} at equal seconds (floor {record['floor']:.1f}), {len(ratio)} seeds"
    )


def deviation(record: dict) -> str:
    """Fréchet distances with and without, over the seeds."""
    with_it, without = (record[name]["frechet_distance"] for name in ("with", "without"))
    distances = f"{span(with_it)} against {span(without)}"
    return f"Fréchet distance {distances} (floor {record['floor']:.1f}), {len(with_it)} seeds"


def growing(record: dict) -> str:
    """Fréchet distances of the growing networks, of the same ones without growth, and of R3GAN."""
    distances = {name: row["frechet_distance"] for name, row in record["contest"].items()}
    ranges = [f"{name.replace('_', ' ')} {span(values)}" for name, values in distances.items()]
    floor = f"floor {record['contest_floor']:.1f}"
    return f"Fréchet distance on portraits: {', '.join(ranges)} ({floor}), {len(record['seeds'])} seeds"


def unpaired(record: dict) -> str:
    """Grey levels to the true counterpart in the second world, CycleGAN among its yardsticks."""
    found = {name: row["truth_second"] for name, row in record["rows"].items()}
    rows = ("CycleGAN", "copy", "colour transfer", "paired regressor")
    return f"{', '.join(f'{name} {span(found[name], 1)}' for name in rows)}, {len(record['seeds'])} seeds"


def modes(games: dict, seeds: int) -> str:
    """The fewest and the most modes that a seed covered, and the share of samples near one, for each row."""
    parts = []
    for name, game in games.items():
        covered = f"{name.replace('_', ' ')} {span(game['modes'])}"
        parts.append(f"{covered} ({statistics.mean(game['near']):.1%} near one, worst seed {min(game['near']):.1%})")
    return f"{', '.join(parts)}; {seeds} seeds"


def table() -> str:
    lines = ["| what | figure | command, machine |", "|---|---|---|"]
    lines += [f"| {what} | {figure} | `{r['command']}`, {r['machine']} |" for what, figure, r in rows()]
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The README's text with the table as it is now."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text()))
