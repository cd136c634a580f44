// A window that slides over a grid of numbers, drawn here so that it follows the pointer at once. The numbers come from
// the kernel: `grid` (with its `padding`), `output`, and for pooling `shares`, what each number of a window gets of the
// output's gradient. `weights` are a convolution's, written into by hand; [] for pooling. `spot` counts output cells.
const SPACE = "http://www.w3.org/2000/svg";
const [CELL, WIDE, TOP] = [30, 46, 24];
const [INK, ORANGE, BLUE] = ["var(--jp-ui-font-color1, #222)", "#cc5500", "#1863aa"];
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function make(kind, attributes, parent, words) {
  const node = document.createElementNS(SPACE, kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (words !== undefined) node.textContent = words;
  parent?.append(node);
  return node;
}

const written = (value, decimals) => value.toFixed(decimals).replace(/^-(0(\.0*)?)$/, "$1");

const light = (shade) => !(/^rgb\((\d+)/.exec(shade)?.[1] < 130);

// One grid of numbers with its title; `seen(r, c)` says how a cell looks. Returns its node and its frames.
function matrix(parent, x, y, title, values, cell, seen) {
  const group = make("g", { transform: `translate(${x},${y})` }, parent);
  make("text", { x: 0, y: -8, fill: INK, "font-size": 13 }, group, title);
  values.forEach((row, r) =>
    row.forEach((value, c) => {
      const { shade, words, edge = "#888", dash = "" } = seen(value, r, c);
      const place = { x: c * cell, y: r * cell, width: cell, height: cell };
      make("rect", { ...place, fill: shade, stroke: edge, "stroke-dasharray": dash }, group);
      const at = { x: (c + 0.5) * cell, y: (r + 0.5) * cell, "text-anchor": "middle", "dominant-baseline": "central" };
      make("text", { ...at, "font-size": cell > 40 ? 14 : 10.5, fill: light(shade) ? "#222" : "#fff" }, group, words);
    }),
  );
  return group;
}

// An unfilled frame around one cell, hidden at first.
const frame = (group, colour, width, r = 0, c = 0) =>
  make("rect", { fill: "none", stroke: colour, "stroke-width": width, visibility: "hidden", x: c * CELL, y: r * CELL, width: CELL, height: CELL }, group);

function put(node, row, column, side, cell) {
  const place = { x: column * cell, y: row * cell, width: side * cell, height: side * cell, visibility: "visible" };
  for (const [name, value] of Object.entries(place)) node.setAttribute(name, value);
}

function grey(value, low, high) {
  const level = Math.round(255 * Math.min(1, Math.max(0, (value - low) / Math.max(high - low, 1e-9))));
  return `rgb(${level},${level},${level})`;
}

function render({ model, el }) {
  const root = document.createElement("div");
  const line = document.createElement("div");
  root.tabIndex = 0;
  root.className = "course-drawn";
  root.setAttribute("role", "group");
  root.style.cssText = `max-width:100%;overflow-x:auto;color:${INK}`;
  line.style.cssText = "min-height:1.5em;font-size:14px;margin-top:2px";
  root.append(line);
  el.append(root);
  let [svg, parts, spot, settled] = [null, null, model.get("spot"), 0];

  const get = (...names) => names.map((name) => model.get(name));
  const columns = () => model.get("output")[0].length;
  const place = () => [Math.floor(spot / columns()), spot % columns()];
  const go = (row, column) => {
    const rows = model.get("output").length;
    const to = Math.min(rows - 1, Math.max(0, row)) * columns() + Math.min(columns() - 1, Math.max(0, column));
    if (to === spot) return;
    spot = to;
    follow();
    model.set("spot", spot);
    model.save_changes();
  };

  // Everything that depends on the numbers.
  const build = () => {
    const [grid, output, weights, shares, padding, size] = get("grid", "output", "weights", "shares", "padding", "size");
    const typing = document.activeElement?.dataset?.weight;
    const largest = Math.max(1e-9, ...output.flat().map(Math.abs));
    const low = weights.length ? -largest : 0;
    const [left, middle] = [grid[0].length * CELL + 26, Math.max(size * WIDE, 150) + 26];
    const right = output[0].length * CELL + 26;
    const wide = left + middle + right + (shares.length ? grid[0].length * CELL : 0);
    const tall = TOP + Math.max(grid.length * CELL, weights.length ? 2 * (3 * WIDE + TOP) + 34 : size * WIDE + 40) + 4;
    svg?.remove();
    svg = make("svg", { viewBox: `-2 0 ${wide + 4} ${tall}`, width: wide + 4, height: tall });
    svg.style.cssText = "max-width:100%;height:auto;touch-action:none;user-select:none";
    root.insertBefore(svg, line);
    const outside = (r, c) => Math.min(r, c, grid.length - 1 - r, grid[0].length - 1 - c) < padding;
    const pixel = (value, r, c) =>
      outside(r, c) ? { shade: "#fff", words: "0", edge: "#bbb", dash: "3 2" } : { shade: grey(value, 0, 1), words: written(value, 1) };
    parts = { input: matrix(svg, 0, TOP, padding ? "input, zeros around it" : "input", grid, CELL, pixel) };
    parts.output = matrix(svg, left + middle, TOP, "output", output, CELL, (v) => ({ shade: grey(v, low, largest), words: written(v, 1) }));
    parts.takes = output.map((row, r) => row.map((_, c) => frame(parts.output, BLUE, 2, r, c))); // those a pixel takes part in
    parts.window = frame(parts.input, ORANGE, 4);
    parts.result = frame(parts.output, ORANGE, 4);
    parts.middle = make("g", { transform: `translate(${left},0)` }, svg);
    if (shares.length) {
      const blank = () => ({ shade: "#fff", words: "", edge: "#ddd" });
      parts.gradient = matrix(svg, left + middle + right, TOP, "gradient of that one output", grid, CELL, blank);
      parts.cells = [...parts.gradient.querySelectorAll("rect")].map((rect) => [rect, rect.nextSibling]);
      parts.reached = [];
      parts.around = frame(parts.gradient, ORANGE, 4);
    }
    if (weights.length) {
      make("text", { x: 0, y: TOP - 8, fill: INK, "font-size": 13 }, parts.middle, "kernel: write into it");
      weights.forEach((weight, i) => {
        const box = make("foreignObject", { x: (i % 3) * WIDE, y: TOP + Math.floor(i / 3) * WIDE, width: WIDE, height: WIDE }, parts.middle);
        const input = document.createElement("input");
        Object.assign(input, { type: "number", step: 0.25, value: Number(weight.toFixed(2)) });
        input.dataset.weight = i;
        input.setAttribute("aria-label", `kernel row ${Math.floor(i / 3)}, column ${i % 3}`);
        input.style.cssText = `width:${WIDE - 4}px;height:${WIDE - 4}px;margin:2px;box-sizing:border-box;text-align:center;font-size:13px;color:#222;background:#fff;border:1px solid #888`;
        for (const kind of ["keydown", "pointerdown"]) input.addEventListener(kind, (event) => event.stopPropagation());
        input.addEventListener("change", () => {
          if (!Number.isFinite(input.valueAsNumber)) return void (input.value = weight);
          model.set("weights", model.get("weights").with(i, input.valueAsNumber));
          model.save_changes();
        });
        box.append(input);
        if (typing === String(i)) input.focus();
      });
    }
    hook(parts.input, (r, c) => {
      const [stride, k] = get("stride", "size");
      go(Math.round((r - (k - 1) / 2) / stride), Math.round((c - (k - 1) / 2) / stride));
      parts.takes.flat().forEach((one, i) => {
        const [down, across] = [r - Math.floor(i / columns()) * stride, c - (i % columns()) * stride];
        one.setAttribute("visibility", Math.min(down, across) >= 0 && Math.max(down, across) < k ? "visible" : "hidden");
      });
    });
    parts.input.addEventListener("pointerleave", () => parts.takes.flat().forEach((one) => one.setAttribute("visibility", "hidden")));
    hook(parts.output, (r, c) => go(r, c));
    spot = Math.min(spot, output.length * output[0].length - 1);
    follow();
  };

  // The pointer in a grid moves the window.
  const hook = (group, act) => {
    group.style.cursor = "crosshair";
    group.addEventListener("pointermove", (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(group.getScreenCTM().inverse());
      act(Math.floor(at.y / CELL), Math.floor(at.x / CELL));
    });
  };

  // Everything that depends on where the window is.
  const follow = () => {
    const [grid, output, weights, shares, size, stride] = get("grid", "output", "weights", "shares", "size", "stride");
    const [row, column] = place();
    const [top, left] = [row * stride, column * stride];
    const window = grid.slice(top, top + size).map((one) => one.slice(left, left + size));
    put(parts.window, top, left, size, CELL);
    put(parts.result, row, column, 1, CELL);
    parts.work?.remove();
    parts.work = make("g", {}, parts.middle);
    const value = written(output[row][column], 2);
    if (weights.length) {
      const products = window.map((one, r) => one.map((pixel, c) => pixel * weights[3 * r + c]));
      const seen = (v, r, c) => ({ shade: grey(v, -2, 2), words: written(v, 2) });
      const flying = matrix(parts.work, 0, 3 * WIDE + 2 * TOP, "window times kernel", products, WIDE, seen);
      sum(`sum of the nine: ${value}`, 6 * WIDE + 2 * TOP + 24, flying);
      line.textContent = `Output row ${row}, column ${column}: ${products.flat().map((p) => written(p, 2)).join(" + ").replaceAll("+ -", "- ")} = ${value}`;
    } else {
      const own = shares[spot];
      const seen = (v, r, c) => ({ shade: grey(v, 0, 1), words: written(v, 2), edge: own[r * size + c] ? BLUE : "#888" });
      const flying = matrix(parts.work, 0, TOP, "the window", window, WIDE, seen);
      sum(`${model.get("kind")}: ${value}`, TOP + size * WIDE + 24, flying);
      for (const [rect, text] of parts.reached) { // blank again: no other cell has changed
        for (const [name, value] of Object.entries({ fill: "#fff", stroke: "#ddd" })) rect.setAttribute(name, value);
        text.textContent = "";
      }
      parts.reached = own.map((_, i) => parts.cells[(top + Math.floor(i / size)) * grid[0].length + left + (i % size)]);
      parts.reached.forEach(([rect, text], i) => {
        const shade = grey(own[i], 0, 1);
        for (const [name, value] of Object.entries({ fill: shade, stroke: "#888" })) rect.setAttribute(name, value);
        text.setAttribute("fill", light(shade) ? "#222" : "#fff");
        text.textContent = written(own[i], 2);
      });
      put(parts.around, top, left, size, CELL);
      const reached = own.filter((share) => share).length;
      line.textContent = `Output row ${row}, column ${column}: the ${model.get("kind")} of its window is ${value}; its gradient reaches ${reached} of ${size * size} inputs`;
    }
  };

  // The numbers fly into their sum, once the window rests.
  const sum = (words, y, flying) => {
    make("text", { x: 0, y, fill: ORANGE, "font-size": 16, "font-weight": 600 }, parts.work, words);
    clearTimeout(settled);
    if (calm()) return;
    settled = setTimeout(() => {
      for (const text of flying.querySelectorAll("rect + text")) {
        const copy = flying.appendChild(text.cloneNode(true));
        const [dx, dy] = [40 - text.getAttribute("x"), flying.getBBox().height - text.getAttribute("y")];
        copy.setAttribute("fill", ORANGE);
        copy.animate([{ transform: "none", opacity: 1 }, { transform: `translate(${dx}px,${dy}px)`, opacity: 0 }], 500).onfinish = () => copy.remove();
      }
    }, 250);
  };

  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const [row, column] = place();
    go(row + step[0], column + step[1]);
  });
  const say = () => root.setAttribute("aria-label", model.get("words"));
  let due = false; // several numbers change together: draw once
  const rebuild = () => {
    if (!due) queueMicrotask(() => ((due = false), build()));
    due = true;
  };
  for (const name of ["grid", "output", "weights", "shares", "padding", "size", "stride", "kind"]) model.on(`change:${name}`, rebuild);
  model.on("change:words", say);
  model.on("change:spot", () => {
    if (model.get("spot") === spot || due) return;
    spot = Math.min(model.get("spot"), model.get("output").length * columns() - 1);
    follow();
  });
  build();
  say();
}
export default { render };
