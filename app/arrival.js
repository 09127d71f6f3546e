// A page whose scripts did not all arrive is loaded again, while nobody has done anything on it yet; else it says so. Gradio
// would show an empty one, or one without its buttons. This stands in the page itself, before everything that may be lost.
(() => {
  const TRIES = "diptych.arrival"; // when this tab was loaded again
  const PAUSES_MS = [1000, 3000, 9000];
  const EARLY_MS = 30_000;
  const A_WHILE_MS = 60_000;
  let touched = false;
  for (const event of ["input", "click"]) addEventListener(event, ({ isTrusted }) => (touched ||= isTrusted), true);

  const LOOK = "position: fixed; inset: auto 0 0; z-index: 99; margin: 0; padding: .75rem 1rem; background: #fff";
  const tell = () => {
    const line = document.getElementById("incomplete");
    line?.setAttribute("role", "alert");
    line?.setAttribute("style", LOOK); // the page's own styles may be what was lost
    line?.removeAttribute("hidden");
  };
  const again = () => {
    const tries = JSON.parse(sessionStorage.getItem(TRIES) ?? "[]").filter((at) => Math.abs(Date.now() - at) < A_WHILE_MS);
    const pause = PAUSES_MS[tries.length];
    if (!pause || performance.now() > EARLY_MS) return tell();
    setTimeout(() => {
      if (touched) return tell();
      sessionStorage.setItem(TRIES, JSON.stringify([...tries, Date.now()]));
      location.reload();
    }, pause);
  };
  let lost = false;
  addEventListener("error", ({ target }) => {
    if (lost || !/\/assets\/[^/]+\.(js|css)$/.test(target?.src ?? target?.href ?? "")) return;
    lost = true;
    try {
      again();
    } catch { // storage is denied, so that nothing would end the reloads
      addEventListener("load", () => setTimeout(tell, PAUSES_MS[0]));
      if (document.readyState === "complete") tell();
    }
  }, true);
  const look = () => document.querySelector("gradio-app")?.textContent.trim() === "" && tell();
  addEventListener("load", () => setTimeout(look, EARLY_MS));
})();
