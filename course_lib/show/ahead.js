// What the widgets share whose pictures a network must draw: the browser keeps every frame it was given, shows it at once
// when it is wanted again, and asks for the next ones before they are wanted. A frame has a `key`, numbers, and bytes.
const STYLE = `.course-ahead { --ink: var(--jp-ui-font-color1, #222); --blue: #1863aa; --orange: #cc5500; --soft: #6e6e6e; --trough: #e1e1e1; color: var(--ink); font-size: 13px; padding: 3px }
[data-jp-theme-light="false"] .course-ahead { --blue: #6db3f2; --orange: #ff9a4d; --soft: #a8a8a8; --trough: #444 }
.course-ahead canvas { image-rendering: pixelated; display: block }
.course-ahead .waiting { opacity: 0.45 }`;
const MOST = 400; // frames that are kept
const bytes = (view) => new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
const floats = (view) => new Float32Array(bytes(view).buffer);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const share = (value) => `${Math.round(100 * value)} %`;

function box(parent, words = "", css = "", kind = "div") {
  const node = document.createElement(kind);
  node.style.cssText = css;
  node.textContent = words;
  parent?.append(node);
  return node;
}

// The outer box of a widget, its board and the line that explains.
function stage(el) {
  const root = box(el);
  box(root, STYLE, "", "style");
  root.tabIndex = 0;
  root.className = "course-drawn course-ahead";
  root.setAttribute("role", "group");
  const board = box(root);
  return { root, board, line: box(root, "", "min-height:2.7em;font-size:14px;margin-top:6px;max-width:860px") };
}

function tile(parent, wide, high, side, css = "") {
  const canvas = box(parent, "", `width:${side}px;height:${Math.round((side * high) / wide)}px;${css}`, "canvas");
  [canvas.width, canvas.height] = [wide, high];
  return canvas;
}

// Image number `i` of the bytes, [N, height, width, 1 or 3], onto a canvas of its size.
function paint(canvas, images, i, channels) {
  const pen = canvas.getContext("2d");
  const count = canvas.width * canvas.height;
  const image = pen.createImageData(canvas.width, canvas.height);
  for (let p = 0; p < count; p++) {
    for (let c = 0; c < 3; c++) image.data[4 * p + c] = images[(i * count + p) * channels + (channels > 1 ? c : 0)];
    image.data[4 * p + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
}

// Frames by their keys; `want` says which are needed next, the nearest first; `arrived` is called when one has come.
function shelf(model, arrived) {
  const known = new Map();
  let [queue, asked] = [[], null];
  const keep = (frame) => {
    if (known.size >= MOST) known.delete(known.keys().next().value);
    known.set(String(frame.key), frame);
  };
  const next = () => {
    if (asked) return;
    asked = queue.find((key) => !known.has(String(key)));
    if (asked) model.send({ want: asked });
  };
  model.on("msg:custom", ({ frame, names }, buffers) => {
    if (!frame) return;
    names.forEach((name, i) => (frame[name] = buffers[i]));
    keep(frame);
    asked = null;
    arrived();
    next();
  });
  model.on("change:frame", () => (keep(model.get("frame")), arrived()));
  keep(model.get("frame"));
  return { get: (key) => known.get(String(key)), want: (keys) => ((queue = keys), next()) };
}

// Set what the sliders are linked to.
function set(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// Act on arrow keys and others, unless a control of our own has them.
function keys(root, act) {
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !act(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  });
}

// Call `act` with where the pointer is in the node, from 0 to 1, while it is dragged.
function drag(node, act) {
  let down = false;
  const at = (event) => {
    const { left, width } = node.getBoundingClientRect();
    act(clamp((event.clientX - left) / width, 0, 1));
  };
  node.style.touchAction = "pan-y";
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    down = true;
    at(event);
  });
  node.addEventListener("pointermove", (event) => down && at(event));
  for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => (down = false));
}
