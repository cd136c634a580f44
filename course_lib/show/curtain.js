// Two pictures of one place under a curtain: the real one left of it, what a translator made of it right. The pictures
// come from the kernel as PNG; `share` is where the curtain hangs, from the left, and follows the pointer at once.
const INK = "var(--jp-ui-font-color1, #222)";

function render({ model, el }) {
  const make = (kind, style, parent) => {
    const node = document.createElement(kind);
    node.style.cssText = style;
    parent.append(node);
    return node;
  };
  const root = make("div", `max-width:100%;color:${INK};width:fit-content`, el);
  root.className = "course-drawn";
  root.tabIndex = 0;
  root.setAttribute("role", "group");
  const names = make("div", "width:384px;max-width:100%;display:flex;justify-content:space-between;font-size:14px;font-weight:600", root);
  const [left, right] = [0, 1].map(() => make("span", "", names));
  const frame = make("div", "position:relative;width:384px;max-width:100%;aspect-ratio:1;overflow:hidden", root);
  frame.style.cssText += "cursor:ew-resize;touch-action:none;user-select:none";
  const whole = "position:absolute;inset:0;width:100%;height:100%;image-rendering:pixelated";
  const pictures = [0, 1].map(() => make("img", whole, frame));
  for (const picture of pictures) Object.assign(picture, { alt: "", draggable: false });
  const rail = make("div", "position:absolute;top:0;bottom:0;width:4px;margin-left:-2px;background:#fff;outline:1px solid #222", frame);
  const line = make("div", "font-size:14px;margin-top:4px;max-width:540px;min-height:3em", root);

  let share = model.get("share");
  const hang = () => {
    pictures[1].style.clipPath = `inset(0 0 0 ${100 * share}%)`;
    rail.style.left = `${100 * share}%`;
  };
  const go = (to) => {
    share = Math.round(100 * Math.min(1, Math.max(0, to))) / 100;
    hang();
    model.set("share", share);
    model.save_changes();
  };
  const paint = () => {
    const looks = [...model.get("pictures").entries()];
    for (const [i, { url, name, colour }] of looks) {
      pictures[i].src = url;
      [left, right][i].textContent = name;
      [left, right][i].style.color = colour;
    }
    hang();
  };
  const where = (event) => {
    const box = frame.getBoundingClientRect();
    return (event.clientX - box.left) / box.width;
  };
  let dragged = false;
  frame.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    root.focus();
    frame.setPointerCapture(event.pointerId);
    dragged = true;
    go(where(event));
  });
  frame.addEventListener("pointermove", (event) => dragged && go(where(event)));
  for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => (dragged = false));
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    go(share + step);
  });
  const say = () => {
    root.setAttribute("aria-label", model.get("words"));
    line.textContent = model.get("words");
  };
  model.on("change:pictures", paint);
  model.on("change:words", say);
  model.on("change:share", () => {
    share = model.get("share");
    hang();
  });
  paint();
  say();
}
export default { render };
