"""No vote is lost, counted twice or given to another round, whatever happens to the page, the server or the disk."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.app.chat_server import ANSWER, ChatServer
from tests.app.serving import App
from tests.app.visitor import ANSWER_MS, Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request


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
        headers = {"Content-Type": "application/json", "Origin": app.url}
        again = httpx.post(request.url, content=request.post_data_buffer, headers=headers)
        assert again.status_code == 200
    assert app.rows("SELECT choice, superseded FROM votes WHERE battle_id = ?", battle) == [("left", 0)]
    assert visitor.status == "Saved: A is better."


def test_after_a_reload_the_vote_waits_from_the_beginning_for_who_has_not_read(visitor: Visitor) -> None:
    """The page is filled part by part; a click on a button that is there too early would be lost or refused."""
    visitor.consent()
    visitor.ask("What is Impressionism?")
    visitor.context.add_init_script(
        """localStorage.removeItem("diptych.seen");
           window.states = [];
           new MutationObserver(() => setTimeout(() => { // after the page's own observers: so long no click is handled
             const button = document.getElementById("vote-left");
             if (button && button.disabled !== window.states.at(-1)) window.states.push(button.disabled);
           })).observe(document, {childList: true, subtree: true, attributes: true});"""
    )
    visitor.page.reload()
    visitor.wait_for_vote()
    assert visitor.page.evaluate("window.states") == [True, False]


def test_a_double_click_or_a_held_key_does_not_press_what_comes_next(visitor: Visitor, app: App) -> None:
    """Which was Undo below "Equally good", and the next round below "Both are bad"; on a phone below the other two."""
    visitor.consent()
    visitor.ask("What is Impressionism?")
    visitor.read_both()
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    for number, (width, choice) in enumerate(((1280, "tie"), (1280, "both-bad"), (375, "left"), (375, "right"))):
        visitor.page.set_viewport_size({"width": width, "height": 700})
        visitor.wait_for_vote()
        visitor.double_click(f"#vote-{choice}", "html[data-phase=voted] #next-round")
        visitor.page.wait_for_timeout(300)
        assert visitor.status.startswith("Saved"), (width, choice)
        votes = app.rows("SELECT superseded FROM votes WHERE battle_id = ? ORDER BY id", battle)
        assert votes == [(1,)] * number + [(0,)]
        visitor.page.click("#undo-vote")
    visitor.wait_for_vote()
    visitor.page.focus("#vote-left")
    for _ in range(3):  # held, so that it repeats while the focus moves on to the next round
        visitor.page.keyboard.down("Enter")
        visitor.page.wait_for_selector("#next-round:focus")
    visitor.page.keyboard.up("Enter")
    visitor.double_click("#next-round", "#prompt textarea")
    assert visitor.problems == []


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


def test_a_full_disk_is_told_and_nothing_is_lost_or_counted_twice(visitor: Visitor, app: App) -> None:
    visitor.consent()
    page, question = visitor.page, "What is Impressionism?"
    battles = app.rows("SELECT COUNT(*) FROM battles")
    with app.full_disk():
        visitor.type(question)
        visitor.wait_for_status("nothing was saved")
        assert page.input_value("#prompt textarea") == question
        assert app.rows("SELECT COUNT(*) FROM battles") == battles
    page.click("#send")
    visitor.wait_for_vote()
    battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
    votes = "SELECT choice, superseded FROM votes WHERE battle_id = ?"
    with app.full_disk():
        page.click("#vote-tie")
        visitor.wait_for_status("Your vote is kept on this page")
        assert app.rows(votes, battle) == []
    page.wait_for_selector("#next-round")  # the page has tried again by itself
    assert app.rows(votes, battle) == [("tie", 0)]
    with app.full_disk():
        page.click("#finish")
        page.click("#confirm-yes")
        visitor.wait_for_status("nothing was saved")
    page.click("#confirm-yes")
    page.wait_for_selector("#guess-unknown")


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


def test_reload_in_mid_replay_shows_the_same_round_whole(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url, reduced_motion="no-preference") as visitor:
        page = visitor.page
        visitor.consent()
        page.evaluate(_RELOAD_IN_REPLAY)
        with page.expect_navigation(timeout=ANSWER_MS):
            visitor.type("What is Impressionism?")
        assert page.evaluate("sessionStorage.seen") == "2,0", "both answers were growing, and there was no vote yet"
        sides = app.rows("SELECT id, left_model, status FROM battles ORDER BY id DESC LIMIT 1")
        visitor.wait_for_vote()
        page.wait_for_function(_READ)
        page.wait_for_function("() => !document.querySelector('#votes button:disabled')")
        assert page.evaluate(_GROWING_AND_VOTES) == [0, 4], "whole, and then votes"
        battle, left_model, _ = sides[0]
        right_model = {"model1": "model2", "model2": "model1"}[left_model]
        sql = "SELECT text FROM answers JOIN turns ON turns.id = turn_id WHERE battle_id = ? AND model = ?"
        assert visitor.answers() == tuple(app.rows(sql, battle, model)[0][0] for model in (left_model, right_model))
        assert app.rows("SELECT id, left_model, status FROM battles ORDER BY id DESC LIMIT 1") == sides
        page.evaluate("['left', 'left', 'right'].forEach((side) => document.getElementById(`vote-${side}`).click())")
        page.wait_for_selector("#next-round")
        assert visitor.status == "Saved: A is better."
        assert app.rows("SELECT choice, superseded FROM votes WHERE battle_id = ?", battle) == [("left", 0)]
        assert visitor.problems == []


# Both answers were on the screen for as long as votes may be held.
_READ = "() => ['left', 'right'].every((side) => window.diptych.told().seen?.[side] > 2.1)"
_GROWING_AND_VOTES = """() => [document.querySelectorAll("#panes .growing").length,
  [...document.querySelectorAll("#votes button")].filter((one) => one.checkVisibility() && !one.disabled).length]"""
_RELOAD_IN_REPLAY = f"""() => {{
  const look = setInterval(() => {{
    if (!document.querySelector("#panes .growing")) return;
    clearInterval(look);
    sessionStorage.seen = ({_GROWING_AND_VOTES})();
    location.reload();
  }}, 20);
}}"""


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
