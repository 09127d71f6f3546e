"""Words that are typed and not yet sent, or refused: no reload, follow-up or closed tab loses them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from feedback.rules import MAX_COMMENT_CHARS
from tests.app.chat_server import ChatServer
from tests.app.serving import App, wait_until
from tests.app.visitor import WAITING, Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, one_chat_server: ChatServer) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("drafts"), one_chat_server.spec, one_chat_server.spec).start()
    yield running
    running.stop()


def test_drafts_survive_a_reload(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        page.check("#consent input")
        page.reload()
        page.wait_for_function("document.querySelector('#consent input')?.checked")
        visitor.consent()
        assert page.evaluate("localStorage['diptych.draft.consent']") is None, "a consent is given once"
        page.fill("#prompt textarea", "A question that is not yet asked")
        page.reload()
        page.wait_for_function("document.querySelector('#prompt textarea')?.value.includes('not yet asked')")
        visitor.ask("What is Impressionism?")
        page.check("#reasons input >> nth=1")
        page.fill("#comment textarea", "Half a thou")
        page.fill("#prompt textarea", "And then?")
        page.reload()
        page.wait_for_function("document.querySelector('#comment textarea')?.value === 'Half a thou'")
        page.wait_for_function("document.querySelector('#prompt textarea')?.value === 'And then?'")
        page.wait_for_function("document.querySelectorAll('#reasons input')[1]?.checked")
        visitor.vote("tie")
        vote = app.rows("SELECT choice, reasons, comment FROM votes ORDER BY id DESC LIMIT 1")
        assert vote == [("tie", '["More accurate"]', "Half a thou")]
        page.click("#next-round")
        page.wait_for_selector("#suggestions .chip")
        assert page.input_value("#prompt textarea") == ""


# In a page: once the draft is in its box, Gradio puts its own value there, and the page is busy until no draft is held.
FILLED_LATE = """addEventListener('input', ({ target }) => {
  if (window.filledLate || !target.matches('#comment textarea')) return;
  window.filledLate = true;
  setTimeout(() => {
    target.value = '';
    const end = performance.now() + 1500;
    while (performance.now() < end);
  });
})"""


def test_a_draft_is_restored_on_a_computer_that_is_busy(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        page.fill("#comment textarea", "Half a thou")
        page.add_init_script(FILLED_LATE)
        page.reload()
        page.wait_for_function("window.filledLate")
        page.wait_for_function("document.querySelector('#comment textarea')?.value === 'Half a thou'")


def test_a_text_that_is_too_long_to_be_sent_locks_nobody_out(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        visitor.type("Why? " * 60_000)
        visitor.wait_for_status("more text than can be sent at once")
        assert visitor.page.evaluate(WAITING) == 0, "it would be refused for ever, with all that waits beside it"
        visitor.page.reload()
        visitor.ask("What is Impressionism?")


@pytest.mark.parametrize("leaves", ["a follow-up", "finish early", "a closed tab", "a closed tab before the vote"])
def test_words_are_not_lost(browser: Browser, app: App, leaves: str) -> None:
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        votes = "SELECT comment FROM votes WHERE battle_id = ? AND superseded = 0"
        if leaves == "a follow-up":
            page.fill("#comment textarea", "Too short")
            visitor.ask("And who began it?")
            assert page.input_value("#comment textarea") == "Too short"
            visitor.vote("left")
            assert app.rows(votes, battle) == [("Too short",)]
        elif leaves == "a closed tab before the vote":
            page.fill("#comment textarea", "Too short")
            page.close(run_before_unload=True)
            wait_until(lambda: app.rows("SELECT comment FROM remarks WHERE battle_id = ?", battle) == [("Too short",)])
        else:
            visitor.vote("left")
            page.fill("#comment textarea", "Too short")
            if leaves == "finish early":
                page.click("#finish")
                page.click("#confirm-yes")
                page.wait_for_selector("#guess-left")
            else:
                page.close(run_before_unload=True)
            wait_until(lambda: app.rows(votes, battle) == [("Too short",)])


def test_a_vote_that_comes_after_the_session_has_ended_is_told_and_its_words_are_kept(
    browser: Browser, app: App
) -> None:
    """As of a phone that was without a network for longer than a session lasts."""
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        battle, tester = app.rows("SELECT id, tester_id FROM battles ORDER BY id DESC LIMIT 1")[0]
        visitor.context.set_offline(True)
        page.fill("#comment textarea", "Typed on the way")
        page.click("#vote-left")
        page.wait_for_selector("#unreachable")
        with sqlite3.connect(app.database) as connection:
            connection.execute("UPDATE testers SET last_seen_at = '2020-01-01T00:00:00.000Z' WHERE id = ?", [tester])
        connection.close()
        visitor.context.set_offline(False)
        visitor.wait_for(lambda: page.evaluate(WAITING) == 0)
        page.wait_for_timeout(4000)  # other requests that waited follow, and the page looks for more every 3 s
        assert "This session ended after 60 minutes without activity" in visitor.status
        assert app.rows("SELECT COUNT(*) FROM votes WHERE battle_id = ?", battle) == [(0,)]
        assert app.rows("SELECT comment FROM remarks WHERE battle_id = ?", battle) == [("Typed on the way",)]


def test_a_question_that_is_refused_stays_in_its_box_also_after_a_reload(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        long = "word " * 450
        visitor.type(long)
        visitor.wait_for_status("please shorten it to 2,000")
        assert visitor.page.input_value("#prompt textarea") == long
        visitor.page.reload()
        visitor.page.wait_for_function("text => document.querySelector('#prompt textarea')?.value === text", arg=long)


def test_a_comment_of_which_a_part_will_not_be_kept_is_told_while_it_is_written(browser: Browser, app: App) -> None:
    script = (Path(__file__).parents[2] / "app" / "kept.js").read_text(encoding="utf-8")
    assert f"LONGEST_COMMENT = {MAX_COMMENT_CHARS};" in script
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        page.fill("#comment textarea", "\U0001f3a8" * MAX_COMMENT_CHARS)
        page.wait_for_function("localStorage['diptych.draft.comment']?.length > 4000")
        assert page.locator("#long-comment").count() == 0, "an emoji is one character"
        page.fill("#comment textarea", "a" * (MAX_COMMENT_CHARS + 1))
        page.wait_for_selector("#long-comment")
        page.fill("#comment textarea", "Shorter")
        page.wait_for_selector("#long-comment", state="detached")
        page.fill("#comment textarea", "b" * 400_000)
        page.wait_for_selector("#long-comment")
        visitor.vote("left")  # was refused, as more text than can be sent at once
        votes = app.rows("SELECT comment FROM votes WHERE superseded = 0 ORDER BY id DESC LIMIT 1")
        assert votes == [("b" * MAX_COMMENT_CHARS,)]


def test_words_for_a_round_of_another_database_are_not_this_ones(browser: Browser, app: App) -> None:
    """Its rounds had the same numbers, and what was kept went with the vote as this tester's words."""
    battle = app.rows("SELECT ifnull(MAX(id), 0) + 1 FROM battles")[0][0]
    kept = {
        "draft.comment": {"of": f"round:{battle}", "value": "Words of another study"},
        "seen": {f"{battle}:1": {"left": 99, "right": 99, "first": "left"}},
    }
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        page.wait_for_selector("#consent input")
        for item, value in kept.items():
            page.evaluate(
                "([item, value]) => localStorage.setItem(item, value)", [f"diptych.{item}", json.dumps(value)]
            )
        page.evaluate("battle => localStorage.setItem('diptych.moved', String(battle))", battle)
        page.reload()
        visitor.consent()
        visitor.ask("What is Impressionism?")
        assert app.rows("SELECT MAX(id) FROM battles") == [(battle,)]
        visitor.vote("left")
        assert app.rows("SELECT comment FROM votes WHERE battle_id = ?", battle) == [("",)]
        page.reload()
        page.wait_for_selector("#next-round")
