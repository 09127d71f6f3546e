// The testers' page in the browser: what was on the screen, keys for the votes, the replay, suggestions, the A/B switch,
// where the focus goes. What it keeps and sends is in kept.js.
(() => {
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  const KEYS = { 1: "vote-left", 2: "vote-tie", 3: "vote-both-bad", 4: "vote-right" };
  const { read, write, setValue, scene, tr } = window.diptych;
  let readableSince = 0;

  // -- what was on the screen -------------------------------------------------------------------------------------

  // For how many seconds each of the newest answers was on the screen, and which was there first. On a phone there is
  // room for one; the server draws which is shown first.
  const SIDES = { left: "a", right: "b" };
  const NAMES = { a: () => tr("Answer A"), b: () => tr("Answer B") };
  const UNREAD = { a: () => tr("Answer A, not read yet"), b: () => tr("Answer B, not read yet") };
  const LEAST = { left: "leastLeft", right: "leastRight" }; // seconds, as the server tells them
  let seen = { of: "" };
  const isThere = (element) => Boolean(element?.getClientRects().length); // `checkVisibility` is not in phones of before 2024
  const A_LINE = 20; // pixels of an answer that must be in sight, unless it is shorter
  const LONGEST_LOOK_S = 2; // between two looks, which are 0.25 s apart: what is longer, the computer has slept through
  const newest = (side) => [...document.querySelectorAll(`#answer-${side} .answer`)].at(-1); // earlier turns are above it
  const shows = (side) => {
    const box = newest(side);
    if (document.hidden || !isThere(box)) return false;
    const { top, bottom, height } = box.getBoundingClientRect();
    // The votes stick to the lower edge, above what is under them; of a low screen they never get more than half.
    const end = Math.min(innerHeight, Math.max(innerHeight / 2, find("dock")?.getBoundingClientRect().top ?? innerHeight));
    return Math.min(bottom, end) - Math.max(top, 0) >= Math.min(height, A_LINE);
  };
  const look = () => {
    const { key, turn } = scene();
    if (!["vote", "replay"].includes(root.dataset.phase)) return (seen.since = null);
    if (seen.of !== `${key}:${turn}`) seen = { of: `${key}:${turn}`, left: 0, right: 0, showing: [], ...window.diptych.readObject("seen")[`${key}:${turn}`] };
    const now = performance.now();
    for (const side of seen.since ? seen.showing : []) seen[side] += Math.min(LONGEST_LOOK_S, (now - seen.since) / 1000);
    seen.since = now;
    seen.showing = Object.keys(SIDES).filter(shows);
    seen.first ??= seen.showing.length > 1 ? "both" : seen.showing[0];
    for (const side of seen.showing) seen[side] = Math.max(seen[side], 0.001);
    const unread = Object.keys(SIDES).filter((side) => seen[side] < (Number(scene()[LEAST[side]]) || 0.001));
    for (const [side, pane] of Object.entries(SIDES)) {
      const button = document.querySelector(`.switch [data-pane=${pane}]`);
      button?.toggleAttribute("data-unread", unread.includes(side));
      const label = (unread.includes(side) ? UNREAD : NAMES)[pane]();
      if (button && button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
    }
    // The server refuses a vote on an answer that was there for a moment only. While that moment passes the buttons wait
    // with it; where it does not pass, since another answer is shown, a click is told why. They wait for an answer that is not
    // in the page yet, too: after a reload the phase comes first.
    holdVotes(unread.length > 0 && unread.every((side) => seen.showing.includes(side) || !newest(side)));
  };
  let votesHeld = false;
  const holdVotes = (now = votesHeld) => {
    votesHeld = now;
    for (const button of Object.values(KEYS).map(find)) if (button && button.disabled !== now) button.disabled = now;
  };
  const onScreen = () => {
    look();
    if (seen.since == null) return {};
    const rounded = (side) => Math.ceil(seen[side] * 1000) / 1000;
    return { seen: { left: rounded("left"), right: rounded("right") }, first: seen.first };
  };
  window.diptych.told = () => ({
    seconds: readableSince ? Math.round(performance.now() - readableSince) / 1000 : undefined,
    ...onScreen(),
  });
  setInterval(look, 250);
  for (const event of ["scroll", "resize"]) addEventListener(event, look, { passive: true });
  document.addEventListener("visibilitychange", look); // while a phone sleeps no timer runs, and nothing is on the screen
  addEventListener("pagehide", () => {
    look();
    if (seen.of) write("seen", JSON.stringify({ [seen.of]: { left: seen.left, right: seen.right, first: seen.first } }));
  });

  // -- keys and clicks --------------------------------------------------------------------------------------------

  const typing = (element) => element.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");

  // The digit of a key: as it is written in any script, or of the row of digits where a layout (AZERTY) has others there.
  const digit = (event) => {
    const point = event.key.codePointAt(0);
    if (/^\p{Nd}$/u.test(event.key)) {
      let zero = point;
      while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
      return (point - zero) % 10;
    }
    return event.shiftKey || event.key.length > 1 ? null : Number(event.code.match(/^Digit(\d)$/)?.[1]);
  };
  const keysOn = () => read("keys") !== "off";

  addEventListener("keydown", (event) => {
    if (["Control", "Meta", "Alt", "AltGraph"].some((key) => event.getModifierState(key)) || event.repeat || typing(event.target) || !keysOn()) return;
    if (isThere(find("confirm-no"))) return; // a question is open that is not about the answers
    const button = root.dataset.phase === "vote" && find(KEYS[digit(event)]);
    if (button && !button.disabled) {
      event.preventDefault();
      button.click();
    }
  });

  addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    const box = find("prompt")?.querySelector("textarea");
    if (chip && box) {
      setValue(box, chip.textContent);
      box.focus();
    }
    if (event.target.closest("#keys")) {
      write("keys", keysOn() ? "off" : "on");
      annotate();
    }
    if (event.target.closest("#show-all") && root.dataset.phase === "replay") finish("vote");
    const pane = event.target.closest(".switch button")?.dataset.pane;
    if (pane) {
      showPane(pane);
      const side = Object.keys(SIDES).find((one) => SIDES[one] === pane);
      if (!shows(side)) newest(side)?.scrollIntoView({ block: "start" }); // below the edge of a low screen
    }
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
      // Word by word through the text, whatever it stands in: an answer may be rendered Markdown.
      const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      const nodes = [];
      while (walker.nextNode()) nodes.push({ node: walker.currentNode, words: walker.currentNode.data.match(/\s*\S+\s*$|\s*\S+|^\s+$/g) ?? [] });
      held.push({ element, nodes, words: nodes.reduce((sum, one) => sum + one.words.length, 0) });
      reveal(held.at(-1), 0);
    }
  };

  const reveal = ({ element, nodes, words }, share) => {
    let left = Math.ceil(share * words);
    for (const { node, words: own } of nodes) {
      node.data = own.slice(0, Math.max(0, left)).join("");
      left -= own.length;
    }
    for (const block of element.querySelectorAll("li, p, pre, tr, table, blockquote, h1, h2, h3, h4, h5, h6"))
      block.hidden = !block.textContent;
  };

  const show = (share) => {
    for (const one of held) {
      reveal(one, share);
      one.element.classList.toggle("growing", share < 1);
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
    look();
    root.dataset.pane = pane;
    look();
    press();
  };
  const press = () => {
    for (const button of document.querySelectorAll(".switch button")) {
      const pressed = String(button.dataset.pane === (root.dataset.pane ?? "a"));
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    }
  };

  // On a touch screen a focused box would open the keyboard over the page; there the heading takes the focus, so that
  // it is never lost with the button that was pressed.
  const FOCUS = { ask: "#prompt textarea", voted: "#next-round", broken: "#retry", guess: "#guess h2", thanks: "#thanks h1" };
  const focusOf = (phase) => {
    const touch = !matchMedia("(hover: hover)").matches;
    const target = document.querySelector(touch && phase === "ask" ? "#question h1" : FOCUS[phase] ?? null);
    if (target && /^H\d$/.test(target.tagName)) target.tabIndex = -1;
    return target;
  };

  const enter = (phase) => {
    const before = root.dataset.phase;
    root.dataset.phase = phase;
    readableSince = phase === "vote" ? performance.now() : 0;
    if (phase === "answering" || (phase === "vote" && before !== "replay" && before !== "answering")) showPane(scene().first ?? "a");
    look();
    if (before) requestAnimationFrame(() => focusOf(phase)?.focus({ preventScroll: phase !== "ask" }));
    else if (phase === "ask") requestAnimationFrame(() => focusOf(phase)?.focus());
    if (phase !== "vote" && phase !== "voted") scrollTo({ top: 0 });
  };

  // What Gradio's components cannot carry in their own attributes.
  const annotate = () => {
    const status = find("status");
    if (status && !status.hasAttribute("role")) {
      status.setAttribute("role", "status");
      status.setAttribute("aria-live", "polite");
    }
    holdVotes(); // also those that Gradio has just made
    press();
    for (const [key, id] of Object.entries(KEYS)) {
      const button = find(id);
      if (button && button.dataset.key !== (keysOn() ? key : "")) {
        button.dataset.key = keysOn() ? key : "";
        button.toggleAttribute("aria-keyshortcuts", keysOn());
        if (keysOn()) button.setAttribute("aria-keyshortcuts", key);
      }
    }
    const keys = find("keys");
    const wording = keysOn() ? tr("Turn off the keys 1 to 4") : tr("Turn on the keys 1 to 4");
    if (keys && keys.textContent !== wording) keys.textContent = wording;
    const question = document.querySelector(".asked-first");
    if (question) {
      question.classList.toggle("long", question.textContent.length > 140);
      if (question.scrollHeight > question.clientHeight + 1) question.tabIndex = 0; // for who scrolls with keys
    }
  };

  // A question in between takes the focus, which brings it into sight, and gives it back.
  let asker = null;
  const interrupt = () => {
    const asked = isThere(find("confirm-no"));
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
