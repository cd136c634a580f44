// Two heaps on a line, and three distances between them, drawn here so that they follow the pointer at once. `numbers` come
// from the kernel, for every place the slider knows: `density` of the real heap, and a row a place of `verdicts`, `tables`
// and `pulls`. The heap of fakes is dragged, or the mark among the distances, or moved with the arrow keys.
const SPACE = "http://www.w3.org/2000/svg";
const STYLE = `.course-heaps { --real: #1863aa; --fake: #cc5500; --soft: #6e6e6e; --ink: var(--jp-ui-font-color1, #222) }
[data-jp-theme-light="false"] .course-heaps { --real: #6db3f2; --fake: #ff9a4d; --soft: #a8a8a8 }
.course-heaps svg { max-width: 100%; height: auto; touch-action: none; user-select: none; cursor: ew-resize }
.course-heaps text { font-size: 13px; fill: var(--ink) }`;
const MEANING = {
  "total variation": "the share of the fakes that would have to go elsewhere for the heaps to be equal, 1 where nothing overlaps",
  "Jensen-Shannon": "what the best discriminator's loss measures; once nothing overlaps it stays at ln 2",
  Wasserstein: "how far the grains of one heap are carried, on average, until they are the other: here the shift itself",
};
const COLOUR = { "total variation": "var(--soft)", "Jensen-Shannon": "var(--fake)", Wasserstein: "var(--real)" };
const [LEFT, TOP, BOTTOM, HIGHEST] = [10, 40, 250, 1.1]; // of both plots; both heights go to HIGHEST
const [LOW, HIGH] = [-4, 12]; // the line

function make(kind, attributes, parent, words) {
  const node = document.createElementNS(SPACE, kind);
  put(node, attributes);
  if (words !== undefined) node.textContent = words;
  parent?.append(node);
  return node;
}
function put(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}
const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
const height = (value) => BOTTOM - (value / HIGHEST) * (BOTTOM - TOP);

// A plot over x from `low` to `high`; `write` adds words, `x` maps, `back` maps a pointer.
function plot(parent, width, low, high, ticks, title) {
  const svg = make("svg", { viewBox: `0 0 ${width} 306`, width, height: 306 });
  parent.append(svg);
  const x = (value) => LEFT + ((value - low) / (high - low)) * (width - 2 * LEFT);
  make("text", { x: LEFT, y: 15, "font-weight": 600 }, svg, title);
  make("path", { d: `M${LEFT} ${BOTTOM}H${width - LEFT}`, stroke: "var(--soft)" }, svg);
  for (const tick of ticks) {
    make("path", { d: `M${x(tick)} ${BOTTOM}v4`, stroke: "var(--soft)" }, svg);
    make("text", { x: x(tick), y: BOTTOM + 17, "text-anchor": "middle", style: "fill:var(--soft)" }, svg, tick);
  }
  const back = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return low + ((at.x - LEFT) / (width - 2 * LEFT)) * (high - low);
  };
  return { svg, x, back };
}

const curve = (values, x, scale = 1) => values.reduce((d, value, i) => `${d}${i ? "L" : "M"}${x(i).toFixed(1)} ${height(value * scale).toFixed(1)}`, "");

