// What the testers' page keeps in the browser, by storage.js: the token, clicks that no response has confirmed yet, drafts.
// And how it sends them, so that a lost request, a lost response, a reload or a restart loses nothing and doubles nothing.
(() => {
  const find = (id) => document.getElementById(id);

  // -- language --------------------------------------------------------------------------------------------------

  // The page brings its texts along, by what they say in English (app/page_texts.py); an English page brings none.
  let texts = null;
  const tr = (text, values = {}) => {
    texts ??= JSON.parse(find("texts")?.textContent ?? "{}");
    return (texts[text] ?? text).replace(/\{(\w+)\}/g, (place, value) => values[value] ?? place);
  };

  const { state, memory, storage, path, name, read, write, remove, parsed, setValue, drafts } = window.diptychStorage("localStorage");

  const random = (bytes) => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(bytes))))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  // Whoever holds the token is the tester. It is drawn here, so that a Start whose answer is lost, or that is clicked in
  // two tabs, enrols one.
  const TOKEN = /^[\w-]{32}$/;
  let held = ""; // this page's, should the storage be emptied under it
  const token = () => {
    const former = path ? storage((all) => all.getItem("diptych.token")) : null; // before paths had names of their own
    const known = [read("token"), held, former].find((one) => TOKEN.test(one ?? "")) ?? random(24);
    if (known !== read("token")) write("token", known);
    return (held = known);
  };

  // -- the outbox ------------------------------------------------------------------------------------------------

  // Each click that changes something is kept under a key until a response names that key. Until then it is sent again,
  // also after a reload; the server does it once.
  const SENT_ONCE = ["load", "tick", "reveal", "stop", "back"];
  // What somebody else has written under our names, or an older page in another form, stops no click.
  const isWhole = ({ key, item, values }) => typeof key === "string" && /^out\.\d+\.\d+\./.test(item) && values instanceof Object;
  const kept = () => {
    const items = [...(storage((all) => Object.keys(all)) ?? []), ...[...memory.keys()].map(name)]
      .filter((key) => key.startsWith(name("out.")));
    return [...new Set(items)].sort().map((key) => parsed(read(key.slice(name("").length)))).filter(isWhole);
  };
  // What could not get through at once is not kept: it would come again, be refused again, and stop all that follows.
  const MOST = 50_000; // characters of one click: a question and a comment at their longest
  const MOST_TOGETHER = 150_000; // of all that is sent again with one request; the rest comes with the next
  const waiting = () => {
    let room = MOST_TOGETHER;
    return kept().filter((item) => (room -= JSON.stringify(item).length) > 0);
  };
  // Tabs share the storage. Each sends again what it has kept itself or found when it was opened, and what lies there
  // for so long that its tab must be gone: else one tab would turn to another scene because of a click in another.
  const ORPHANED_MS = 60_000;
  const mine = new Set();
  const isMine = ({ key, item }) => mine.has(key) || Date.now() - Number(item.split(".")[1]) > ORPHANED_MS;
  let count = 0;
  const keep = (what, values, facts) => {
    // Words replace the words that are waiting for the same round; a button that is pressed again is the same request.
    for (const old of kept()) {
      const again = old.do === what && old.values.key === values.key;
      if (again && ["remark", "judge"].includes(what)) remove(old.item);
      else if (again && JSON.stringify(old.values) === JSON.stringify(values)) return old.key;
    }
    const key = random(12);
    // In the order of the clicks, also where the browser's clock is set back in between.
    const stamp = Math.max(Date.now(), ...kept().map((old) => Number(old.item.split(".")[1]) + 1));
    const item = `out.${String(stamp).padStart(15, "0")}.${String(count++).padStart(6, "0")}.${key}`;
    const text = JSON.stringify({ key, item, do: what, values, facts: { ...facts, waiting: undefined, key } });
    if (text.length > MOST) return key;
    write(item, text);
    mine.add(key);
    return key;
  };
  // What was refused need not come again either, but what was typed for it stays, also over a reload.
  const settle = (text) => {
    const keys = (attribute) => text.match(new RegExp(`data-${attribute}=\\\\?"([^"\\\\]*)`))?.[1].split(" ") ?? [];
    const refused = keys("refused");
    for (const item of kept().filter((one) => keys("done").includes(one.key))) {
      remove(item.item);
      if (refused.includes(item.key)) continue;
      if (item.do === "send") sentPrompt(item.values.prompt);
      if (item.do === "start") {
        remove("draft.consent"); // it was for this text, and for once
        storage((all) => all.removeItem("diptych")); // what an older page kept
      }
    }
  };

  const scene = () => find("phase")?.dataset ?? {};
  const facts = () => ({
    time: new Date().toISOString(),
    invite: new URLSearchParams(location.search).get("invite")?.slice(0, 100) ?? undefined,
    consent: scene().consent,
    moved: read("moved") ?? undefined,
    ...window.diptych.told?.(),
  });

  // What a study may ask for before somebody begins: found while the page goes on, then sent with the Start.
  let work = null;
  const withWork = async (code, then) => {
    const { challenge } = find("work").dataset;
    note("working", tr("Your browser is doing a little work that keeps robots out; this takes some seconds."));
    const solution = await window.diptych.solve(challenge, token(), code);
    note("working", "");
    work = { challenge, solution };
    return then();
  };

  let fresh = true; // until the page has been filled once
  window.diptych = {
    read,
    write,
    scene,
    tr,
    readObject: (item) => parsed(read(item)),
    setValue,
    // What each event sends: its values, under this browser's token, with a key where it is to be done once.
    pack: (what, fields, values) => {
      const given = Object.fromEntries(fields.map((field, place) => [field, values[place]]));
      delete given.token;
      delete given.client;
      if (typeof given.comment === "string") given.comment = stored(given.comment); // the rest would stop the vote beside it
      if (what === "start" && find("work") && !work)
        return withWork(given.invite?.slice(0, 100), () => window.diptych.pack(what, fields, values));
      const told = { ...facts(), ...(what === "start" ? work : null) };
      work = null;
      if (what === "next") write("moved", given.key);
      if (what === "undo") remove("moved");
      if (what === "load" || what === "confirmed") told.waiting = waiting();
      if (what === "load") {
        [told.fresh, fresh] = [fresh, false];
        for (const { key } of told.waiting) mine.add(key);
      }
      if (!SENT_ONCE.includes(what) && !what.startsWith("ask ")) told.key = keep(what, given, told);
      return fields.map((field) => ({ token: token(), client: JSON.stringify(told) })[field] ?? given[field]);
    },
  };

  // -- the way to the server --------------------------------------------------------------------------------------

  // Gradio's client takes one lost request for the end: it stops and reloads the page. So it is told of none; a request
  // that got no answer of the app (no network, silence, the words of whatever stands in front, whether 502, 403 or a login
  // page) is sent again here until it gets one. Our own refusals say so in a header.
  const SILENCE_MS = 30_000; // the app itself holds a request for 20 s
  const PAUSES_MS = [300, 700, 1500, 3000];
  const LONGEST_PAUSE_S = 60;
  const plainFetch = window.fetch.bind(window);
  let address = "";
  let underway = 0; // requests on their way that are not the timer's
  let wake = () => {};

  // The app was upgraded while this page was open: its events have other numbers now. Nothing was done; the new page does
  // what is kept.
  const OTHER_VERSION = 409;
  const ofThisPage = { "x-diptych-page": "{VERSION}" };
  const renew = () => {
    if (state.denied || memory.size) return note("upgraded", tr("This page was updated; please reload it. Your votes so far are saved; since this browser keeps nothing, a new session begins."));
    // Two apps in turns at one address; by a clock that may have been set back since.
    if (Math.abs(Date.now() - Number(read("renewed") ?? 0)) < 10_000) return;
    write("renewed", String(Date.now()));
    saveDrafts();
    keepWords();
    location.reload();
  };

  // Gradio writes the browser's language into the page, where the study may have chosen another. A page that was opened
  // before a study in another language began is still in the old one.
  const speak = () => {
    const root = document.documentElement;
    const { lang, dir } = scene();
    if (!lang) return;
    if (root.lang !== lang) root.lang = lang;
    if (root.dir !== dir) root.dir = dir;
    if (find("texts").dataset.lang !== lang) renew();
  };

  const once = async (url, options) => {
    const headers = { ...options.headers, ...ofThisPage };
    const patience = new AbortController(); // `AbortSignal.timeout` is not in browsers of before 2022
    const timer = setTimeout(() => patience.abort(), SILENCE_MS);
    const response = await plainFetch(url, { ...options, headers, signal: patience.signal });
    if (response.status === OTHER_VERSION) return renew(), null;
    const body = await response.text();
    clearTimeout(timer);
    if (response.headers.get("x-diptych")) {
      const seconds = Math.min(Number(response.headers.get("retry-after")) || 3, LONGEST_PAUSE_S);
      return { told: parsed(body).error ?? body, seconds };
    }
    note("too-long", response.status === 413 && tr("That is more text than can be sent at once; please shorten it."));
    if (response.status === 413) return new Response('{"error": "too large"}', { status: 413 });
    if (response.ok && Array.isArray(parsed(body).data))
      return new Response(body, { status: 200, headers: { "content-type": "application/json" } });
    const asked = Math.min(LONGEST_PAUSE_S, Number(response.headers.get("retry-after")) || 0);
    return { status: response.status, asked };
  };

  // A request that is kept goes out again with everything that is kept, in order: what was said later stays later.
  const withAllKept = (options) => {
    const body = parsed(options.body);
    const told = parsed(body.data?.at(-1));
    if (!told.key && !told.waiting) return options;
    const load = window.gradio_config?.dependencies.find((one) => one.targets.some(([, event]) => event === "load"));
    if (!load) return options;
    const again = { ...body, fn_index: load.id, data: [token(), JSON.stringify({ ...facts(), fresh: told.fresh, waiting: waiting() })] };
    return { ...options, body: JSON.stringify(again) };
  };

  const deliver = async (url, options) => {
    address = url;
    const counts = !options.body?.includes(`"fn_index":${timerId()},`);
    underway += counts;
    try {
      for (let attempt = 0; ; attempt++) {
        const response = await once(url, options).catch(() => null);
        const { told, seconds, status, asked = 0 } = response ?? {};
        hinder(response instanceof Response ? "" : told ?? tr("No connection to the server.") + (status ? ` (HTTP ${status})` : ""));
        if (response instanceof Response) {
          settle(await response.clone().text());
          return response;
        }
        await new Promise((resolve) => {
          wake = resolve;
          const pause = PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)];
          setTimeout(resolve, told ? seconds * 1000 : Math.max(asked * 1000, pause));
        });
        options = withAllKept(options);
      }
    } finally {
      underway -= counts;
    }
  };
  const timerId = () => window.gradio_config?.dependencies.find((one) => one.targets.some(([, event]) => event === "tick"))?.id;
  // What changes something goes out one by one, in the order of the clicks: of two at the same moment the first counts.
  let last = Promise.resolve();
  const inOrder = (url, options) => {
    const told = parsed(parsed(options.body).data?.at(-1));
    if (!told.key && !told.waiting) return deliver(url, options);
    // While it waited for its turn it may have been sent with others, or newer words have taken the place of its own.
    const isPast = () => mine.has(told.key) && !kept().some((item) => item.key === told.key);
    const response = last.then(() => deliver(url, isPast() ? withAllKept(options) : options));
    last = response.catch(() => {});
    return response;
  };
  window.fetch = (resource, options = {}) => {
    const url = String(resource?.url ?? resource);
    return url.includes("/run/predict") ? inOrder(url, options) : plainFetch(resource, options);
  };

  // What the server could not save (a full disk, a restart) it leaves unconfirmed; it is tried again by itself.
  setInterval(() => {
    if (!underway && kept().some(isMine)) find("resend")?.click();
  }, 3000);

  // The last moment of a page that is closed, or put away by a phone: the words that nothing has sent yet.
  const leave = () => {
    keepWords();
    if (!kept().length || !address) return;
    const { body } = withAllKept({ body: JSON.stringify({ session_hash: "leaving", data: [JSON.stringify({ waiting: [] })] }) });
    plainFetch(address, { method: "POST", body, keepalive: true, headers: { "content-type": "application/json", ...ofThisPage } })
      .then((response) => response.text())
      .then(settle)
      .catch(() => {});
  };
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : wake()));
  addEventListener("online", () => wake());
  addEventListener("pageshow", ({ persisted }) => {
    wake();
    if (persisted) find("resend")?.click(); // brought back as it was left, while other tabs may have gone on
  });

  // -- what the page says by itself -------------------------------------------------------------------------------

  const note = (id, text) => {
    const line = find(id);
    if (line && line.textContent !== text) line.remove();
    if (text && line?.textContent !== text && find("status")) {
      const made = Object.assign(document.createElement("p"), { id, className: "note", textContent: text });
      find("status").append(made);
    }
  };
  // Why nothing gets through at the moment: no connection, or a refusal of ours, such as a limit that says when it goes on.
  let hindered = "";
  const hinder = (why) => {
    hindered = why;
    note("unreachable", why && `${why} ${tr("What you typed and chose is kept in this browser and sent as soon as it can be.")}`);
  };
  const warn = () => {
    storage((all) => all.length);
    note("nothing-kept", (state.denied || memory.has("token")) && scene().phase && scene().phase !== "thanks" &&
      tr("This browser keeps nothing for this page (cookies or storage are blocked): a reload would begin a new session."));
    note("storage-full", state.full && !state.denied && kept().length > 0 &&
      tr("This browser's storage for this site is full: please leave this page open until everything is sent."));
    note("older", scene().phase === "welcome" && storage((all) => all.getItem("diptych")) &&
      tr("This page was updated. A session that was begun before that cannot go on here; its votes are saved."));
    note("long-comment", spoken() && stored(valueOf("comment")) !== (valueOf("comment") ?? "") &&
      tr("That is more text than can be sent at once; please shorten it."));
    if (hindered) hinder(hindered);
  };

  // -- drafts -----------------------------------------------------------------------------------------------------

  const BOXES = {
    prompt: "#prompt textarea", comment: "#comment textarea", invite: "#invite textarea, #invite input",
    consent: "#consent input", reasons: "#reasons input", first: "#background-1 input", second: "#background-2 input",
  };
  const boxes = (field) => [...document.querySelectorAll(BOXES[field])];
  const label = (box) => box.closest("label")?.textContent.trim() ?? "";
  // What a choice says to the server: in another language than the study's its label is a translation, and Gradio shows
  // the study's own word as a tooltip, which the label takes the place of.
  const choice = (box) => {
    if (box.title && box.title !== label(box)) [box.dataset.choice, box.title] = [box.title, label(box)];
    return box.dataset.choice ?? label(box);
  };
  const valueOf = (field) => {
    const [first, ...more] = boxes(field);
    if (!first) return undefined;
    if (!["checkbox", "radio"].includes(first.type)) return first.value;
    return field === "consent" ? first.checked : [first, ...more].filter((box) => box.checked).map(choice);
  };
  // What a draft belongs to: a question to a state of the page, words to a round, the rest to a consent's version.
  const scope = (field) => {
    const { phase, key } = scene();
    if (field === "prompt") return ["ask", "vote"].includes(phase) ? `${phase}:${key}` : null;
    if (["comment", "reasons"].includes(field)) return ["vote", "voted"].includes(phase) ? `round:${key}` : null;
    return phase === "welcome" ? `welcome:${scene().consent}` : null;
  };
  const fill = (field, value) => {
    for (const box of boxes(field))
      if (!["checkbox", "radio"].includes(box.type)) {
        if (box.value !== value) setValue(box, value);
      } else if (box.checked !== (field === "consent" ? value : value.includes(choice(box)))) box.click();
  };
  const { save: saveDrafts, restore: restoreDrafts } = drafts({ fields: Object.keys(BOXES), boxes, scope, valueOf, fill });
  const sentPrompt = (text) => {
    const draft = parsed(read("draft.prompt"));
    if (draft.value === text) remove("draft.prompt");
  };

  // Words beside answers go to the server when the tester pauses, leaves the box or leaves the page.
  const LONGEST_COMMENT = 2000; // characters that are stored (feedback/rules.py)
  const stored = (text = "") => [...text.slice(0, 2 * LONGEST_COMMENT)].slice(0, LONGEST_COMMENT).join("");
  let words = ""; // those that were kept last
  const spoken = () => {
    const [key, reasons, comment] = [scene().key, valueOf("reasons") ?? [], stored(valueOf("comment"))];
    return ["vote", "voted"].includes(scene().phase) ? { key, reasons, comment } : null;
  };
  const changed = () => {
    const now = spoken();
    if (!now || JSON.stringify(now) === words) return null;
    const said = now.comment.trim() || now.reasons.length || words.startsWith(`{"key":"${now.key}"`);
    words = JSON.stringify(now);
    return said ? now : null;
  };
  const keepWords = () => {
    const now = changed();
    if (now) keep("remark", now, facts());
  };
  let pause = 0;
  const PAUSE_MS = 2500;
  const sendWords = () => {
    clearTimeout(pause);
    if (changed()) find("keep")?.click();
  };
  addEventListener("input", () => {
    saveDrafts();
    warn();
    clearTimeout(pause);
    pause = setTimeout(sendWords, PAUSE_MS);
  });
  // What is written in one tab stands in the others, so that a vote given there does not leave it out.
  addEventListener("storage", ({ key }) => {
    if (key === name("token")) held = ""; // another tab has forgotten it
    const field = Object.keys(BOXES).find((one) => key === name(`draft.${one}`));
    const [box] = field ? boxes(field) : [];
    const draft = field ? parsed(read(`draft.${field}`)) : {};
    if (box && box !== document.activeElement && draft.of === scope(field) && draft.value !== undefined) fill(field, draft.value);
  });
  addEventListener("change", (event) => {
    saveDrafts();
    if (event.target.closest("#comment")) sendWords();
  });

  const forget = () => {
    held = "";
    for (const item of kept()) remove(item.item);
    for (const item of ["token", "moved", "seen", ...Object.keys(BOXES).map((field) => `draft.${field}`)]) remove(item);
    words = "";
  };

  // Nobody is known here by this token: what was kept of rounds is of another database, whose rounds had the same numbers.
  let before;
  const forgetRounds = () => {
    const { phase } = scene();
    if (phase === "welcome" && before !== phase) for (const item of ["moved", "seen", "draft.comment", "draft.reasons"]) remove(item);
    before = phase;
  };

  new MutationObserver(() => {
    if (document.querySelector("[data-forget]") && read("token")) forget();
    forgetRounds();
    speak();
    document.querySelectorAll("#reasons input").forEach(choice);
    warn();
    restoreDrafts();
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
