"""How long from a key to the changed picture? Every widget, in JupyterLab in headless Chromium.

python benchmarks/widget_latency.py [--moves 20] [--widgets latent_plane gan_lab]

Each widget stands alone in a notebook. Its slider gets an arrow key, as the browser test gives it; the clock runs from
the key's event to the frame after the first change of the picture, 200 ms pass, and the next key comes. Prints the
median and the longest, in milliseconds; for the GAN lab also the pictures a second while it plays, at each pace. Needs
Chromium and the packages of `pip install -e .[test]`. No record: the figures say most of the machine.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from runner import options_for

from course_lib.chapters import CHAPTERS

TOKEN = "course"
DIGIT = "from course_lib.data.strokes import draw\ndigit = (draw([3], size=12, seed=1).images[0, 0] + 1) / 2\n"
TEST = "test = data.load('strokes', split='test', count=2000)\n"
OPENINGS = {  # how each widget is opened, as its chapter does
    "stroke_editor": "show.widgets.stroke_editor(digit=2)",
    "convolution_explorer": DIGIT + "show.widgets.convolution_explorer(digit)",
    "pooling_explorer": DIGIT + "show.widgets.pooling_explorer(digit)",
    "digit_reader": "show.widgets.digit_reader(models.pretrained('classifier'))",
    "gan_lab": "show.widgets.gan_lab(steps=5)",
    "latent_explorer": "show.widgets.latent_explorer(models.pretrained('dcgan'))",
    "distance_explorer": "show.widgets.distance_explorer()",
    "portrait_editor": "show.widgets.portrait_editor()",
    "digit_press": "show.widgets.digit_press(models.pretrained('conditional_gan'), models.pretrained('classifier'))",
    "code_plane": TEST + "show.widgets.code_plane(models.pretrained('vae_plane'), test)",
    "latent_plane": TEST + "show.widgets.latent_plane(models.pretrained('vae_plane'), test)",
    "beta_slider": TEST
    + "betas = {beta: models.pretrained(f'beta_vae_{beta:g}') for beta in (0.1, 0.5, 1.0, 4.0, 16.0)}"
    "\nshow.widgets.beta_slider(test, betas)",
    "latent_sliders": TEST + "show.widgets.latent_sliders(models.pretrained('beta_vae_4'), test)",
    "side_by_side": "both = {name: models.pretrained(name) for name in ('r3gan', 'vae', 'autoencoder')}\n"
    "show.widgets.side_by_side(both, models.pretrained('classifier'))",
    "fade_explorer": "show.widgets.fade_explorer(models.pretrained('progressive_gan'))",
    "curtain": "from course_lib.show.cyclegan import Way\n"
    "summer, winter = (data.load('landscapes', count=20, masks=False, season=season, time='day').images\n"
    "                  for season in ('summer', 'winter'))\n"
    "made = models.pretrained('cyclegan').translate(summer)\n"
    "show.widgets.curtain({'summer to winter': Way(summer, made, winter)})",
    "style_mixer": "show.widgets.style_mixer(models.pretrained('stylegan'))",
}
READY = (Path(__file__).parents[1] / "tests" / "browser" / "ready.js").read_text()
PAINTED = """() => {  // what is drawn onto a canvas changes no node
  window.painted = [];
  for (const name of ["drawImage", "putImageData"]) {
    const plain = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...given) {
      window.painted.push(performance.now());
      window.onpaint?.();
      return plain.apply(this, given);
    };
  }
}"""
MOVES = """async ([label, count]) => {
  const sliders = [...document.querySelectorAll(".widget-slider")];
  const slider = sliders.find((one) => one.querySelector(".widget-label")?.textContent === label);
  const panel = slider.closest(".course-panel");
  const handle = slider.querySelector(".noUi-handle");
  const wait = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
  const found = [];
  let [key, still] = ["ArrowRight", 0];
  while (found.length < count && still < 3) {
    await wait(0.2);
    handle.focus();
    const took = await new Promise((done) => {
      const begun = performance.now();
      const changed = () => {
        window.onpaint = null;
        watch.disconnect();
        clearTimeout(late);
        requestAnimationFrame(() => done(performance.now() - begun));
      };
      const late = setTimeout(() => (watch.disconnect(), (window.onpaint = null), done(null)), 3000);
      const watch = new MutationObserver((news) => {
        const inPicture = (node) => node.parentElement?.closest("svg, .course-drawn") || node.matches?.("img");
        const isNew = (nodes) => [...nodes].some((one) => one.matches?.("img"));
        const seen = ({ target, addedNodes }) => inPicture(target) || isNew(addedNodes);
        if (!news.some((one) => seen(one) && one.attributeName !== "aria-label")) return;
        const image = panel.querySelector("img[alt]");
        image ? image.decode().then(changed, changed) : changed();
      });
      const attributeFilter = ["src", "d", "x", "width", "style", "transform"];
      watch.observe(panel, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter });
      window.onpaint = changed;
      handle.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    });
    if (took === null) [key, still] = [key === "ArrowRight" ? "ArrowLeft" : "ArrowRight", still + 1]; // at an end
    else found.push(took), (still = 0);
  }
  return found;
}"""


@contextmanager
def lab() -> Iterator[tuple[Path, str]]:
    """JupyterLab over an empty folder: the folder, and the address."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{free.getsockname()[1]}"
        own = {f"JUPYTER_{name}_DIR": str(place / ".own" / name) for name in ("CONFIG", "RUNTIME")}
        own |= {f"JUPYTERLAB_{name}_DIR": str(place / ".own" / name) for name in ("SETTINGS", "WORKSPACES")}
        words = [
            "--no-browser",
            "--allow-root",
            "--LabApp.expose_app_in_browser=True",
            f"--port={address.split(':')[-1]}",
        ]
        command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={place}", *words]
        command.append(f"--IdentityProvider.token={TOKEN}")
        server = subprocess.Popen(command, env=os.environ | own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 120
            while not answers(f"{address}/api?token={TOKEN}"):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("JupyterLab did not start")
                time.sleep(0.25)
            yield place, address
        finally:
            server.terminate()
            server.wait(20)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def opened(browser: Any, place: Path, address: str, widget: str) -> Any:
    """A page with the widget alone in a notebook."""
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(f"from course_lib import data, models, show\n{OPENINGS[widget]}")]
    )
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, place / f"{widget}.ipynb")
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.goto(f"{address}/doc/tree/{widget}.ipynb?token={TOKEN}&reset", wait_until="domcontentloaded")
    if not page.evaluate(READY, 600):
        raise SystemExit(f"{widget}: its kernel did not start")
    page.evaluate(PAINTED)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    picture = ".course-panel img[alt], .course-panel .course-drawn svg, .course-panel .course-drawn canvas"
    page.locator(picture).first.wait_for(timeout=120_000)
    page.wait_for_timeout(2000)
    return page


