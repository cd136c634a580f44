// The game in the plane, drawn here from numbers: `frame` holds what both networks do at one moment. Drawing with the
// pointer on the board makes new data: `strokes`, as the pad's, [x, y] in [0, 1] with y pointing down. While `playing`, it
// asks for a picture every `interval` milliseconds, the next one already while the last is on its way.
const AHEAD = 2; // pictures asked for and not yet here
const LOST = 2000; // milliseconds after which one no longer comes
const TRAIL = 8; // points in a trail
const [BLUE, ORANGE] = ["#1863aa", "#cc5500"];

function floats(view) {
  return new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

// A canvas as sharp as the screen, in a figure with its title.
function canvas(parent, title, width, height) {
  const figure = document.createElement("div");
  const head = document.createElement("div");
  const node = document.createElement("canvas");
  const sharp = window.devicePixelRatio || 1;
  head.textContent = title;
  head.style.cssText = "font-size:13px;min-height:1.4em";
  [node.width, node.height] = [width * sharp, height * sharp];
  node.style.cssText = `width:${width}px;height:${height}px;background:#fff;display:block`;
  figure.append(head, node);
  parent.append(figure);
  const pen = node.getContext("2d");
  pen.scale(sharp, sharp);
  return { node, pen, head, width, height };
}

function dots(pen, points, colour, place, side, radius = 3) {
  [pen.fillStyle, pen.strokeStyle, pen.lineWidth] = [colour, "#fff", 1];
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = place(points[i], points[i + 1], side);
    pen.beginPath();
    pen.arc(x, y, radius, 0, 7);
    pen.fill();
    pen.stroke();
  }
}

function coloured(opinion, palette) {
  const image = new ImageData(Math.sqrt(opinion.length), Math.sqrt(opinion.length));
  opinion.forEach((value, i) => {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = palette.getUint8(3 * value + c);
    image.data[4 * i + 3] = 255;
  });
  const small = new OffscreenCanvas(image.width, image.height);
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

function arrow(pen, x, y, dx, dy) {
  const size = Math.hypot(dx, dy);
  if (size < 2) return;
  const [ux, uy] = [dx / size, dy / size];
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x + dx, y + dy);
  for (const side of [1, -1]) {
    pen.moveTo(x + dx, y + dy);
    pen.lineTo(x + dx - 5 * ux + side * 3 * uy, y + dy - 5 * uy - side * 3 * ux);
  }
  pen.stroke();
}

function initialize({ model }) {
  let [asked, heard, due, timer] = [0, 0, 0, null];
  const ask = () => {
    timer = null;
    if (!model.get("playing")) return;
    const now = performance.now();
    if (asked - (model.get("frame").tick ?? 0) < AHEAD || now - heard > LOST) {
      if (now - heard > LOST) heard = now;
      model.send({ tick: ++asked });
      due = Math.max(due + model.get("interval"), now);
      timer = setTimeout(ask, due - now);
    }
  };
  const play = () => {
    [asked, heard, due] = [model.get("frame").tick ?? 0, performance.now(), performance.now()];
    if (timer === null) ask();
  };
  model.on("change:playing", play);
  model.on("change:frame", () => {
    heard = performance.now();
    if (timer === null && model.get("playing")) ask();
  });
  return () => clearTimeout(timer);
}

