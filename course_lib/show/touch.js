// A picture to drag over. `value` is its HTML, an <img>; `area` the part of it that can be touched, [left, top, width,
// height] as shares of the picture. `spot` is [x, y, press]: where in that part, in [0, 1] with y pointing down, and how
// many presses there were, so that a second press at the same place is news too.
function render({ model, el }) {
  const picture = document.createElement("img");
  picture.draggable = false;
  picture.style.cssText = "cursor:crosshair;touch-action:none;user-select:none";
  el.append(picture);
  let dragging = false;
  let presses = 0;

  const paint = () => {
    const fresh = new DOMParser().parseFromString(model.get("value"), "text/html").images[0];
    for (const name of ["alt", "src"]) if (fresh) picture.setAttribute(name, fresh.getAttribute(name));
    picture.style.maxWidth = "100%";
  };
  const where = (event) => {
    const box = picture.getBoundingClientRect();
    const [left, top, width, height] = model.get("area");
    return [((event.clientX - box.left) / box.width - left) / width, ((event.clientY - box.top) / box.height - top) / height];
  };
  const move = (event) => {
    const inside = where(event).map((share) => Math.min(1, Math.max(0, share)));
    model.set("spot", [...inside, presses]);
    model.save_changes();
  };
  picture.addEventListener("pointerdown", (event) => {
    if (!where(event).every((share) => share >= 0 && share <= 1)) return;
    event.preventDefault();
    picture.setPointerCapture(event.pointerId);
    dragging = true;
    presses += 1;
    move(event);
  });
  picture.addEventListener("pointermove", (event) => dragging && move(event));
  for (const end of ["pointerup", "pointercancel"]) picture.addEventListener(end, () => (dragging = false));
  model.on("change:value", paint);
  paint();
}
export default { render };