def pictures_a_second(page: Any, seconds: float = 6.0) -> float:
    """While the lab plays."""
    play = page.get_by_role("button", name="play or pause").first
    play.click()
    page.wait_for_timeout(1000)
    page.evaluate("() => (window.painted = [])")
    page.wait_for_timeout(1000 * seconds)
    times = page.evaluate("() => window.painted")
    play.click()
    page.wait_for_timeout(500)
    return 1000 * (len(times) - 1) / (times[-1] - times[0])


def main() -> None:
    from playwright.sync_api import sync_playwright

    controls = {widget: label for chapter in CHAPTERS for widget, label in chapter.widgets.items()}
    parser = options_for(__doc__)
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--widgets", nargs="+", choices=list(OPENINGS), default=list(OPENINGS))
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if chromium is None:
        raise SystemExit("needs Chromium: apt-get install chromium (Debian), brew install chromium (macOS)")
    for widget in sorted(controls.keys() - OPENINGS.keys()):
        print(f"{widget}: not measured, OPENINGS does not say how it is opened")
    with lab() as (place, address), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for widget in options.widgets:
            page = opened(browser, place, address, widget)
            page.locator(f".widget-slider .widget-label:text-is('{controls[widget]}')").first.wait_for(state="attached")
            took = page.evaluate(MOVES, [controls[widget], options.moves])
            if not took:
                raise SystemExit(f"{widget}: no picture follows the slider {controls[widget]!r}")
            print(
                f"{widget:21s} median {statistics.median(took):4.0f} ms, longest {max(took):4.0f} ms, {len(took)} moves"
            )
            if widget == "gan_lab":
                for pace in ("normal", "fast"):
                    page.get_by_role("button", name=pace, exact=True).click()
                    print(f"{'':21s} plays {pictures_a_second(page):.1f} pictures a second at {pace!r}")
            page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
