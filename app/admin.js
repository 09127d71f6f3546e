// On /admin: an open page whose login has ended says so, instead of going on with what it showed last.
(() => {
  const CHECK_MS = 60_000;
  const fetched = window.fetch;

  const say = () => {
    if (document.getElementById("ended")) return;
    const note = document.createElement("div");
    note.id = "ended";
    note.setAttribute("role", "alert");
    note.innerHTML = 'Your login has ended; what this page shows is out of date. <a href="login">Log in again</a>';
    document.body.prepend(note);
  };

  window.fetch = async (...asked) => {
    const answer = await fetched(...asked);
    if (answer.status === 401) say();
    return answer;
  };

  let timer = 0;
  const look = async () => {
    clearTimeout(timer);
    let left = CHECK_MS;
    try {
      const answer = await window.fetch("session", { cache: "no-store" });
      if (answer.ok) left = Math.min(left, 1000 * (await answer.json()).seconds + 1000);
    } catch {} // the network is away; the next look tells
    timer = setTimeout(look, left);
  };
  addEventListener("visibilitychange", () => document.hidden || look());
  addEventListener("pageshow", look);
})();
