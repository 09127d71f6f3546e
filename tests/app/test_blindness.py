"""Nothing on the page tells which model wrote which answer: not its bytes, its time, its words or its failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.blindness import run
from benchmarks.blindness_statistics import judge
from tests.app.chat_server import ANSWER, MODEL, ChatServer
from tests.app.serving import App, wait_until
from tests.app.visitor import Visitor
from tests.app.wiretap import Wiretap

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_nothing_that_the_browser_receives_tells_the_sides(
    browser: Browser, app: App, gguf: Path, chat_server: ChatServer
) -> None:
    """Every byte up to the vote: page, `/config`, `/info`, event streams, headers, cookies; and what is stored."""
    wire = Wiretap(app.port)
    secrets = [
        "model1",
        "model2",
        "Model 1",
        "Model 2",
        "left_model",
        gguf.name,
        str(gguf),
        MODEL,
        chat_server.base_url,
    ]
    foreign: list[str] = []
    with Visitor(browser, "about:blank") as visitor:
        page = visitor.page
        page.on("request", lambda request: foreign.append(request.url) if wire.url not in request.url else None)
        page.goto(wire.url)
        visitor.consent()
        visitor.ask("What is Impressionism?")
        visitor.ask("[name] And who began it?")
        visitor.vote("right")
        for path in ("config", "gradio_api/info", "gradio_api/startup-events"):
            page.evaluate("path => fetch(path).then((response) => response.text())", path)
        kept = json.dumps([page.evaluate("({...localStorage, ...sessionStorage})"), visitor.context.cookies()])
        assert ANSWER[-30:] in wire.received, "the wire carries the answers"
        everything = wire.received + kept + page.content()
        assert [secret for secret in secrets if secret in everything] == []
        assert foreign == [], "no request leaves the app"
        page.click("#finish")
        page.click("#confirm-yes")
        page.click("#guess-unknown")
        page.wait_for_selector("#thanks")
        assert "Model 1" in wire.received, "the reveal shows what the wire would have carried"
        assert "million parameters" in page.inner_text("#thanks"), "and this study shows a card of each model"
        assert str(gguf.parent) not in wire.received, "but not where they lie"
    wire.close()


def test_the_panes_grow_in_lock_step_though_one_engine_is_slow(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url, reduced_motion="no-preference") as visitor:
        visitor.consent()
        visitor.page.evaluate(_WATCH)
        visitor.ask("[slow] What is Impressionism?")
        seen = visitor.page.evaluate("window.seen")
        whole = [len(answer.split()) for answer in visitor.answers()]
        visitor.page.evaluate(_HURRY)
        visitor.type("And who began it?")
        assert visitor.page.evaluate("window.hurried") == [False, True], "no vote before both are readable"
        visitor.wait_for_vote()
        assert ANSWER in visitor.answers()
        assert app.rows("SELECT status FROM battles ORDER BY id DESC LIMIT 1") == [("open",)]
    sql = "SELECT seconds FROM answers WHERE turn_id = (SELECT MIN(id) FROM turns WHERE battle_id = ?) ORDER BY model"
    [[quick], [slow]] = app.rows(sql, app.rows("SELECT MAX(id) FROM battles")[0][0])
    assert slow > 2, "the second model was held back"
    assert quick < slow
    changes = [[(when, count) for when, *counts in seen if (count := counts[side])] for side in (0, 1)]
    for first_or_last in (0, -1):
        left, right = (side[first_or_last][0] for side in changes)
        assert abs(left - right) < 100, "both begin and end at once"
    assert len(seen) > 10, "and grow in between"
    for _, *counts in seen:
        steps = [{k for k in range(37) if -(-k * n // 36) == shown} for shown, n in zip(counts, whole, strict=True)]
        assert set.intersection(*steps), "in equal steps"


_HURRY = """() => {
  const seen = (id) => document.getElementById(id)?.checkVisibility();
  window.hurried = new Promise((done) => {
    const look = setInterval(() => {
      if (document.documentElement.dataset.phase !== "replay") return;
      clearInterval(look);
      document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "1", bubbles: true}));
      done([seen("votes"), seen("show-all")]);
      document.getElementById("show-all").click();
    }, 20);
  });
}"""


_WATCH = """
window.seen = [];
new MutationObserver(() => {
  const words = ["left", "right"].map((side) =>
    (document.querySelector(`#answer-${side} .answer`)?.textContent.match(/\\S+/g) ?? []).length);
  if (String(words) !== window.words) window.seen.push([performance.now(), ...words]);
  window.words = String(words);
}).observe(document.body, {childList: true, subtree: true, characterData: true});
"""


def test_a_model_that_dies_gives_one_neutral_error_no_vote_and_a_retry(visitor: Visitor, app: App) -> None:
    visitor.consent()
    visitor.type("[die] What is Impressionism?")
    visitor.page.wait_for_selector("#retry", timeout=120_000)
    assert "Something went wrong" in visitor.status
    assert visitor.page.inner_text("#answer-left").replace("A", "") == visitor.page.inner_text("#answer-right").replace(
        "B", ""
    )
    assert visitor.page.locator("#vote-left").count() == 0
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    failures = "SELECT model FROM failures JOIN turns ON turns.id = turn_id WHERE battle_id = ?"
    assert app.rows(failures, battle) == [("model2",)]
    assert app.rows("SELECT COUNT(*) FROM votes WHERE battle_id = ?", battle) == [(0,)]
    log = app.log.read_text(encoding="utf-8")
    assert "model2 failed" in log
    assert "Impressionism" not in log, "the log has no words of testers or of models"
    visitor.page.click("#retry")
    attempts = "SELECT attempt, status FROM turns WHERE battle_id = ?"
    wait_until(lambda: app.rows(attempts, battle) == [(1, "failed"), (2, "failed")])
    visitor.page.wait_for_selector("#retry")
    visitor.page.click("#other-question")
    visitor.page.wait_for_selector("#suggestions .chip")
    assert app.rows("SELECT status FROM battles WHERE id = ?", battle) == [("abandoned",)]
    visitor.ask("What is Impressionism?")
    visitor.vote("left")


def test_a_model_that_names_itself_is_flagged_not_changed(visitor: Visitor, app: App) -> None:
    visitor.consent()
    visitor.ask("[name] Hello!")
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    sql = (
        "SELECT text, leak_flag FROM answers JOIN turns ON turns.id = turn_id WHERE battle_id = ? AND model = 'model2'"
    )
    assert app.rows(sql, battle) == [("Hello, I am SmolLM, a model trained by Hugging Face.", 1)]


def test_an_attacker_who_polls_everything_guesses_no_better_than_chance() -> None:
    """The short form of benchmarks/blindness.py. Its draws are seeded, what it times is not: level 0.1%.

    That is, of a thousand runs of a blind app one fails by chance; counting each answer as it ends, or ranking the
    suggestions by the side that is due, gives p-values far below a millionth.
    """
    found = run(rounds=60, seed=13)
    verdict = judge([one for rounds in found.values() for one in rounds], seed=13)
    assert verdict.rounds == 60
    assert len(verdict.p_values) >= 10, "there is something to be seen"
    assert "suggestions against known sides" in verdict.p_values, "the suggestions among it"
    assert verdict.leaks(0.001) == []
    assert verdict.p_classifier > 0.001
