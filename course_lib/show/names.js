// Names for screen readers: a slider's handle is called what its label says, the buttons of a player what they do.
function render({ el }) {
  el.style.display = "none";
  const name = (panel) => {
    for (const slider of panel.querySelectorAll(".widget-slider")) {
      const words = slider.querySelector(".widget-label")?.textContent;
      const handle = slider.querySelector(".noUi-handle");
      if (words && handle?.ariaLabel !== words) handle?.setAttribute("aria-label", words);
    }
    for (const player of panel.querySelectorAll(".widget-play")) {
      ["play or pause", "stop", "repeat"].forEach((words, i) => player.children[i]?.setAttribute("aria-label", words));
    }
  };
  let watch = null;
  let frame = null;
  const find = () => {
    const panel = el.closest(".course-panel"); // this view may be made before it is put into its panel
    if (!panel) return void (frame = requestAnimationFrame(find));
    name(panel);
    watch = new MutationObserver(() => name(panel)); // and its neighbours after it
    watch.observe(panel, { childList: true, subtree: true });
  };
  find();
  return () => (watch?.disconnect(), cancelAnimationFrame(frame));
}
export default { render };
