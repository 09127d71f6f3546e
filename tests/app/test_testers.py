"""The testers' page in a real browser, served by the real app.

The twelve things that a blind test must hold, and where each is checked (here unless a file is named):

 1. nothing sent before the vote names a model: `test_nothing_that_the_browser_receives_tells_the_sides` in
    tests/app/test_blindness.py
 2. one slow engine is not seen: `test_the_panes_grow_in_lock_step_though_one_engine_is_slow` there
 3. one vote, however it is clicked or sent: `test_a_double_click_a_then_b_and_a_replay_leave_one_vote` in
    tests/app/test_votes_kept.py
 4. raw calls for rounds that are unfinished, failed, foreign or voted: tests/app/test_raw_requests.py
 5. reload and restart: `test_reload_in_mid_answer_resumes_the_same_round`, `test_reload_in_mid_replay_...`,
    `test_a_kill_loses_no_vote_...` in tests/app/test_votes_kept.py
 6. `kill -9` after "Saved": `test_a_kill_loses_no_vote_and_a_restart_resumes_the_round` there
 7. an engine that dies: `test_a_model_that_dies_gives_one_neutral_error_no_vote_and_a_retry` in
    tests/app/test_blindness.py
 8. stop: `test_stop_ends_both_within_two_seconds_and_is_stored`
 9. 200 rounds in balance: `test_two_hundred_rounds_...` in tests/feedback/test_assignment.py
10. a tie is not both bad, corrections keep the old row: `test_a_tie_is_never_both_bad` in
    tests/feedback/test_blind_test.py, `test_undo_keeps_the_old_row` in tests/app/test_votes_kept.py
11. a phone in the dark by keyboard, axe-core: `test_a_phone_in_the_dark_by_keyboard_alone`,
    tests/app/test_accessibility.py
12. no network, five testers: `test_five_testers_without_a_network_vote_at_once_while_both_models_write`
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.app.chat_server import ANSWER, ChatServer
from tests.app.serving import App, wait_until
from tests.app.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


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
    page.wait_for_function("document.activeElement.id === 'confirm-no'")  # so the question is in sight
    page.click("#confirm-no")
    page.wait_for_function("document.activeElement.id === 'withdraw'")
    page.click("#withdraw")
    page.click("#confirm-yes")
    page.wait_for_selector("text=Your data has been deleted")
    assert page.locator("#start").count() == 0
    page.click("text=Back to the start")
    page.wait_for_selector("#start")
    assert app.rows("SELECT closed_why FROM testers WHERE id = ?", tester) == [("withdrawn",)]
    assert app.rows("SELECT COUNT(*) FROM votes WHERE tester_id = ?", tester) == [(0,)]
    assert visitor.problems == []


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


def test_five_testers_without_a_network_vote_at_once_while_both_models_write(
    browser: Browser, app: App, chat_server: ChatServer
) -> None:
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
            visitor.type("[hold] Who painted Guernica?")
            visitor.page.wait_for_selector(".writing", state="attached")
        assert sorted(milliseconds)[2] < 300, milliseconds
        assert cut == [], "nothing was asked of another host"
        assert app.rows("SELECT COUNT(*) FROM turns WHERE status = 'pending'")[0][0] >= 2, "the models were writing"
        chat_server.gate.set()


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


def test_markup_of_models_and_testers_is_shown_as_text(visitor: Visitor) -> None:
    visitor.consent()
    visitor.page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    foreign: list[str] = []
    visitor.page.on("request", lambda request: foreign.append(request.url) if visitor.url not in request.url else None)
    visitor.ask("[markup] <script>alert(2)</script><h1>big</h1> ![x](https://example.org/x.png) 🎨 \u202eback")
    text = visitor.page.inner_text("#diptych")
    assert "<b>bold</b> <img src=x onerror=alert(1)> ${7*7} {{this}} **strong** & done" in text
    assert visitor.page.locator("#diptych img, #question script").count() == 0
    assert "<h1>big</h1> ![x](https://example.org/x.png) 🎨" in visitor.page.inner_text("#question")
    assert foreign == [], "no image is fetched"


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
        drawn = app.rows("SELECT first_side FROM battles ORDER BY id DESC LIMIT 1")[0][0]  # which is shown first
        other, pane = {"left": ("right", "b"), "right": ("left", "a")}[drawn]
        assert page.is_visible(f"#answer-{drawn}")
        assert not page.is_visible(f"#answer-{other}")
        page.wait_for_selector(".switch [aria-pressed=true]:not([data-unread])")  # it was looked at for long enough
        _press_until(page, f".switch [data-pane={pane}]")
        page.keyboard.press("Enter")
        assert page.is_visible(f"#answer-{other}")
        page.wait_for_selector(f".switch [data-pane={pane}]:not([data-unread])")
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
