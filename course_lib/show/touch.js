// A picture to drag over. `value` is its HTML, an <img>; `areas` the parts of it that can be touched, each [left, top,
// width, height] as shares of the picture. `spot` is [which, x, y, press]: in which area, where in it, in [0, 1] with y
// pointing down, and how many presses there were, so that a second press at the same place is news too. The arrow keys
// move on from `now`, the present [x, y] of each area, in the area that was touched last.
function render({ model, el }) {
  const picture = document.createElement("img");
  picture.draggable = false;
  picture.tabIndex = 0;
  picture.style.cssText = "touch-action:none;user-select:none";
  el.append(picture);
  let [dragged, last, presses] = [-1, 0, 0]; // the area under the pointer that is down, and the one touched last

  const paint = () => {
    const fresh = new DOMParser().parseFromString(model.get("value"), "text/html").images[0];
    for (const name of ["alt", "src"]) if (fresh) picture.setAttribute(name, fresh.getAttribute(name));
    picture.style.maxWidth = "100%";
  };
  const inside = (share) => Math.min(1, Math.max(0, share));
  const where = (event, which) => {
    const box = picture.getBoundingClientRect();
    const [left, top, width, height] = model.get("areas")[which];
    return [((event.clientX - box.left) / box.width - left) / width, ((event.clientY - box.top) / box.height - top) / height];
  };
  const under = (event) => model.get("areas").findIndex((_, which) => where(event, which).every((share) => share === inside(share)));
  const move = (which, x, y) => {
    model.set("spot", [which, inside(x), inside(y), presses]);
    model.save_changes();
  };
  picture.addEventListener("pointerdown", (event) => {
    dragged = under(event);
    if (dragged < 0) return;
    event.preventDefault();
    picture.focus();
    last = dragged;
    picture.setPointerCapture(event.pointerId);
    presses += 1;
    move(dragged, ...where(event, dragged));
  });
  picture.addEventListener("pointermove", (event) => {
    if (dragged >= 0) move(dragged, ...where(event, dragged));
    picture.style.cursor = dragged >= 0 || under(event) >= 0 ? "crosshair" : "default";
  });
  for (const end of ["pointerup", "pointercancel"]) picture.addEventListener(end, () => (dragged = -1));
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02] }[event.key];
    if (!step || !model.get("now")[last]) return;
    event.preventDefault();
    event.stopPropagation();
    const [x, y] = model.get("now")[last];
    presses += 1;
    move(last, x + step[0], y + step[1]);
  });
  model.on("change:value", paint);
  paint();
}
export default { render };
