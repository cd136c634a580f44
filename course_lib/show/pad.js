// A square to draw on. `strokes` is a list of strokes, each a list of [x, y] in [0, 1], y pointing down; the one being
// drawn is sent as it grows, so that what is read from it follows the pen.
function render({ model, el }) {
  const side = 240;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
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
    pen.clearRect(0, 0, side, side);
    pen.strokeStyle = "#fff";
    pen.lineWidth = side * model.get("width");
    pen.lineCap = pen.lineJoin = "round";
    for (const points of stroke ? [...before, stroke] : model.get("strokes")) {
      pen.beginPath();
      points.forEach(([x, y], i) => (i ? pen.lineTo(x * side, y * side) : pen.moveTo(x * side, y * side)));
      if (points.length === 1) pen.lineTo(points[0][0] * side + 0.1, points[0][1] * side);
      pen.stroke();
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
  el.append(canvas, clear);
  paint();
}
export default { render };
