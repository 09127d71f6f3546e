// A double click is one click, on both pages: the first changes the page, and the second would take what has come under the
// pointer meanwhile, which may be "Undo" or "Next round". So is a key that is held: the focus moves on with the page, and each
// of its repetitions would press what it comes to.
(() => {
  const NEAR = 30; // pixels
  const TAPS_MS = 700; // between two taps, which not every phone counts as one double click by itself
  let last = null;
  let isTouch = false;
  addEventListener("pointerdown", ({ pointerType }) => (isTouch = pointerType === "touch"), true);
  addEventListener("click", (event) => {
    if (!event.isTrusted || !event.detail) return;
    const isNear = last && Math.hypot(event.clientX - last.clientX, event.clientY - last.clientY) < NEAR;
    const isSecond = isNear && (event.detail > 1 || (isTouch && event.timeStamp - last.timeStamp < TAPS_MS));
    last = event;
    if (!isSecond || !event.target.closest("button")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  addEventListener("keydown", (event) => {
    if (event.repeat && event.key === "Enter" && event.target.closest("button")) event.preventDefault();
  }, true);
})();
