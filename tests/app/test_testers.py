"""The testers' page in a real browser, served by the real app.

The twelve things that a blind test must hold, and where each is checked (here unless a file is named):

 1. nothing sent before the vote names a model: `test_nothing_that_the_browser_receives_tells_the_sides`
 2. one slow engine is not seen: `test_the_panes_grow_in_lock_step_though_one_engine_is_slow`
 3. one vote, however it is clicked or sent: `test_a_double_click_a_then_b_and_a_replay_leave_one_vote`
 4. raw calls for rounds that are unfinished, failed, foreign or voted: tests/app/test_raw_requests.py
 5. reload and restart: `test_reload_in_mid_answer_resumes_the_same_round`, `test_a_kill_loses_no_vote_...`
 6. `kill -9` after "Saved": `test_a_kill_loses_no_vote_and_a_restart_resumes_the_round`
 7. an engine that dies: `test_a_model_that_dies_gives_one_neutral_error_no_vote_and_a_retry`
 8. stop: `test_stop_ends_both_within_two_seconds_and_is_stored`
 9. 200 rounds in balance: `test_two_hundred_rounds_...` in tests/feedback/test_assignment.py
10. a tie is not both bad, corrections keep the old row: `test_a_tie_is_never_both_bad` in
    tests/feedback/test_blind_test.py, `test_undo_keeps_the_old_row`
11. a phone in the dark by keyboard, axe-core: `test_a_phone_in_the_dark_by_keyboard_alone`,
    tests/app/test_accessibility.py
12. no network, five testers: `test_five_testers_without_a_network_vote_at_once_while_both_models_write`
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.app.chat_server import ANSWER, MODEL, ChatServer
from tests.app.serving import App, wait_until
from tests.app.visitor import Visitor
from tests.app.wiretap import Wiretap

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request


def test_a_whole_session_from_consent_to_thanks(visitor: Visitor, app: App) -> None:
    page = visitor.page
    page.click("#start")
    visitor.wait_for_status("Please tick the box first")
    assert app.rows("SELECT COUNT(*) FROM testers WHERE consent_version <> '1'") == [(0,)]
    before = app.rows("SELECT COUNT(*) FROM testers")[0][0]
    visitor.consent()
    assert app.rows("SELECT COUNT(*) FROM testers")[0][0] == before + 1
    page.click("#suggestions .chip >> nth=0")
    question = page.input_value("#prompt textarea")
    page.click("#send")
    visitor.wait_for_vote()
    left, right = visitor.answers()
    assert left
    assert right
    assert ANSWER in (left, right)
    page.check("#reasons input >> nth=0")
    visitor.vote("left")
    assert visitor.status == "Saved: A is better."
    assert "1 of 2" in page.inner_text("#progress")
    [battle] = app.rows("SELECT MAX(id) FROM battles")[0]
    sql = "SELECT choice, reasons, prompts.text, prompts.position IS NOT NULL, vote_seconds > 0 FROM votes JOIN prompts"
    vote = app.rows(f"{sql} ON prompts.id = votes.prompt_id WHERE battle_id = ? AND superseded = 0", battle)
    assert vote == [("left", '["Clearer"]', question, 1, 1)]
    page.click("#next-round")
    page.wait_for_selector("#suggestions .chip")
    assert question not in page.inner_text("#suggestions"), "a question is not suggested twice"
    visitor.ask("My own question about paint?")
    visitor.vote("both-bad")
    page.fill("#comment textarea", "Neither said anything.")
    page.click("#next-round")
    page.wait_for_selector("#guess-unknown")
    tester = app.rows("SELECT tester_id FROM battles WHERE id = ?", battle)[0][0]
    assert app.rows("SELECT closed_why FROM testers WHERE id = ?", tester) == [("quota",)]
    page.click("#guess-left")
    page.wait_for_selector("#thanks")
    assert "You voted on all 2 rounds." in page.inner_text("#thanks")
    comment = "SELECT choice, comment FROM votes WHERE tester_id = ? AND superseded = 0 ORDER BY id DESC LIMIT 1"
    assert app.rows(comment, tester) == [("both_bad", "Neither said anything.")], "written after the vote"
    assert app.rows("SELECT answer FROM guesses WHERE tester_id = ?", tester) == [("left_last",)]
    last = app.rows("SELECT left_model FROM battles WHERE tester_id = ? ORDER BY id DESC", tester)[0][0]
    right_or_wrong = "right" if last == "model1" else "wrong"
    assert f"Your guess was {right_or_wrong}." in page.inner_text("#thanks")
    page.reload()
    page.wait_for_selector("#thanks")
    page.click("#withdraw")
    page.click("#confirm-yes")
    page.wait_for_selector("#start")
    assert app.rows("SELECT closed_why FROM testers WHERE id = ?", tester) == [("withdrawn",)]
    assert app.rows("SELECT COUNT(*) FROM votes WHERE tester_id = ?", tester) == [(0,)]
    assert visitor.problems == []


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
    wire.close()


def test_the_panes_grow_in_lock_step_though_one_engine_is_slow(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url, reduced_motion="no-preference") as visitor:
        visitor.consent()
        visitor.page.evaluate(_WATCH)
        visitor.ask("[slow] What is Impressionism?")
        seen = visitor.page.evaluate("window.seen")
    sql = "SELECT seconds FROM answers WHERE turn_id = (SELECT MAX(id) FROM turns) ORDER BY model"
    [[quick], [slow]] = app.rows(sql)
    assert slow > 2, "the second model was held back"
    assert quick < slow
    left, right = seen["answer-left"], seen["answer-right"]
    assert len(left) > 10
    assert len(right) > 10
    assert abs(left[0] - right[0]) < 100, "both begin at once"
    assert abs(left[-1] - right[-1]) < 100, "both end at once"


_WATCH = """
window.seen = {"answer-left": [], "answer-right": []};
new MutationObserver(() => {
  for (const id of Object.keys(window.seen)) {
    const text = [...document.querySelectorAll(`#${id} .answer`)].map((e) => e.className + e.textContent).join();
    if (text && window["last" + id] !== text) { window["last" + id] = text; window.seen[id].push(performance.now()); }
  }
}).observe(document.body, {childList: true, subtree: true, characterData: true});
"""


def test_a_double_click_a_then_b_and_a_replay_leave_one_vote(visitor: Visitor, app: App) -> None:
    visitor.consent()
    visitor.ask("What is Impressionism?")
    sent: list[Request] = []
    visitor.page.on("request", lambda request: sent.append(request))
    visitor.page.evaluate(
        """() => { const a = document.getElementById('vote-left'), b = document.getElementById('vote-right');
                   a.click(); a.click(); setTimeout(() => b.click(), 30); }"""
    )
    visitor.page.wait_for_selector("#next-round")
    time.sleep(0.5)
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    votes = [request for request in sent if "/run/predict" in request.url]
    assert votes, "the vote went over the wire"
    for request in votes * 2:
        again = httpx.post(request.url, content=request.post_data_buffer, headers={"Content-Type": "application/json"})
        assert again.status_code == 200
    assert app.rows("SELECT choice, superseded FROM votes WHERE battle_id = ?", battle) == [("left", 0)]
    assert visitor.status == "Saved: A is better."


def test_a_locked_database_is_told_and_the_vote_is_kept_and_sent_again(visitor: Visitor, app: App) -> None:
    visitor.consent()
    visitor.ask("What is Impressionism?")
    visitor.page.check("#reasons input >> nth=1")
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    with closing(sqlite3.connect(app.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        visitor.page.click("#vote-right")
        visitor.wait_for_status("Your vote is kept on this page")
        other.execute("ROLLBACK")
    visitor.page.wait_for_selector("#next-round")
    votes = app.rows("SELECT choice, reasons, superseded FROM votes WHERE battle_id = ?", battle)
    assert votes == [("right", '["More accurate"]', 0)]
    assert visitor.status == "Saved: B is better."


def test_the_second_question_is_saved_with_the_vote(visitor: Visitor, app: App) -> None:
    visitor.consent()
    visitor.ask("What is Impressionism?")
    assert visitor.page.locator("#good-enough").count() == 0, "it comes after the vote"
    visitor.vote("left")
    visitor.page.check("#good-enough input >> nth=1")
    visitor.wait_for_status("Not good enough")
    visitor.page.reload()
    visitor.page.wait_for_selector("#good-enough input >> nth=1")
    assert visitor.page.is_checked("#good-enough input >> nth=1")
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    votes = app.rows("SELECT choice, good_enough, superseded FROM votes WHERE battle_id = ? ORDER BY id", battle)
    assert votes == [("left", None, 1), ("left", 0, 0)]
    visitor.page.click("#undo-vote")
    visitor.wait_for_vote()
    visitor.vote("both-bad")
    assert visitor.page.locator("#good-enough").count() == 0, "neither is"


def test_five_testers_without_a_network_vote_at_once_while_both_models_write(browser: Browser, app: App) -> None:
    with ExitStack() as stack:
        visitors = [stack.enter_context(Visitor(browser, "about:blank")) for _ in range(5)]
        cut: list[str] = []
        for visitor in visitors:
            visitor.context.route(
                lambda url: not url.startswith(app.url), lambda route: (cut.append(route.request.url), route.abort())
            )
            visitor.page.goto(app.url)
            visitor.consent()
            visitor.type("What is Impressionism?")
        for visitor in visitors:
            visitor.wait_for_vote()
        milliseconds = []
        for visitor in visitors:
            with visitor.page.expect_response("**/run/predict*") as response:
                visitor.page.click("#vote-left")
            response.value.finished()
            milliseconds.append(response.value.request.timing["responseEnd"])
            visitor.page.click("#next-round")
            visitor.page.wait_for_selector("#suggestions .chip")
            visitor.type("[slow] Who painted Guernica?")
            visitor.page.wait_for_selector(".writing", state="attached")
        assert sorted(milliseconds)[2] < 300, milliseconds
        assert cut == [], "nothing was asked of another host"
        assert app.rows("SELECT COUNT(*) FROM turns WHERE status = 'pending'")[0][0] >= 2, "the models were writing"


def test_undo_keeps_the_old_row(visitor: Visitor, app: App) -> None:
    visitor.consent()
    visitor.ask("What is Impressionism?")
    visitor.vote("tie")
    visitor.page.click("#undo-vote")
    visitor.wait_for_vote()
    visitor.vote("right")
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    votes = app.rows("SELECT choice, superseded FROM votes WHERE battle_id = ? ORDER BY id", battle)
    assert votes == [("tie", 1), ("right", 0)]


def test_keys_vote_only_on_readable_answers_and_not_while_typing(
    visitor: Visitor, app: App, chat_server: ChatServer
) -> None:
    visitor.consent()
    page = visitor.page
    page.fill("#prompt textarea", "[hold] What is 1")
    page.press("#prompt textarea", "2")
    assert page.input_value("#prompt textarea") == "[hold] What is 12"
    page.press("#prompt textarea", "Enter")
    page.wait_for_selector(".writing", state="attached")
    page.keyboard.press("1")
    chat_server.gate.set()
    visitor.wait_for_vote()
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    assert app.rows("SELECT COUNT(*) FROM votes WHERE battle_id = ?", battle) == [(0,)]
    page.focus("#comment textarea")
    page.keyboard.press("4")
    assert page.input_value("#comment textarea") == "4"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("4")
    page.wait_for_selector("#next-round")
    assert app.rows("SELECT choice FROM votes WHERE battle_id = ?", battle) == [("right",)]
    page.wait_for_function("document.activeElement.id === 'next-round'")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement === document.querySelector('#prompt textarea')")


def test_follow_ups_end_with_the_room(visitor: Visitor, app: App) -> None:
    visitor.consent()
    visitor.ask("What is Impressionism?")
    assert "1 left" in visitor.page.inner_text("#composer")
    visitor.ask("And who began it?")
    assert visitor.page.locator("#answer-left .answer").count() == 2
    assert visitor.page.locator("#prompt").count() == 0, "two questions a round, and both are asked"
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    assert app.rows("SELECT number, status FROM turns WHERE battle_id = ?", battle) == [
        (1, "complete"),
        (2, "complete"),
    ]


@pytest.mark.parametrize(
    ("text", "told"), [("   ", "empty"), ("\u200b\u202e \u200d", "empty"), ("x" * 20_000, "20,000")]
)
def test_a_blank_or_endless_question_is_refused_and_kept(visitor: Visitor, app: App, text: str, told: str) -> None:
    visitor.consent()
    battles = app.rows("SELECT COUNT(*) FROM battles")
    visitor.type(text)
    visitor.wait_for_status(told)
    assert len(visitor.status.splitlines()) == 1
    assert visitor.page.input_value("#prompt textarea") == text
    assert app.rows("SELECT COUNT(*) FROM battles") == battles


def test_a_model_that_dies_gives_one_neutral_error_no_vote_and_a_retry(visitor: Visitor, app: App) -> None:
    visitor.consent()
    visitor.type("[die] What is Impressionism?")
    visitor.page.wait_for_selector("#retry", timeout=30_000)
    assert "Something went wrong" in visitor.status
    assert visitor.page.inner_text("#answer-left").replace("A", "") == visitor.page.inner_text("#answer-right").replace(
        "B", ""
    )
    assert visitor.page.locator("#vote-left").count() == 0
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    failures = "SELECT model FROM failures JOIN turns ON turns.id = turn_id WHERE battle_id = ?"
    assert app.rows(failures, battle) == [("model2",)]
    assert app.rows("SELECT COUNT(*) FROM votes WHERE battle_id = ?", battle) == [(0,)]
    visitor.page.click("#retry")
    attempts = "SELECT attempt, status FROM turns WHERE battle_id = ?"
    wait_until(lambda: app.rows(attempts, battle) == [(1, "failed"), (2, "failed")])
    visitor.page.wait_for_selector("#retry")
    visitor.page.click("#other-question")
    visitor.page.wait_for_selector("#suggestions .chip")
    assert app.rows("SELECT status FROM battles WHERE id = ?", battle) == [("abandoned",)]
    visitor.ask("What is Impressionism?")
    visitor.vote("left")


def test_stop_ends_both_within_two_seconds_and_is_stored(visitor: Visitor, app: App, chat_server: ChatServer) -> None:
    visitor.consent()
    visitor.type("[hold] Tell me everything.")
    visitor.page.wait_for_selector("#stop")
    time.sleep(0.5)
    started = time.monotonic()
    visitor.page.evaluate("document.getElementById('stop').click()")
    visitor.page.wait_for_selector("#retry")
    assert time.monotonic() - started < 2
    assert "Stopped" in visitor.status
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    assert app.rows("SELECT status FROM turns WHERE battle_id = ?", battle) == [("cancelled",)]
    stopped = "SELECT DISTINCT stopped FROM answers JOIN turns ON turns.id = turn_id WHERE battle_id = ?"
    assert app.rows(stopped, battle) == [("cancelled",)]
    wait_until(lambda: chat_server.streaming == 0, 2)  # the model's server has been told


def test_reload_in_mid_answer_resumes_the_same_round(visitor: Visitor, app: App, chat_server: ChatServer) -> None:
    visitor.consent()
    visitor.type("[hold] Tell me everything.")
    visitor.page.wait_for_selector("#stop")
    before = app.rows("SELECT id, left_model FROM battles ORDER BY id DESC LIMIT 1")
    visitor.page.reload()
    visitor.page.wait_for_selector("#stop")
    assert ANSWER[:10] not in visitor.page.inner_text("#diptych"), "nothing is shown before both are ready"
    chat_server.gate.set()
    visitor.wait_for_vote()
    assert ANSWER in visitor.page.inner_text("#diptych")
    assert app.rows("SELECT id, left_model FROM battles ORDER BY id DESC LIMIT 1") == before
    visitor.vote("tie")


def test_a_second_tab_that_is_out_of_date_cannot_act_on_another_round(visitor: Visitor, app: App) -> None:
    visitor.consent()
    asking = visitor.open()
    asking.wait_for_selector("#prompt textarea")
    visitor.ask("What is Impressionism?")
    voting = visitor.open()
    voting.wait_for_selector("#vote-left")
    asking.fill("#prompt textarea", "Another question?")
    asking.click("#send")
    asking.wait_for_selector("#vote-left")
    assert "This page showed another round" in asking.inner_text("#status")
    visitor.vote("left")
    visitor.page.click("#next-round")
    visitor.page.wait_for_selector("#suggestions .chip")
    visitor.ask("Who painted Guernica?")
    voting.click("#vote-right")
    voting.wait_for_function("document.querySelector('#question').innerText.includes('Guernica')")
    tester = app.rows("SELECT tester_id FROM battles ORDER BY id DESC LIMIT 1")[0][0]
    assert app.rows("SELECT choice FROM votes WHERE tester_id = ?", tester) == [("left",)]


def test_a_model_that_names_itself_is_flagged_not_changed(visitor: Visitor, app: App) -> None:
    visitor.consent()
    visitor.ask("[name] Hello!")
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    sql = (
        "SELECT text, leak_flag FROM answers JOIN turns ON turns.id = turn_id WHERE battle_id = ? AND model = 'model2'"
    )
    assert app.rows(sql, battle) == [("Hello, I am SmolLM, a model trained by Hugging Face.", 1)]


def test_markup_of_models_and_testers_is_shown_as_text(visitor: Visitor) -> None:
    visitor.consent()
    visitor.page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    visitor.ask("[markup] <script>alert(2)</script><h1>big</h1>")
    text = visitor.page.inner_text("#diptych")
    assert "<b>bold</b> <img src=x onerror=alert(1)> ${7*7} {{this}} strong & done" in text
    assert visitor.page.locator("#diptych img, #question script").count() == 0
    assert "<h1>big</h1>" in visitor.page.inner_text("#question")


def test_a_kill_loses_no_vote_and_a_restart_resumes_the_round(
    browser: Browser, tmp_path: Path, chat_server: ChatServer
) -> None:
    running = App(tmp_path, chat_server.spec, chat_server.spec, reveal="vote").start()
    try:
        with Visitor(browser, running.url) as voter, Visitor(browser, running.url) as asker:
            asker.consent()
            voter.consent()
            voter.ask("What is Impressionism?")
            asker.type("[hold] Tell me everything.")
            asker.page.wait_for_selector("#stop")
            voter.vote("left")
            running.kill()
            assert running.rows("SELECT choice FROM votes") == [("left",)]
            sides = running.rows("SELECT id, left_model FROM battles ORDER BY id")
            running.start()
            chat_server.gate.set()
            asker.page = asker.open()
            asker.page.click("#retry")
            asker.wait_for_vote()
            assert running.rows("SELECT id, left_model FROM battles ORDER BY id") == sides
            attempts = running.rows("SELECT attempt, status FROM turns WHERE battle_id = ?", sides[-1][0])
            assert attempts == [(1, "failed"), (2, "complete")]
            voter.page = voter.open()
            voter.page.wait_for_selector("#next-round")
            assert voter.status == "Saved: A is better."
            voter.page.click("#reveal")  # this study shows the models after each vote
            voter.wait_for_status("A was Model")
            assert voter.page.locator("#undo-vote").count() == 0, "and then the vote stays"
    finally:
        running.stop()


def test_a_phone_in_the_dark_by_keyboard_alone(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url, viewport={"width": 375, "height": 700}, color_scheme="dark") as visitor:
        page = visitor.page
        page.wait_for_selector("#start")
        _press_until(page, "#consent input")
        page.keyboard.press("Space")
        _press_until(page, "#start")
        page.keyboard.press("Enter")
        page.wait_for_selector("#prompt textarea")
        _press_until(page, "#prompt textarea")
        page.keyboard.type("What is Impressionism?")
        page.keyboard.press("Enter")
        visitor.wait_for_vote()
        assert page.is_visible("#answer-left")
        assert not page.is_visible("#answer-right")
        _press_until(page, ".switch [data-pane=b]")
        page.keyboard.press("Enter")
        assert page.is_visible("#answer-right")
        box = page.locator("#votes").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 700, "the votes are in sight without scrolling"
        page.keyboard.press("1")
        page.wait_for_selector("#next-round")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 19, 25)"


def _press_until(page: Page, selector: str) -> None:
    """Tab to an element."""
    for _ in range(40):
        if page.evaluate("selector => document.activeElement?.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached with the Tab key")
