// On /admin: an open page says when its login has ended or its connection is lost, instead of going on with what it showed
// last, and asks again for what got no answer. Gradio takes one lost request for the end: no button would do anything
// any more, until a reload, which takes along what was typed.
(() => {
  const CHECK_MS = 60_000;
  const PAUSES_MS = [300, 700, 1500, 3000];
  const OF_A_PROXY = [502, 503, 504];
  const fetched = window.fetch;
  const pause = (attempt) => new Promise((resolve) => setTimeout(resolve, PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)]));
  const isOurs = (answer) => answer && (!OF_A_PROXY.includes(answer.status) || answer.headers.get("content-type")?.includes("json"));

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

  // An event, sent until it is answered, under one key, by which the server does it once.
  const deliver = async (resource, options) => {
    const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    const headers = { ...options.headers, "x-diptych-page": "{VERSION}", "x-diptych-once": key };
    for (let attempt = 0; ; attempt++) {
      const answer = await fetched(resource, { ...options, headers }).catch(() => null);
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
      if (answer.ok) return answer.body.pipeThrough(new TextDecoderStream()).getReader();
      if (answer.status === 401) {
        say("ended");
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
    if (answer.status === 401) say("ended");
    if (answer.status === 409) say("lost");
    return answer;
  };

  let timer = 0;
  const look = async () => {
    clearTimeout(timer);
    let left = CHECK_MS;
    try {
      const answer = await window.fetch("session", { cache: "no-store" });
      if (answer.ok) {
        say("ended", false);
        loggedIn.splice(0).forEach((goOn) => goOn());
        left = Math.min(left, 1000 * (await answer.json()).seconds + 1000);
      }
    } catch {} // the network is away; the next look tells
    timer = setTimeout(look, left);
  };
  addEventListener("visibilitychange", () => document.hidden || look());
  addEventListener("focus", look);
  addEventListener("pageshow", look);

  // A study that is typed, and not begun yet, is not left without a question.
  let typed = false;
  addEventListener("input", ({ target }) => (typed ||= Boolean(target.closest("#study-toml"))));
  addEventListener("click", ({ target }) => (typed &&= !target.closest("#study-begin")));
  addEventListener("beforeunload", (event) => typed && event.preventDefault());
})();