function render({ model, el }) {
  const { reach, pad, palette, real: REAL, fake: FAKE } = model.get("look"); // the plane is shown from -reach to reach
  const place = (x, y, side) => [((x + reach) * side) / (2 * reach), ((reach - y) * side) / (2 * reach)];
  const root = document.createElement("div");
  const board = document.createElement("div");
  const line = document.createElement("div");
  root.className = "course-drawn";
  root.setAttribute("role", "group");
  root.style.color = "var(--jp-ui-font-color1, #222)";
  root.append(board, line);
  el.append(root);
  board.style.cssText = "display:flex;flex-wrap:wrap;gap:14px;max-width:100%";
  line.style.cssText = "min-height:2.6em;font-size:14px;margin-top:4px";
  const plane = canvas(board, "", 400, 400);
  plane.head.innerHTML = `<b style="color:${BLUE}">\u25cf</b> real &nbsp; <b style="color:${ORANGE}">\u25cf</b> generated, with trail &nbsp; field blue: D says real`;
  plane.head.style.width = "400px";
  plane.node.style.cssText += "cursor:crosshair;touch-action:none";
  const warp = canvas(board, "generator: a grid of noise, bent", 280, 280);
  const curves = canvas(board, "losses", 240, 280);
  let [frame, trail, pointer, stroke] = [null, [], null, null];

  const paint = () => {
    if (!frame) return;
    const { pen } = plane;
    pen.imageSmoothingEnabled = true;
    pen.drawImage(frame.field, 0, 0, 400, 400);
    dots(pen, frame.real, REAL, place, 400);
    if (frame.diverged) return note(`diverged at step ${frame.step}`, "press reset, and take smaller learning rates");
    for (const [age, before] of trail.slice(1).entries()) {
      pen.strokeStyle = `rgba(150,55,0,${(0.5 * (age + 1)) / TRAIL})`;
      pen.lineWidth = 1;
      pen.beginPath();
      for (let i = 0; i < before.length; i += 2) {
        pen.moveTo(...place(trail[age][i], trail[age][i + 1], 400));
        pen.lineTo(...place(before[i], before[i + 1], 400));
      }
      pen.stroke();
    }
    [pen.strokeStyle, pen.lineWidth] = ["#222", 1.3];
    for (let i = 0; i < frame.pulls.length; i += 2) {
      const size = Math.hypot(frame.pulls[i], frame.pulls[i + 1]) || 1e-12;
      const scale = (22 * Math.tanh(size)) / size;
      arrow(pen, ...place(frame.fakes[i], frame.fakes[i + 1], 400), scale * frame.pulls[i], -scale * frame.pulls[i + 1]);
    }
    dots(pen, frame.fakes, FAKE, place, 400);
    if (!frame.step) note("press play \u25b6", "or drag here to draw data of your own");
    bend();
    lines();
    look();
  };
  const note = (first, second) => {
    const { pen } = plane;
    pen.fillStyle = "rgba(255,255,255,0.85)";
    pen.fillRect(40, 320, 320, 70);
    [pen.fillStyle, pen.textAlign, pen.font] = ["#222", "center", "600 18px sans-serif"];
    pen.fillText(first, 200, 349);
    pen.font = "14px sans-serif";
    pen.fillText(second, 200, 375);
  };

  const bend = () => {
    const { pen } = warp;
    pen.clearRect(0, 0, 280, 280);
    dots(pen, frame.real, "#8cb4d7", place, 280, 2);
    const [marks, length] = frame.grid;
    for (let k = 0; k < 2 * marks; k++) {
      pen.strokeStyle = k < marks ? "#222" : ORANGE;
      pen.lineWidth = k % marks === (marks - 1) / 2 ? 3 : 1;
      pen.beginPath();
      for (let i = 0; i < length; i++) pen.lineTo(...place(frame.warp[2 * (k * length + i)], frame.warp[2 * (k * length + i) + 1], 280));
      pen.stroke();
    }
  };

  const lines = () => {
    const { pen, width, height } = curves;
    pen.clearRect(0, 0, width, height);
    const all = frame.losses.flatMap(([, values]) => values);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const [left, top, bottom] = [40, 44, height - 20];
    pen.font = "12px sans-serif";
    frame.losses.forEach(([name, values], k) => {
      pen.fillStyle = pen.strokeStyle = [BLUE, ORANGE][k];
      pen.textAlign = "left";
      pen.fillText(`${name}: ${values.length ? values.at(-1).toPrecision(3) : "no step yet"}`, left, 14 + 17 * k);
      pen.lineWidth = 2;
      pen.beginPath();
      values.forEach((v, i) => pen.lineTo(left + (i * (width - left - 6)) / Math.max(values.length - 1, 1), bottom - ((v - low) * (bottom - top)) / Math.max(high - low, 1e-6)));
      pen.stroke();
    });
    [pen.fillStyle, pen.textAlign] = ["#666", "right"];
    if (!all.length) return;
    pen.fillText(high.toPrecision(2), left - 4, top + 8);
    pen.fillText(low.toPrecision(2), left - 4, bottom);
    pen.fillText(`step ${frame.step}`, width - 6, height - 4);
  };

  // What lies under the pointer, said in words and marked in both planes.
  const look = () => {
    if (!pointer || !frame || frame.diverged) return void (line.textContent = frame?.state ?? "");
    const [x, y] = pointer;
    const side = frame.field.width;
    const [column, row] = place(x, y, side).map((at) => Math.min(side - 1, Math.max(0, Math.floor(at))));
    const value = frame.opinion[row * side + column] / 255;
    let nearest = 0;
    const far = (i) => Math.hypot(frame.fakes[i] - x, frame.fakes[i + 1] - y);
    for (let i = 0; i < frame.fakes.length; i += 2) if (far(i) < far(nearest)) nearest = i;
    const verdict = frame.scores ? `the critic scores this place ${value > 0.5 ? "above" : "below"} the middle` : `D says ${(100 * value).toFixed(0)} % real`;
    const own = far(nearest) < 0.08;
    line.textContent = `Here, at (${x.toFixed(2)}, ${y.toFixed(2)}), ${verdict}.${own ? " The ringed point is generated; its arrow is the way the generator's loss sends it." : ""}`;
    for (const [{ pen }, size] of [[plane, 400], [warp, 280]]) {
      [pen.strokeStyle, pen.lineWidth] = ["#111", 2];
      pen.beginPath();
      pen.arc(...place(...(own ? frame.fakes.slice(nearest, nearest + 2) : [x, y]), size), own ? 7 : 3, 0, 7);
      pen.stroke();
    }
  };

  const at = (event) => {
    const box = plane.node.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * 2 * reach - reach, reach - ((event.clientY - box.top) / box.height) * 2 * reach];
  };
  plane.node.addEventListener("pointerdown", (event) => {
    plane.node.setPointerCapture(event.pointerId);
    stroke = [at(event)];
  });
  plane.node.addEventListener("pointermove", (event) => {
    pointer = at(event);
    if (stroke) stroke.push(pointer);
    paint();
    if (!stroke) return;
    [plane.pen.strokeStyle, plane.pen.lineWidth] = [REAL, 4];
    plane.pen.beginPath();
    stroke.forEach(([x, y]) => plane.pen.lineTo(...place(x, y, 400)));
    plane.pen.stroke();
  });
  plane.node.addEventListener("pointerleave", () => ((pointer = null), paint()));
  for (const end of ["pointerup", "pointercancel"])
    plane.node.addEventListener(end, () => {
      if (stroke?.length > 3) {
        const fresh = stroke.map(([x, y]) => [x / pad + 0.5, 0.5 - y / pad]);
        model.set("strokes", [...(model.get("drawing") ? model.get("strokes") : []), fresh]);
        model.save_changes();
      }
      stroke = null;
    });

  const receive = () => {
    const sent = model.get("frame");
    if (!sent.opinion) return;
    const opinion = new Uint8Array(sent.opinion.buffer, sent.opinion.byteOffset, sent.opinion.byteLength);
    const [real, fakes, pulls, warped] = ["real", "fakes", "pulls", "warp"].map((name) => floats(sent[name]));
    trail = frame && sent.step > frame.step ? [...trail, fakes].slice(-TRAIL) : [fakes];
    frame = { ...sent, opinion, field: coloured(opinion, palette), real, fakes, pulls, warp: warped };
    paint();
  };
  const say = () => root.setAttribute("aria-label", model.get("words"));
  model.on("change:frame", receive);
  model.on("change:words", say);
  receive();
  say();
}
export default { initialize, render };
