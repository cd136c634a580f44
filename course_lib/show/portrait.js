// A portrait whose parts are told where the pointer is. `picture` is a PNG, `side` pixels wide; `labels` has a letter for
// each of its pixels, row by row: "A" is the first of `parts`; `lines` says of each part what it is. The arrow keys go
// from part to part. `spot` is the number of the part that is outlined, -1 for none.
const INK = "var(--jp-ui-font-color1, #222)";
const WIDE = 384; // of the page

function render({ model, el }) {
  const root = document.createElement("div");
  const canvas = document.createElement("canvas");
  const line = document.createElement("div");
  root.tabIndex = 0;
  root.className = "course-drawn";
  root.setAttribute("role", "group");
  root.style.cssText = `max-width:100%;width:${WIDE}px;color:${INK}`;
  canvas.style.cssText = "max-width:100%;display:block;cursor:crosshair";
  line.style.cssText = "min-height:4.5em;font-size:14px;margin-top:4px";
  root.append(canvas, line);
  el.append(root);
  const image = new Image();
  let spot = model.get("spot");

  const letter = (part) => String.fromCharCode(65 + part);
  const at = (row, column) => {
    const side = model.get("side");
    if (Math.min(row, column) < 0 || Math.max(row, column) >= side) return -1;
    return model.get("labels").charCodeAt(row * side + column) - 65;
  };
  const seen = () => model.get("parts").map((_, part) => part).filter((part) => model.get("labels").includes(letter(part)));

  // The border of the part, along the edges of its pixels.
  const border = () => {
    const path = new Path2D();
    const side = model.get("side");
    const cell = canvas.width / side;
    for (let row = 0; row < side; row++)
      for (let column = 0; column < side; column++) {
        if (at(row, column) !== spot) continue;
        const [x, y] = [column * cell, row * cell];
        const edge = (out, x0, y0, x1, y1) => out && (path.moveTo(x0, y0), path.lineTo(x1, y1));
        edge(at(row - 1, column) !== spot, x, y, x + cell, y);
        edge(at(row + 1, column) !== spot, x, y + cell, x + cell, y + cell);
        edge(at(row, column - 1) !== spot, x, y, x, y + cell);
        edge(at(row, column + 1) !== spot, x + cell, y, x + cell, y + cell);
      }
    return path;
  };
  const paint = () => {
    const pen = canvas.getContext("2d");
    canvas.width = canvas.height = WIDE * 2; // two pixels for each of the page
    pen.imageSmoothingEnabled = false;
    if (image.complete && image.naturalWidth) pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    if (spot >= 0) {
      const path = border();
      for (const [colour, width] of [["#fff", 9], ["#cc5500", 5]]) {
        Object.assign(pen, { strokeStyle: colour, lineWidth: width, lineCap: "square" });
        pen.stroke(path);
      }
    }
    line.textContent = spot >= 0 ? model.get("lines")[spot] : "Point at a part, or press the arrow keys.";
  };
  const go = (part) => {
    if (part === spot) return;
    spot = part;
    paint();
    model.set("spot", spot);
    model.save_changes();
  };
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const place = (far, near, width) => Math.floor(((far - near) / width) * model.get("side"));
    go(at(place(event.clientY, box.top, box.height), place(event.clientX, box.left, box.width)));
  });
  canvas.addEventListener("pointerleave", () => go(-1));
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const parts = seen();
    const next = parts.indexOf(spot) + step;
    go(parts[(next + parts.length) % parts.length]);
  });
  image.addEventListener("load", paint);
  const fresh = () => (image.src = model.get("picture"));
  const say = () => root.setAttribute("aria-label", model.get("words"));
  model.on("change:picture", fresh);
  model.on("change:words", say);
  model.on("change:spot", () => {
    if (model.get("spot") === spot) return;
    spot = model.get("spot");
    paint();
  });
  fresh();
  say();
  paint();
}
export default { render };
