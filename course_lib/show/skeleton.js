// Control points to drag. `strokes` is a list of strokes; each is a chain of cubic Bezier curves that share end points,
// written as [x, y] in [0, 1], y pointing down: point, handle, handle, point, handle, handle, point ...
function render({ model, el }) {
  const space = "http://www.w3.org/2000/svg";
  const side = 260;
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "-0.1 -0.1 1.2 1.2");
  svg.setAttribute("width", side);
  svg.setAttribute("height", side);
  svg.setAttribute("role", "group");
  svg.setAttribute("aria-label", "The skeleton of the digit: drag its points, or focus one and use the arrow keys");
  svg.style.cssText = "background:#fff;border:2px solid #888;touch-action:none";
  el.append(svg);
  let dragged = null;
  let ring = null; // around the knob that has the focus

  const add = (kind, attributes) => {
    const node = document.createElementNS(space, kind);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    svg.append(node);
    return node;
  };
  const move = (s, i, x, y) => {
    const strokes = model.get("strokes").map((stroke) => stroke.map((point) => [...point]));
    strokes[s][i] = [Math.min(1.1, Math.max(-0.1, x)), Math.min(1.1, Math.max(-0.1, y))];
    model.set("strokes", strokes);
    model.save_changes();
  };
  const paint = () => {
    const focused = document.activeElement?.dataset?.point;
    svg.replaceChildren();
    model.get("strokes").forEach((stroke, s) => {
      for (let i = 0; i + 3 < stroke.length; i += 3) {
        const [a, b, c, d] = stroke.slice(i, i + 4);
        add("path", { d: `M${a} C${b} ${c} ${d}`, fill: "none", stroke: "#1863aa", "stroke-width": 0.025 });
        add("path", { d: `M${a} L${b} M${c} L${d}`, fill: "none", stroke: "#999", "stroke-width": 0.007 });
      }
      stroke.forEach(([x, y], i) => {
        const end = i % 3 === 0;
        const knob = add("circle", { cx: x, cy: y, r: end ? 0.035 : 0.025, fill: end ? "#cc5500" : "#fff", stroke: "#cc5500", "stroke-width": 0.01 });
        knob.dataset.point = `${s},${i}`;
        knob.setAttribute("tabindex", 0);
        knob.setAttribute("role", "button");
        knob.setAttribute("aria-label", `stroke ${s + 1}, ${end ? "point" : "handle"} ${i + 1}`);
        knob.style.cssText = "cursor:grab;outline:none"; // an outline of the page's is measured in units of the picture
        knob.addEventListener("focus", () => {
          ring = add("circle", { cx: x, cy: y, r: 0.06, fill: "none", stroke: "#111", "stroke-width": 0.014 });
          ring.style.pointerEvents = "none";
        });
        knob.addEventListener("blur", () => ring?.remove());
        knob.addEventListener("pointerdown", (event) => {
          dragged = [s, i];
          svg.setPointerCapture(event.pointerId);
        });
        knob.addEventListener("keydown", (event) => {
          const step = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02] }[event.key];
          if (!step) return;
          event.preventDefault();
          event.stopPropagation();
          move(s, i, x + step[0], y + step[1]);
        });
        if (knob.dataset.point === focused) knob.focus();
      });
    });
  };
  svg.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const box = svg.getBoundingClientRect();
    move(...dragged, ((event.clientX - box.left) / box.width) * 1.2 - 0.1, ((event.clientY - box.top) / box.height) * 1.2 - 0.1);
  });
  svg.addEventListener("pointerup", () => (dragged = null));
  model.on("change:strokes", paint);
  paint();
}
export default { render };
