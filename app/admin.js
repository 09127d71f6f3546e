// On /admin: an open page says when its login has ended or its connection is lost, instead of going on with what it showed
// last, and asks again for what got no answer. Gradio takes one lost request for the end: no button would do anything
// any more, until a reload, which takes along what was typed.
(() => {
  const CHECK_MS = 60_000;
  const PAUSES_MS = [300, 700, 1500, 3000];
  const fetched = window.fetch;
  const pause = (attempt) => new Promise((resolve) => setTimeout(resolve, PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)]));
  // What stands in front (a proxy, the login of a network) answers with such a status, whatever is in it, or with a page.
  const isOurs = (answer) =>
    answer && ![502, 503, 504].includes(answer.status) && answer.status < 520 && !answer.headers.get("content-type")?.includes("html");

  const SAID = {
    ended: 'Your login has ended; what this page shows is out of date. <a href="login" target="_blank">Log in again</a> in a tab of its own, so that what you typed stays here.',
    away: "No connection to the server. What you clicked is asked for again until it answers; what you typed stays here.",
    lost: 'The connection to the server was lost in the midst of an answer, or the app was upgraded: nothing that you click here arrives any more. Copy what you typed, then <a href="">load this page again</a>.',
  };
  const say = (id, now = true) => {
    const note = document.getElementById(id);
    if (!now) note?.remove();
    if (!now || note) return;
    document.body.prepend(Object.assign(document.createElement("div"), { id, className: "alert", role: "alert", innerHTML: SAID[id] }));
  };

  // An event, sent until it is answered, under one key, by which the server does it once. An answer may be cut on its way.
  const whole = async (answer) => {
    const body = await answer.text();
    if (answer.ok && isOurs(answer) && !JSON.parse(body).event_id) throw new Error("no answer of the app");
    return new Response(body, { status: answer.status, headers: answer.headers });
  };
  const deliver = async (resource, options) => {
    const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    const headers = { ...options.headers, "x-diptych-page": "{VERSION}", "x-diptych-once": key };
    for (let attempt = 0; ; attempt++) {
      const answer = await fetched(resource, { ...options, headers }).then(whole).catch(() => null);
      say("away", !isOurs(answer));
      if (isOurs(answer)) return answer;
      await pause(attempt);
    }
  };

  // -- answers ------------------------------------------------------------------------------------------------------

  // Answers come by a stream that the server closes once it has answered all that was asked. Gradio takes it for open until
  // it has read of the end, so that a click in between would never be answered, nor any click after a stream that was
  // refused because the login had ended. Here Gradio has one stream for good, filled from the server's as long as
  // something has no answer.
  let gradio = null; // where its stream is filled from, and how
  let isFilling = false;
  const unanswered = new Set(); // events
  const answered = new Set(); // those that had one before it was known that they were asked
  const loggedIn = []; // what waits for the next login

  const opened = async ({ resource, options }) => {
    for (let attempt = 0; ; attempt++) {
      const answer = await fetched(resource, options);
      if (answer.ok && isOurs(answer)) return answer.body.pipeThrough(new TextDecoderStream()).getReader();
      if (answer.status === 401) {
        end();
        await new Promise((resolve) => loggedIn.push(resolve));
      } else if (isOurs(answer)) throw new Error(`HTTP ${answer.status}`);
      else await pause(attempt);
    }
  };
  const passOn = (stream, text) => {
    const { msg, event_id: event } = JSON.parse(text.slice("data:".length));
    if (msg === "close_stream") return;
    if (msg === "process_completed" && !unanswered.delete(event)) answered.add(event);
    if (msg === "unexpected_error") unanswered.clear();
    stream.controller.enqueue(new TextEncoder().encode(`${text}\n\n`));
  };
  const fill = async () => {
    const stream = gradio;
    if (!stream || isFilling) return;
    isFilling = true;
    try {
      while (unanswered.size && stream === gradio) {
        const reader = await opened(stream);
        for (let rest = "", part; !(part = await reader.read()).done; ) {
          const texts = (rest + part.value).split("\n\n");
          rest = texts.pop();
          texts.forEach((text) => passOn(stream, text));
        }
        if (unanswered.size) await pause(0);
      }
    } catch (error) {
      stream.controller.error(error);
      if (stream === gradio) gradio = null;
    }
    isFilling = false;
    if (gradio && gradio !== stream) fill();
  };
  const open = (resource, options) => {
    const body = new ReadableStream({ start: (controller) => (gradio = { resource, options, controller }) });
    fill();
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const expect = ({ event_id: event }) => {
    if (event && !answered.delete(event)) unanswered.add(event);
    fill();
  };

  window.fetch = async (resource, options = {}) => {
    const url = String(resource?.url ?? resource);
    if (/\/app_id$/.test(url)) { // Gradio has given up, and asks when it can reload the page
      say("lost");
      return new Response("", { status: 404 });
    }
    if (/\/queue\/data\?/.test(url)) return open(resource, options);
    const isEvent = /\/queue\/join\??/.test(url);
    const answer = await (isEvent ? deliver : fetched)(resource, options);
    if (isEvent && answer.ok) expect(await answer.clone().json());
    if (answer.status === 401) end();
    if (answer.status === 409) say("lost");
    return answer;
  };
  const end = () => {
    say("ended");
    keepUnder(null);
  };

  let timer = 0;
  const look = async () => {
    clearTimeout(timer);
    let left = CHECK_MS;
    try {
      const answer = await window.fetch("session", { cache: "no-store" });
      if (answer.ok) {
        const { seconds, login } = await answer.json();
        say("ended", false);
        loggedIn.splice(0).forEach((goOn) => goOn());
        keepUnder(login);
        left = Math.min(left, 1000 * seconds + 1000);
      }
    } catch {} // the network is away; the next look tells
    timer = setTimeout(look, left);
  };
  addEventListener("visibilitychange", () => document.hidden || look());
  addEventListener("focus", look);
  addEventListener("pageshow", look);

  // A download whose login has ended would be a file of the login page.
  addEventListener("click", async (event) => {
    const link = event.target.closest("a[download]");
    if (!link?.href.startsWith("http") || "asked" in link.dataset) return;
    event.preventDefault();
    await look();
    if (document.getElementById("ended")) return;
    link.dataset.asked = "";
    link.click();
    delete link.dataset.asked;
  }, true);

  // -- drafts -----------------------------------------------------------------------------------------------------

  // What is typed survives a reload until the server has taken it: until it says so, or has emptied the box. It lies in this
  // tab alone, under the login that it was typed with, and goes with that: the next researcher may sit at the same computer.
  const { read, remove, parsed, setValue, drafts } = window.diptychStorage("sessionStorage");
  const HOLD_MS = 5000; // for as long Gradio may still be filling a box after its tab was opened
  const BOXES = {
    study: "#study-toml textarea", system: "#lab-system textarea", prompt: "#lab-prompt textarea",
    invite: "#invite-label textarea, #invite-label input", uses: "#invite-uses input",
  };
  const TAKEN = { study: "#study-said p:not(.problem)", invite: "#invite-said code", uses: "#invite-said code" };
  const boxOf = (field) => document.querySelector(BOXES[field]);
  let login = null; // what the server calls this login
  const mine = new Set(); // fields in which this page shows a draft
  let asked = false; // what was typed in the chat lab is on its way
  const { save, restore } = drafts({
    fields: Object.keys(BOXES),
    boxes: (field) => [boxOf(field)],
    scope: (field) => (field === "prompt" && asked ? null : login),
    valueOf: (field) => boxOf(field)?.value,
    fill: (field, value) => {
      mine.add(field);
      if (boxOf(field).value === value) return; // typed on this page: a note would push a button from under the pointer
      setValue(boxOf(field), value);
      if (field === "study") tellOfDraft();
    },
    hold: HOLD_MS,
  });
  const forget = (field) => {
    mine.delete(field);
    remove(`draft.${field}`);
  };
  const keepUnder = (one) => {
    if (one !== null && one === login) return;
    login = one;
    for (const field of Object.keys(BOXES)) if (parsed(read(`draft.${field}`)).of !== login) remove(`draft.${field}`);
    save([...mine]);
    restore();
  };
  const tellOfDraft = () => {
    if (document.getElementById("study-draft")) return;
    const made = { id: "study-draft", className: "hint", textContent: "This is what was typed here before. " };
    const note = Object.assign(document.createElement("p"), made);
    const back = Object.assign(document.createElement("button"), { className: "quiet", textContent: "Show the running study instead" });
    back.addEventListener("click", () => {
      forget("study");
      typed = false;
      location.reload();
    });
    note.append(back);
    document.getElementById("study-toml").before(note);
  };
  const told = {};
  const settle = () => {
    for (const [field, words] of Object.entries(TAKEN)) {
      const text = document.querySelector(words)?.textContent;
      if (!text || text === told[field]) continue;
      told[field] = text;
      forget(field);
      if (field === "study") document.getElementById("study-draft")?.remove();
    }
    if (asked && boxOf("prompt")?.value === "") {
      forget("prompt");
      asked = false;
    }
  };
  new MutationObserver(() => {
    settle();
    restore();
  }).observe(document.documentElement, { childList: true, subtree: true });

  // A study that is typed, and not begun yet, is not left without a question.
  let typed = false;
  addEventListener("input", ({ target, isTrusted }) => {
    const field = isTrusted && Object.keys(BOXES).find((one) => target.matches(BOXES[one]));
    if (field === "prompt") asked = false;
    if (field) {
      mine.add(field);
      save([field]);
    }
    typed ||= field === "study";
  });
  addEventListener("keydown", ({ key, shiftKey, isComposing, target }) => {
    asked ||= key === "Enter" && !shiftKey && !isComposing && target === boxOf("prompt");
  }, true);
  addEventListener("click", ({ target }) => {
    typed &&= !target.closest("#study-begin");
    asked ||= Boolean(target.closest("#lab-send"));
  }, true);
  addEventListener("submit", ({ target }) => target.matches("[action=logout]") && Object.keys(BOXES).forEach(forget));
  addEventListener("beforeunload", (event) => typed && event.preventDefault());
  look(); // Gradio may run this when the page has long been shown
})();