function render({ model, el }) {
  const root = document.createElement("div");
  const board = document.createElement("div");
  const line = document.createElement("div");
  const style = document.createElement("style");
  style.textContent = STYLE;
  root.tabIndex = 0;
  root.className = "course-drawn course-heaps";
  root.setAttribute("role", "group");
  root.style.color = "var(--jp-ui-font-color1, #222)";
  board.style.cssText = "display:flex;flex-wrap:wrap;gap:18px";
  line.style.cssText = "min-height:2.7em;font-size:14px;max-width:840px";
  root.append(style, board, line);
  el.append(root);

  const { farthest, step } = model.get("look");
  const stage = plot(board, 480, LOW, HIGH, [-4, 0, 4, 8, 12], "");
  const meters = plot(board, 340, 0, farthest, [0, 2, 4, 6, 8], "three distances, each as a share of its end");
  const title = stage.svg.querySelector("text");
  const shape = (parent, colour, wide, fill = "none") => make("path", { stroke: colour, "stroke-width": wide, fill, "fill-opacity": 0.16, "stroke-linejoin": "round" }, parent);
  const overlap = make("path", { fill: "var(--ink)", "fill-opacity": 0.28 }, stage.svg);
  const real = shape(stage.svg, "var(--real)", 2.5, "var(--real)");
  const fake = shape(stage.svg, "var(--fake)", 2.5, "var(--fake)");
  const verdict = shape(stage.svg, "var(--ink)", 2);
  const write = (x, colour) => make("text", { x, y: 33, style: `fill:${colour}` }, stage.svg, "");
  const [realName, fakeName, bestName] = [write(LEFT, "var(--real)"), write(50, "var(--fake)"), write(166, "var(--ink)")];
  realName.textContent = "real";
  fakeName.textContent = "fake: drag it";
  const arrow = make("path", { fill: "var(--fake)" }, stage.svg);
  const knob = make("circle", { r: 5, fill: "var(--fake)" }, stage.svg);
  const pullWords = make("text", { "text-anchor": "middle", style: "fill:var(--fake);font-weight:600" }, stage.svg, "");
  const carried = make("path", { stroke: "var(--real)", "stroke-width": 2, fill: "none" }, stage.svg);
  const carriedWords = make("text", { y: 301, style: "fill:var(--real)" }, stage.svg, "");
  const ruler = make("path", { stroke: "var(--soft)", "stroke-dasharray": "3 3", visibility: "hidden" }, stage.svg);
  const bead = make("circle", { r: 4, fill: "var(--ink)", visibility: "hidden" }, stage.svg);
  const mark = make("path", { stroke: "var(--soft)", "stroke-width": 2, "stroke-opacity": 0.5 }, meters.svg);
  const rows = {};
  Object.keys(MEANING).forEach((name, row) => {
    const path = shape(meters.svg, COLOUR[name], name === "total variation" ? 7 : 3); // wide: another may lie on it
    const dot = make("circle", { r: 5, fill: COLOUR[name] }, meters.svg);
    const words = make("text", { x: 330, y: height(0.36 - 0.12 * row), "text-anchor": "end", style: `fill:${COLOUR[name]};font-weight:600;cursor:help` }, meters.svg, "");
    words.addEventListener("pointerenter", () => explain(`${name}: ${MEANING[name]}.`));
    words.addEventListener("pointerleave", () => explain());
    rows[name] = { path, dot, words };
  });

  let [density, verdicts, pulls, tables, at, hover, said] = [null, null, [], {}, model.get("distance"), null, ""];
  const place = () => Math.round(at / step);
  const explain = (words = "") => ((said = words), tell());

  const build = () => {
    const numbers = model.get("numbers");
    density = floats(numbers.density);
    const bytes = numbers.verdicts;
    const all = new Uint16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    [pulls, tables] = [numbers.pulls, numbers.tables];
    const long = all.length / pulls.length;
    verdicts = pulls.map((_, i) => all.subarray(i * long, (i + 1) * long));
    title.textContent = `the heaps, and the best player of the ${numbers.game} game`;
    bestName.textContent = numbers.critic ? "line: the best critic, without a scale" : "line: the best verdict D(x), from 0 to 1";
    const x = (i) => stage.x(LOW + (i * (HIGH - LOW)) / (density.length - 1));
    for (const heap of [real, fake]) heap.setAttribute("d", curve(density, x));
    for (const [name, { path }] of Object.entries(rows))
      path.setAttribute("d", curve(tables[name], (i) => meters.x(i * step), 1 / tables[name].at(-1)));
    follow();
  };

  // Everything that depends on the distance.
  const follow = () => {
    const [i, pull, x] = [place(), pulls[place()], stage.x(at)];
    fake.setAttribute("transform", `translate(${x - stage.x(0)},0)`);
    const fine = (density.length - 1) / (HIGH - LOW);
    const shift = Math.round(at * fine);
    const both = density.map((value, k) => Math.min(value, k < shift ? 0 : density[k - shift]));
    overlap.setAttribute("d", curve(both, (k) => stage.x(LOW + k / fine)) + "Z");
    verdict.setAttribute("d", curve(Array.from(verdicts[i], (v) => v / 65535), (k) => stage.x(LOW + (k * (HIGH - LOW)) / (verdicts[i].length - 1))));
    const [y, long] = [height(0.7), 60 * Math.min(pull, 2.5)];
    const head = Math.min(14, long);
    put(knob, { cx: x, cy: y });
    arrow.setAttribute("d", long < 1 ? "" : `M${x} ${y - 2.5}H${x - long + head}V${y - 0.7 * head}L${x - long} ${y}L${x - long + head} ${y + 0.7 * head}V${y + 2.5}H${x}Z`);
    put(pullWords, { x: Math.max(70, x), y: y - 14 });
    pullWords.textContent = pull < 5e-5 ? "gradient 0: no arrow" : `gradient ${pull.toFixed(4)}`;
    const [from, to] = [stage.x(0), x];
    carried.setAttribute("d", at ? `M${from} 280H${to}M${from} 275v10M${to} 275v10` : "");
    carriedWords.setAttribute("x", from);
    carriedWords.textContent = `every grain is carried ${at.toFixed(1)}`;
    mark.setAttribute("d", `M${meters.x(at)} ${TOP}V${BOTTOM}`);
    for (const [name, { dot, words }] of Object.entries(rows)) {
      put(dot, { cx: meters.x(at), cy: height(tables[name][i] / tables[name].at(-1)) });
      words.textContent = `${name} ${tables[name][i].toFixed(3)}`;
    }
    tell();
  };

  // What the pointer is over, in words; else what is seen.
  const tell = () => {
    const shown = hover === null ? "hidden" : "visible";
    put(ruler, { visibility: shown });
    put(bead, { visibility: shown });
    const apart = `${at.toFixed(1)} apart, the heaps share ${(100 * (1 - tables["total variation"][place()])).toFixed(1)} % (shaded)`;
    if (hover === null) return void (line.textContent = said || `${apart}. ${pulls[place()] < 5e-5 ? "The gradient at the middle of the fakes is 0: the game says nothing of the way." : "The arrow is where the game sends the middle of the fakes."}`);
    const of = (values, x) => values[Math.min(values.length - 1, Math.max(0, Math.round(((x - LOW) / (HIGH - LOW)) * (values.length - 1))))];
    const best = of(verdicts[place()], hover) / 65535;
    ruler.setAttribute("d", `M${stage.x(hover)} ${TOP}V${BOTTOM}`);
    put(bead, { cx: stage.x(hover), cy: height(best) });
    const player = model.get("numbers").critic ? `the best critic's line falls by 1 with every step to the right` : `the best discriminator says ${(100 * best).toFixed(0)} % real`;
    line.textContent = `At ${hover.toFixed(1)} the real heap is ${of(density, hover).toFixed(2)} high and the fake one ${of(density, hover - at).toFixed(2)}: ${at || !model.get("numbers").critic ? player : "nothing to tell apart"}. ${apart}.`;
  };

  const go = (to) => {
    const next = Number((Math.round(Math.min(farthest, Math.max(0, to)) / step) * step).toFixed(6));
    if (next === at) return;
    at = next;
    follow();
    model.set("distance", at);
    model.save_changes();
  };
  for (const { svg, back } of [stage, meters]) {
    let held = null; // how far from the heap's middle it was taken
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      held = svg === stage.svg && Math.abs(back(event) - at) < 1.5 ? at - back(event) : 0;
      go(back(event) + held);
    });
    svg.addEventListener("pointermove", (event) => {
      if (svg === stage.svg) hover = Math.min(HIGH, Math.max(LOW, back(event)));
      if (held !== null) go(back(event) + held);
      tell();
    });
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => (held = null));
    svg.addEventListener("pointerleave", () => ((hover = null), tell()));
  }
  root.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: at - step, ArrowRight: at + step, PageDown: at - 1, PageUp: at + 1, Home: 0, End: farthest }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    go(to);
  });
  const say = () => root.setAttribute("aria-label", model.get("words"));
  model.on("change:numbers", build);
  model.on("change:words", say);
  model.on("change:distance", () => {
    if (model.get("distance") === at) return;
    at = model.get("distance");
    follow();
  });
  build();
  say();
}
export default { render };
