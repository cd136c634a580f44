// The contestants side by side. `frame` is what every model draws at one stop of the walk from a seed to the next: a row of
// `images` each, with the judge's `chances`. The other stops come ahead of need, so that the walk can be dragged.
const [SIDE, GAP, SURE] = [76, 6, 0.5];

function render({ model, el }) {
  const { labels, names, stops, count, seeds } = model.get("look");
  const { root, board, line } = stage(el);
  const width = count * (SIDE + GAP) - GAP;
  board.style.cssText = `width:${width}px;max-width:100%;overflow-x:auto;cursor:ew-resize;user-select:none`;
  const head = box(board, "", `display:flex;justify-content:space-between;width:${width}px`);
  const [from, word, to] = [box(head), box(head, "drag anywhere to walk", "color:var(--soft)"), box(head)];
  const rail = box(board, "", `position:relative;height:16px;width:${width}px`);
  box(rail, "", "position:absolute;top:7px;width:100%;height:3px;background:var(--trough)");
  const got = box(rail, "", "position:absolute;top:7px;height:3px;background:var(--blue)"); // the part that can be dragged at once
  const mark = box(rail, "", "position:absolute;top:1px;width:14px;height:14px;margin-left:-7px;border-radius:7px;background:var(--orange)");
  const rows = labels.map((label) => {
    const row = box(board, "", "margin-top:8px");
    box(row, label, "font-weight:600;margin-bottom:2px");
    const line = box(row, "", `display:flex;gap:${GAP}px`);
    return Array.from({ length: count }, () => {
      const node = box(line, "", `width:${SIDE}px;text-align:center`);
      const canvas = tile(node, 1, 1, SIDE, "outline-offset:1px");
      const words = box(node, "", "height:18px;overflow:hidden;white-space:nowrap");
      const trough = box(node, "", "height:5px;background:var(--trough)");
      return { node, canvas, words, bar: box(trough, "", "height:5px;background:var(--blue)") };
    });
  });
  let [here, column, shown] = [{}, null, null];

  const stop = () => Math.round(here.walk * (stops - 1));
  const key = (at = stop()) => [here.seed, at];
  const place = (at) => (at ? `${share(at / (stops - 1))} of the way from seed ${here.seed} to seed ${here.seed + 1}` : `seed ${here.seed}`);
  const read = (frame, r, c) => {
    const [, classes] = frame.sizes;
    const chances = floats(frame.chances).subarray((r * count + c) * classes, (r * count + c + 1) * classes);
    const best = chances.indexOf(Math.max(...chances));
    return { sure: chances[best], name: chances[best] < SURE ? "?" : names[best] ?? String(best) };
  };
  const go = (walk, seed = here.seed) => {
    const to = Number((Math.round(clamp(walk, 0, 1) * (stops - 1)) / (stops - 1)).toFixed(6));
    if (to !== here.walk || seed !== here.seed) set(model, { walk: to, seed });
  };

  const follow = () => {
    here = { seed: model.get("seed"), walk: model.get("walk") };
    const near = Array.from({ length: stops }, (_, i) => i).sort((a, b) => Math.abs(a - stop()) - Math.abs(b - stop()));
    const frame = frames.get(key());
    from.textContent = `seed ${here.seed}`;
    to.textContent = `seed ${here.seed + 1}`;
    mark.style.left = `${100 * here.walk}%`;
    const known = near.filter((at) => frames.get(key(at)));
    got.style.left = `${(100 * Math.min(...known, stop())) / (stops - 1)}%`;
    got.style.width = `${(100 * (Math.max(...known, stop()) - Math.min(...known, stop()))) / (stops - 1)}%`;
    for (const row of rows) row[0].node.parentElement.classList.toggle("waiting", !frame);
    if (frame && shown !== String(key())) {
      shown = String(key());
      rows.forEach((row, r) => {
        const [channels, high, wide] = frame.shapes[r];
        const images = bytes(frame[`images${r}`]);
        row.forEach(({ canvas, words, bar }, c) => {
          if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
          paint(canvas, images, c, channels);
          const { sure, name } = read(frame, r, c);
          words.textContent = name;
          bar.style.width = share(sure).replace(" ", "");
        });
      });
    }
    const seed = [here.seed + 1, here.seed - 1].filter((other) => other >= 0 && other < seeds);
    frames.want([...near.map((at) => key(at)), ...seed.map((other) => [other, 0])]);
    tell();
  };
  const tell = () => {
    const frame = frames.get(key());
    rows.forEach((row) => row.forEach(({ canvas }, c) => (canvas.style.outline = c === column ? "2px solid var(--orange)" : "none")));
    if (!frame) return void (line.textContent = `The models are still drawing ${place(stop())}.`);
    const reads = (r) => {
      if (column !== null) {
        const { sure, name } = read(frame, r, column);
        return `${labels[r]} ${name}, ${share(sure)}`;
      }
      const all = rows[r].map((_, c) => read(frame, r, c).sure);
      return `${labels[r]} ${share(all.reduce((a, b) => a + b, 0) / count)}`;
    };
    const what = column === null ? "How sure the judge is, on average" : `Noise ${column + 1}, the same for every model: the judge reads`;
    line.textContent = `${what}: ${labels.map((_, r) => reads(r)).join("; ")}. A bar is as long as the judge is sure; "?" below ${share(SURE)}. At ${place(stop())}.`;
  };

  const frames = shelf(model, () => follow());
  drag(board, (x) => go(x));
  rows.forEach((row) => row.forEach(({ node }, c) => node.addEventListener("pointerenter", () => ((column = c), tell()))));
  board.addEventListener("pointerleave", () => ((column = null), tell()));
  board.addEventListener("pointermove", (event) => {
    const at = Math.floor((event.clientX - board.getBoundingClientRect().left + board.scrollLeft) / (SIDE + GAP));
    const over = rail.getBoundingClientRect().bottom < event.clientY ? clamp(at, 0, count - 1) : null;
    if (over !== column) ((column = over), tell());
  });
  keys(root, (pressed) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[pressed];
    const seed = { ArrowUp: 1, ArrowDown: -1 }[pressed];
    const at = stop() + (by ?? 0);
    if (by && at >= stops && here.seed + 1 < seeds) go(1 / (stops - 1), here.seed + 1); // on from the next seed's noises
    else if (by && at < 0 && here.seed) go(1 - 1 / (stops - 1), here.seed - 1);
    else if (by) go(at / (stops - 1));
    else if (seed) go(here.walk, clamp(here.seed + seed, 0, seeds - 1));
    return by || seed;
  });
  const say = () => root.setAttribute("aria-label", model.get("words"));
  for (const name of ["seed", "walk"]) model.on(`change:${name}`, follow);
  model.on("change:words", say);
  say();
  follow();
}
export default { render };
