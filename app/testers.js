// The testers' page in the browser: keys for the votes, the replay, suggestions, the A/B switch, where the focus goes.
(() => {
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  const KEYS = { 1: "vote-left", 2: "vote-tie", 3: "vote-both-bad", 4: "vote-right" };
  let readableSince = 0;

  // What the server cannot know by itself; sent with each event.
  window.diptych = {
    client: () => JSON.stringify({
      seconds: readableSince ? Math.round(performance.now() - readableSince) / 1000 : undefined,
      time: new Date().toISOString(),
      invite: new URLSearchParams(location.search).get("invite")?.slice(0, 100) ?? undefined,
    }),
  };

  // A vote that the server could not save, or that never reached it, is kept here and sent again until it is saved or
  // refused. The server counts it once, however often it comes.
  let vote = null;
  const text = (selector) => document.querySelector(selector)?.textContent;
  const keep = (button) => { vote = { button, question: text("#question h1"), before: text("#status p") }; };
  setInterval(() => {
    const gone = !vote || root.dataset.phase !== "vote" || text("#question h1") !== vote.question;
    const refused = vote && text("#status p") !== vote.before && !document.querySelector("#status [data-again]");
    if (gone || refused) vote = null;
    else find(vote.button)?.click();
  }, 3000);

  const typing = (element) => element.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event.target)) return;
    const button = root.dataset.phase === "vote" && find(KEYS[event.key]);
    if (button && !button.disabled) {
      event.preventDefault();
      button.click();
    }
  });

  addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    const box = find("prompt")?.querySelector("textarea");
    if (chip && box) {
      Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, chip.textContent);
      box.dispatchEvent(new Event("input", { bubbles: true }));
      box.focus();
    }
    const choice = root.dataset.phase === "vote" && event.target.closest("#votes button");
    if (choice && vote?.button !== choice.id) keep(choice.id);
    if (event.target.closest("#show-all") && root.dataset.phase === "replay") finish("vote");
    const pane = event.target.closest(".switch button")?.dataset.pane;
    if (pane) showPane(pane);
  });

  // Both answers come whole and are shown growing, word by word, in equal steps with one start and one end; so nothing
  // tells how fast a model wrote. Until then whatever arrives is held back, also when one pane is filled before the other.
  const STEPS = 36;
  const STEP_MS = 50;
  const WAITING = ["ask", "answering", "broken"]; // the phases that a pair of new answers ends
  let known = 0; // answers in each pane that were there before
  let held = []; // the new pair: {element, words}
  let timer = 0;

  const hold = () => {
    const panes = ["left", "right"].map((side) => [...document.querySelectorAll(`#answer-${side} .answer`)]);
    if (!WAITING.includes(root.dataset.phase)) known = panes[0].length;
    known = Math.min(known, panes[0].length);
    for (const element of panes.flatMap((answers) => answers.slice(known))) {
      if (held.some((one) => one.element === element)) continue;
      held.push({ element, words: element.textContent.match(/\s*\S+/g) ?? [] });
      element.textContent = "";
    }
  };

  const show = (share) => {
    for (const { element, words } of held) {
      element.textContent = words.slice(0, Math.ceil(share * words.length)).join("");
      element.classList.toggle("growing", share < 1);
    }
  };

  const finish = (phase) => {
    clearInterval(timer);
    show(1);
    held = [];
    enter(phase);
  };

  const replay = (phase) => {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return finish(phase);
    root.dataset.phase = "replay";
    const started = performance.now();
    const step = () => {
      const share = (1 + Math.floor((performance.now() - started) / STEP_MS)) / STEPS;
      if (share < 1) show(share);
      else finish(phase);
    };
    step();
    timer = setInterval(step, STEP_MS);
  };

  const showPane = (pane) => {
    root.dataset.pane = pane;
    for (const button of document.querySelectorAll(".switch button"))
      button.setAttribute("aria-pressed", String(button.dataset.pane === pane));
  };

  const FOCUS = { ask: "#prompt textarea", voted: "#next-round", broken: "#retry" };

  const enter = (phase) => {
    root.dataset.phase = phase;
    vote = null;
    readableSince = phase === "vote" ? performance.now() : 0;
    if (phase === "answering") showPane("a");
    // On a touch screen a focused box would open the keyboard over the page.
    const target = matchMedia("(hover: hover)").matches && FOCUS[phase];
    if (target) requestAnimationFrame(() => document.querySelector(target)?.focus({ preventScroll: phase !== "ask" }));
    if (phase !== "vote" && phase !== "voted") scrollTo({ top: 0 });
  };

  // What Gradio's components cannot carry in their own attributes.
  const annotate = () => {
    const status = find("status");
    if (status && !status.hasAttribute("role")) {
      status.setAttribute("role", "status");
      status.setAttribute("aria-live", "polite");
    }
    for (const [key, id] of Object.entries(KEYS)) {
      const button = find(id);
      if (button && !button.dataset.key) {
        button.dataset.key = key;
        button.setAttribute("aria-keyshortcuts", key);
      }
    }
    document.querySelector(".asked-first")?.classList.toggle("long", document.querySelector(".asked-first").textContent.length > 140);
  };

  // A question in between takes the focus, which brings it into sight, and gives it back.
  let asker = null;
  const interrupt = () => {
    const asked = Boolean(find("confirm-no")?.checkVisibility());
    if (asked === Boolean(asker)) return;
    if (asked) {
      asker = document.activeElement;
      requestAnimationFrame(() => find("confirm-no")?.focus());
    } else {
      if (asker.isConnected) asker.focus({ preventScroll: true });
      asker = null;
    }
  };

  // Before a round the status line stands at the end of the page, which a phone does not show.
  let said = "";
  const bringIntoSight = () => {
    const line = document.querySelector("#status p");
    if (line && line.textContent !== said && root.dataset.phase === "welcome") line.scrollIntoView({ block: "nearest" });
    said = line?.textContent ?? "";
  };

  let told; // the phase that the server told last
  let late = 0;

  const turnTo = (phase, how) => {
    told = phase;
    how(phase);
  };

  const follow = () => {
    annotate();
    interrupt();
    bringIntoSight();
    if (root.dataset.phase !== "replay") hold();
    const phase = find("phase")?.dataset.phase;
    clearTimeout(late);
    if (!phase || phase === told) return;
    if (phase !== "vote" || !WAITING.includes(root.dataset.phase)) turnTo(phase, finish);
    else if (held.length >= 2) turnTo(phase, replay);
    else late = setTimeout(() => turnTo(phase, finish), 500); // a tab that was out of date: there is nothing new
  };

  new MutationObserver(follow).observe(root, { childList: true, subtree: true });
})();
