// A digit to order. `frame` is one hand on the way from one class to another: its `images` and the judge's `chances`, in
// steps; frames of the neighbouring hands come ahead of need. `sheet` is the number, written by several hands.
const [BIG, SMALL, NEIGHBOURS] = [196, 52, 5];

function render({ model, el }) {
  const { names, stops, high, wide, channels, hands } = model.get("look");
  const { root, board, line } = stage(el);
  board.style.cssText = "display:flex;flex-wrap:wrap;gap:26px;align-items:flex-start";
  const left = box(board);
  const title = box(left, "", "font-weight:600;margin-bottom:4px");
  const top = box(left, "", "display:flex;gap:14px");
  const large = tile(top, wide, high, BIG);
  const bars = box(top, "", "width:200px");
  const stripTitle = box(left, "", "margin:8px 0 0");
  const strip = box(left, "", "position:relative;cursor:ew-resize;padding-top:12px;width:max-content");
  const mark = box(strip, "\u25bc", "position:absolute;top:-5px;width:14px;margin-left:-7px;text-align:center;color:var(--orange)");
  const way = box(strip, "", "display:flex;gap:3px");
  const tiles = [0, 1, 2, 3, 4, 5, 6].map(() => tile(way, wide, high, SMALL));
  box(left, "other hands, at the same place: press one", "margin:8px 0 3px");
  const row = box(left, "", "display:flex;gap:6px");
  const neighbours = Array.from({ length: NEIGHBOURS }, () => {
    const node = box(row, "", "cursor:pointer;text-align:center");
    return { node, canvas: tile(node, wide, high, SMALL, "outline-offset:1px"), words: box(node) };
  });
  const right = box(board);
  let [hover, shown, here] = [null, null, {}];

  const now = () => Object.fromEntries(["order", "towards", "morph", "hand"].map((name) => [name, model.get(name)]));
  const key = (hand = here.hand) => [here.order, here.towards, hand];
  const stop = (morph = here.morph) => Math.round(morph * (stops - 1));
  const first = () => clamp(here.hand - 2, 0, hands - NEIGHBOURS);
  const go = (values) => {
    if (Object.entries(values).some(([name, value]) => here[name] !== value)) set(model, values);
  };
  const placed = (morph, order = here.order, towards = here.towards) =>
    order === towards || !morph ? names[order] : morph === 1 ? names[towards] : `${names[order]}, ${share(morph)} of the way to ${names[towards]}`;

  const read = (frame, i) => {
    const chances = floats(frame.chances).subarray(i * names.length, (i + 1) * names.length);
    return { chances, best: chances.indexOf(Math.max(...chances)) };
  };
  const rows = names.map((name, k) => {
    const one = box(bars, "", "display:flex;align-items:center;height:19px;gap:6px");
    box(one, name, "min-width:22px;text-align:right");
    const bar = box(one, "", "height:13px;min-width:1px");
    const words = box(one, "", "color:var(--soft);font-size:12px");
    one.addEventListener("pointerenter", () => explain(() => `The judge reads ${name} with probability ${words.textContent}; the bars change as you morph.`));
    return { bar, words };
  });
  const explain = (words) => ((hover = words), tell());
  const tell = () => (line.textContent = hover ? hover() : said());
  const said = () => {
    if (shown !== String(key())) return `Hand ${here.hand} is still drawing.`;
    const frame = frames.get(key());
    if (!frame.chances) return `Ordered is ${placed(here.morph)}, by hand ${here.hand}.`;
    const { chances, best } = read(frame, stop());
    return `Ordered is ${placed(here.morph)}, by hand ${here.hand}; the judge reads ${names[best]}, ${share(chances[best])}.`;
  };

  const follow = () => {
    here = now();
    const frame = frames.get(key());
    left.classList.toggle("waiting", !frame);
    const [at, last] = [stop(), stops - 1];
    title.textContent = `${placed(here.morph)}, by hand ${here.hand}`;
    stripTitle.textContent = `from ${names[here.order]} to ${names[here.towards]}: drag`;
    mark.style.left = `${SMALL / 2 + here.morph * (way.offsetWidth - SMALL)}px`;
    if (frame) {
      shown = String(key());
      paint(large, bytes(frame.images), at, channels);
      tiles.forEach((canvas, i) => paint(canvas, bytes(frame.images), Math.round((i * last) / 6), channels));
      bars.style.display = frame.chances ? "" : "none";
      if (frame.chances) {
        const { chances, best } = read(frame, at);
        rows.forEach(({ bar, words }, k) => {
          bar.style.width = `${110 * chances[k]}px`;
          bar.style.background = k === best ? "var(--orange)" : "var(--blue)";
          words.textContent = share(chances[k]);
        });
      }
    }
    neighbours.forEach(({ canvas, words }, i) => {
      const hand = first() + i;
      const known = frames.get(key(hand));
      canvas.style.opacity = known ? 1 : 0.25;
      canvas.style.outline = hand === here.hand ? "2px solid var(--orange)" : "none";
      words.textContent = `hand ${hand}`;
      if (known) paint(canvas, bytes(known.images), at, channels);
    });
    // the hand in front, its neighbours, and the ends of the row, from where one goes on
    const near = [0, 1, -1, 2, -2, 3, -3, 4, -4].map((by) => here.hand + by);
    frames.want(near.filter((hand) => hand >= 0 && hand < hands).map((hand) => key(hand)));
    tell();
  };

  const write = () => {
    const { images, digits, writers } = model.get("sheet");
    right.replaceChildren();
    if (!digits.length) return;
    box(right, "the number, a row by each hand", "font-weight:600;margin-bottom:4px");
    const side = Math.min(56, Math.floor(430 / digits.length));
    const grid = box(right, "", `display:grid;grid-template-columns:auto repeat(${digits.length}, ${side}px);align-items:center;column-gap:0`);
    writers.forEach((hand, r) => {
      box(grid, `hand ${hand}`, "margin-right:8px");
      digits.forEach((digit, c) => {
        const one = tile(grid, wide, high, side);
        paint(one, bytes(images), r * digits.length + c, channels);
        one.addEventListener("pointerenter", () => explain(() => `A ${names[digit]} by hand ${hand}: the same noise as the whole row, the same order as the whole column.`));
        one.addEventListener("pointerleave", () => explain(null));
      });
    });
  };

  const frames = shelf(model, () => follow());
  const snapped = (x) => Math.round(clamp((x * way.offsetWidth - SMALL / 2) / (way.offsetWidth - SMALL), 0, 1) * (stops - 1)) / (stops - 1);
  drag(strip, (x) => go({ morph: Number(snapped(x).toFixed(6)) }));
  strip.addEventListener("pointermove", (event) => {
    const morph = snapped((event.clientX - strip.getBoundingClientRect().left) / strip.offsetWidth);
    explain(() => {
      const frame = frames.get(key());
      if (!frame?.chances) return said();
      const { chances, best } = read(frame, stop(morph));
      return `Here: ${placed(morph)}. The judge reads ${names[best]}, ${share(chances[best])}.`;
    });
  });
  for (const node of [strip, bars]) node.addEventListener("pointerleave", () => explain(null));
  neighbours.forEach(({ node }, i) => {
    node.addEventListener("click", () => go({ hand: first() + i }));
    node.addEventListener("pointerenter", () => explain(() => `The same order by hand ${first() + i}: another noise, the same row of the table.`));
    node.addEventListener("pointerleave", () => explain(null));
  });
  keys(root, (pressed) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[pressed];
    const hand = { ArrowUp: 1, ArrowDown: -1 }[pressed];
    const order = names.indexOf(pressed);
    if (by) go({ morph: Number((clamp(stop() + by, 0, stops - 1) / (stops - 1)).toFixed(6)) });
    else if (hand) go({ hand: clamp(here.hand + hand, 0, hands - 1) });
    else if (order >= 0) go({ order });
    return by || hand || order >= 0;
  });
  const say = () => root.setAttribute("aria-label", model.get("words"));
  for (const name of ["order", "towards", "morph", "hand"]) model.on(`change:${name}`, follow);
  model.on("change:sheet", write);
  model.on("change:words", say);
  write();
  say();
  requestAnimationFrame(follow); // once it has a width
}
export default { render };
