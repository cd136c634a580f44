// Two pictures of every face and their blend, drawn here so that the blend follows the hand at once. `coarse` and
// `fine` are images (data URLs) of all faces side by side; `alpha` is the share of the fine path, `details` the detail of
// the fine path and of real images, which alpha multiplies.
const [INK, ORANGE] = ["var(--jp-ui-font-color1, #222)", "#cc5500"];

function render({ model, el }) {
  const root = document.createElement("div");
  root.tabIndex = 0;
  root.className = "course-drawn";
  root.setAttribute("role", "group");
  root.style.cssText = `max-width:100%;overflow-x:auto;color:${INK};cursor:ew-resize;touch-action:pan-y`;
  const line = document.createElement("div");
  line.style.cssText = "min-height:1.5em;font-size:14px;margin-top:4px";
  const rows = ["coarse", "fine", "blend"].map((name) => {
    const title = document.createElement("div");
    title.style.cssText = `font-size:13px;margin-top:4px;color:${name === "blend" ? ORANGE : INK}`;
    const canvas = document.createElement("canvas");
    canvas.style.cssText = "display:block;image-rendering:pixelated;max-width:100%";
    root.append(title, canvas);
    return { name, title, canvas };
  });
  root.append(line);
  el.append(root);
  const pictures = {};
  let alpha = model.get("alpha");

  const paint = () => {
    if (!(pictures.coarse?.complete && pictures.fine?.complete)) return;
    for (const { name, title, canvas } of rows) {
      const { naturalWidth: wide, naturalHeight: tall } = pictures.fine;
      if (canvas.width !== wide || canvas.height !== tall) {
        [canvas.width, canvas.height] = [wide, tall];
        canvas.style.width = `${(wide / tall) * 96}px`;
      }
      const pen = canvas.getContext("2d");
      pen.globalAlpha = 1;
      pen.drawImage(pictures[name === "fine" ? "fine" : "coarse"], 0, 0);
      if (name === "blend") {
        pen.globalAlpha = alpha;
        pen.drawImage(pictures.fine, 0, 0);
      }
      const [old, young] = model.get("titles");
      title.textContent = { coarse: old, fine: young, blend: `blend: ${(1 - alpha).toFixed(2)} old + ${alpha.toFixed(2)} new` }[name];
    }
    const [fine, real] = model.get("details").map((detail) => alpha * detail);
    line.textContent = `alpha ${alpha.toFixed(2)}: detail of the blend ${fine.toFixed(3)}, of real images faded alike ${real.toFixed(3)}, not faded ${model.get("details")[1].toFixed(3)}`;
  };
  const go = (to) => {
    to = Math.round(100 * Math.min(1, Math.max(0, to))) / 100;
    if (to === alpha) return;
    alpha = to;
    paint();
    model.set("alpha", alpha);
    model.save_changes();
  };
  root.addEventListener("pointermove", (event) => {
    const box = rows[0].canvas.getBoundingClientRect();
    if (event.pointerType === "mouse" || event.buttons) go((event.clientX - box.left) / box.width);
  });
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.05, ArrowDown: -0.05, ArrowRight: 0.05, ArrowUp: 0.05 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    go(alpha + step);
  });
  const load = () => {
    for (const name of ["coarse", "fine"]) {
      pictures[name] = new Image();
      pictures[name].onload = paint;
      pictures[name].src = model.get(name);
    }
  };
  const say = () => root.setAttribute("aria-label", model.get("words"));
  let due = false; // several change together: load once
  const reload = () => {
    if (!due) queueMicrotask(() => ((due = false), load()));
    due = true;
  };
  for (const name of ["coarse", "fine", "titles"]) model.on(`change:${name}`, reload);
  model.on("change:words", say);
  model.on("change:alpha", () => {
    if (model.get("alpha") === alpha) return;
    alpha = model.get("alpha");
    paint();
  });
  load();
  say();
}
export default { render };
