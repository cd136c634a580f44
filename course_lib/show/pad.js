// A square to draw on. `strokes` is a list of strokes, each a list of [x, y] in [0, 1], y pointing down; the one being
// drawn is sent as it grows, so that what is read from it follows the pen. Where the model has them: `side`, the height
// in pixels; `aspect`, width over height; `guides`, heights of faint lines; `marks`, boxes [left, top, right, bottom,
// words] over the drawing, shares of the canvas.
function render({ model, el }) {
  const side = model.get("side") || 240;
  const wide = side * (model.get("aspect") || 1);
  const canvas = document.createElement("canvas");
  canvas.width = wide;
  canvas.height = side;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Drawing pad: draw with the mouse, a pen or a finger");
  canvas.style.cssText = "background:#000;border:2px solid #888;touch-action:none;cursor:crosshair";
  const clear = document.createElement("button");
  clear.textContent = "Clear";
  clear.style.cssText = "display:block;margin-top:6px";
  const pen = canvas.getContext("2d");
  const pause = 60; // milliseconds between two messages
  let [stroke, before, sent] = [null, [], 0];

  const paint = () => {
    pen.clearRect(0, 0, wide, side);
    pen.lineWidth = 1;
    pen.strokeStyle = "#666";
    for (const y of model.get("guides") || []) pen.strokeRect(-1, y * side, wide + 2, 0.1);
    pen.strokeStyle = "#fff";
    pen.lineWidth = side * model.get("width");
    pen.lineCap = pen.lineJoin = "round";
    for (const points of stroke ? [...before, stroke] : model.get("strokes")) {
      pen.beginPath();
      points.forEach(([x, y], i) => (i ? pen.lineTo(x * wide, y * side) : pen.moveTo(x * wide, y * side)));
      if (points.length === 1) pen.lineTo(points[0][0] * wide + 0.1, points[0][1] * side);
      pen.stroke();
    }
    pen.lineWidth = 2;
    pen.strokeStyle = pen.fillStyle = "#ffa90e";
    pen.font = "15px sans-serif";
    for (const [left, top, right, bottom, words] of model.get("marks") || []) {
      pen.strokeRect(left * wide, top * side, (right - left) * wide, (bottom - top) * side);
      pen.fillText(words, left * wide, Math.max(14, top * side - 5));
    }
  };
  const where = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    [stroke, before] = [[where(event)], model.get("strokes")];
    paint();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stroke) return;
    stroke.push(where(event));
    paint();
    if (event.timeStamp - sent > pause) send(event.timeStamp);
  });
  const send = (now) => {
    sent = now;
    model.set("strokes", [...before, [...stroke]]);
    model.save_changes();
  };
  const finish = (event) => {
    if (!stroke) return;
    send(event.timeStamp);
    stroke = null;
  };
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
  clear.addEventListener("click", () => {
    model.set("strokes", []);
    model.save_changes();
  });
  model.on("change:strokes", paint);
  model.on("change:marks", paint);
  el.append(canvas, clear);
  paint();
}
export default { render };
