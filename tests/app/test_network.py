"""The network breaks at each step of a session, in each way it breaks: nothing is lost, nothing is doubled.

One session walks through a fault, step by step. The network is cut in the page (requests aborted, responses thrown
away, the browser offline) or behind it (a proxy's 502, a killed app).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from app.limits import FREE_CODES
from feedback.entry import zero_bits
from tests.app.chat_server import ChatServer
from tests.app.serving import App, wait_until
from tests.app.visitor import PREDICT, WAITING, Visitor

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Request, Route

PATIENCE_MS = 30_000
Fault = Callable[[Visitor, App, bool], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, one_chat_server: ChatServer) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("network"), one_chat_server.spec, one_chat_server.spec).start()
    yield running
    running.stop()


def _at_once(spoil: Callable[[Route], None], times: int = 1) -> Fault:
    """The next request that asks for something, or the next that asks for news, is spoiled, so many times."""

    @contextmanager
    def fault(visitor: Visitor, app: App, of_news: bool) -> Iterator[None]:
        begun: list[str] = []
        spoiled: list[str] = []

        def handle(route: Route) -> None:
            is_news = '\\"key\\"' not in (route.request.post_data or "")
            if (begun or is_news == of_news) and len(begun) < times:
                begun.append(route.request.url)
                spoil(route)
                spoiled.append(route.request.url)
            else:
                route.continue_()

        visitor.page.route(PREDICT, handle)
        yield
        visitor.wait_for(lambda: len(spoiled) >= times)
        visitor.page.unroute(PREDICT)

    return fault


def _lose_the_response(route: Route) -> None:
    route.fetch(timeout=PATIENCE_MS)  # the server does what was asked
    route.abort("connectionreset")


def _offline(seconds: float) -> Fault:
    @contextmanager
    def fault(visitor: Visitor, app: App, of_news: bool) -> Iterator[None]:
        visitor.context.set_offline(True)
        yield
        visitor.page.wait_for_timeout(seconds * 1000)
        visitor.context.set_offline(False)

    return fault


@contextmanager
def _restart(visitor: Visitor, app: App, of_news: bool) -> Iterator[None]:
    app.kill()
    yield
    app.start()


@contextmanager
def _reload(visitor: Visitor, app: App, of_news: bool) -> Iterator[None]:
    visitor.page.route(PREDICT, lambda route: route.abort())
    yield
    visitor.page.wait_for_timeout(400)
    visitor.page.unroute(PREDICT)
    visitor.page.reload()


FAULTS: dict[str, Fault] = {
    "request lost": _at_once(lambda route: route.abort("connectionfailed")),
    "response lost": _at_once(_lose_the_response),
    "502": _at_once(lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>"), 2),
    "504": _at_once(lambda route: route.fulfill(status=504, content_type="application/json", body="{}"), 2),
    "403": _at_once(
        lambda route: route.fulfill(status=403, content_type="application/json", body='{"message": "Forbidden"}'), 2
    ),
    "offline 1 s": _offline(1),
    "offline 5 s": _offline(5),
    "reload": _reload,
    "restart": _restart,
}


AT_ONCE = ("request lost", "response lost", "502", "504", "403")


@pytest.mark.parametrize("name", FAULTS)
def test_a_session_loses_and_doubles_nothing(browser: Browser, app: App, chat_server: ChatServer, name: str) -> None:
    chat_server.gate.set()
    fault = FAULTS[name]
    before = app.rows("SELECT COUNT(*) FROM testers")[0][0]
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.context.set_default_timeout(PATIENCE_MS)
        page.check("#consent input")
        with fault(visitor, app, False):
            page.click("#start")
        page.wait_for_selector("#prompt textarea")
        testers = app.rows("SELECT id FROM testers ORDER BY id")[before:]
        assert len(testers) == 1, "start"
        [tester] = testers[0]

        page.fill("#prompt textarea", "What is Impressionism?")
        with fault(visitor, app, False):
            page.click("#send")
        visitor.wait_for_vote()
        asked = "SELECT prompts.text, battles.status FROM battles JOIN prompts ON prompts.id = battles.prompt_id"
        battles = app.rows(f"{asked} WHERE tester_id = ?", tester)
        assert battles == [("What is Impressionism?", "open")], "send"

        chat_server.gate.clear()
        page.fill("#prompt textarea", "[hold] And who began it?")
        with ExitStack() as stack:
            if name in AT_ONCE:  # the first request for news comes as soon as the question is asked
                stack.enter_context(fault(visitor, app, True))
            page.click("#send")
            page.wait_for_selector("#stop")
            if name not in AT_ONCE:
                stack.enter_context(fault(visitor, app, True))
            page.wait_for_timeout(300)
            chat_server.gate.set()
        if name == "restart":  # the answers died with the app; the question did not
            page.click("#retry")
        page.wait_for_function("document.querySelectorAll('#answer-left .answer').length === 2")
        turns = app.rows(
            "SELECT number, prompt FROM turns JOIN battles ON battles.id = battle_id WHERE tester_id = ?"
            " AND turns.status = 'complete' ORDER BY number", tester,
        )  # fmt: skip
        assert turns == [(1, "What is Impressionism?"), (2, "[hold] And who began it?")], "answering"

        visitor.wait_for_vote()
        page.check("#reasons input >> nth=0")
        with fault(visitor, app, False):
            page.click("#vote-left")
        page.wait_for_selector("#next-round")
        votes = "SELECT choice, reasons, comment FROM votes WHERE tester_id = ? AND superseded = 0"
        assert app.rows(votes, tester) == [("left", '["Clearer"]', "")], "vote"
        assert visitor.status == "Saved: A is better."

        with fault(visitor, app, False):
            page.fill("#comment textarea", "The left one knew more.")
            page.locator("#comment textarea").blur()
        wait_until(lambda: app.rows(votes, tester) == [("left", '["Clearer"]', "The left one knew more.")], 30)
        assert page.input_value("#comment textarea") == "The left one knew more.", "comment"

        with fault(visitor, app, False):
            page.click("#next-round")
        page.wait_for_selector("#suggestions .chip")
        page.wait_for_selector("#next-round", state="detached")
        assert "1 of 2" in page.inner_text("#progress"), "next"

        page.click("#finish")
        page.wait_for_selector("#confirm-yes")
        with fault(visitor, app, False):
            page.click("#confirm-yes")
        page.wait_for_selector("#guess-left")
        assert app.rows("SELECT closed_why FROM testers WHERE id = ?", tester) == [("quit",)], "finish"

        with fault(visitor, app, False):
            page.click("#guess-left")
        page.wait_for_selector("#thanks")
        assert app.rows("SELECT answer FROM guesses WHERE tester_id = ?", tester) == [("left_last",)], "guess"
        assert app.rows(votes, tester) == [("left", '["Clearer"]', "The left one knew more.")]
        assert app.rows("SELECT COUNT(*) FROM testers")[0][0] == before + 1
        visitor.wait_for(lambda: page.evaluate(WAITING) == 0)
        assert page.locator("#unreachable").count() == 0, "and nothing is said of it any more"
        # A part that Gradio loads ahead while the app is gone is lost; nothing on this page needs it.
        problems = [problem for problem in visitor.problems if not problem.startswith("Unable to preload")]
        assert problems == []


def test_twelve_seconds_without_a_network_are_told_and_the_vote_goes_through(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        visitor.ask("What is Impressionism?")
        tester = app.rows("SELECT MAX(id) FROM testers")[0][0]
        visitor.context.set_offline(True)
        started = time.monotonic()
        visitor.page.click("#vote-right")
        visitor.wait_for_status("No connection to the server")
        visitor.page.click("#vote-left")  # impatience
        visitor.page.wait_for_timeout(1000 * (12 - (time.monotonic() - started)))
        visitor.context.set_offline(False)
        visitor.page.wait_for_selector("#next-round")
        assert visitor.status == "Saved: B is better."
        assert app.rows("SELECT choice FROM votes WHERE tester_id = ?", tester) == [("right",)]


@pytest.mark.parametrize("name", ["request lost", "response lost", "504", "reload"])
def test_a_withdrawal_is_done_once_and_told_and_the_browser_can_begin_again(
    browser: Browser, app: App, name: str
) -> None:
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.context.set_default_timeout(PATIENCE_MS)
        visitor.consent()
        tester = app.rows("SELECT MAX(id) FROM testers")[0][0]
        page.click("#withdraw")
        page.wait_for_selector("#confirm-yes")
        with FAULTS[name](visitor, app, False):
            page.click("#confirm-yes")
        page.wait_for_selector("text=Your data has been deleted.", timeout=PATIENCE_MS)
        assert "not known" not in visitor.status
        assert app.rows("SELECT closed_why FROM testers WHERE id = ?", tester) == [("withdrawn",)]
        visitor.wait_for(lambda: page.evaluate("localStorage.getItem('diptych.token')") is None)
        page.reload()
        visitor.consent()
        assert app.rows("SELECT MAX(id) FROM testers")[0][0] == tester + 1
        assert visitor.problems == []


@pytest.mark.parametrize("name", ["request lost", "response lost", "502"])
def test_every_other_button_is_pressed_once_whatever_the_network_does(browser: Browser, app: App, name: str) -> None:
    fault = FAULTS[name]
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.context.set_default_timeout(PATIENCE_MS)
        visitor.consent()
        visitor.type("[die] What is Impressionism?")
        page.wait_for_selector("#retry", timeout=PATIENCE_MS)
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        with fault(visitor, app, False):
            page.click("#retry")
        turns = "SELECT COUNT(*) FROM turns WHERE battle_id = ?"
        wait_until(lambda: app.rows(turns, battle) == [(2,)], 20)
        page.wait_for_selector("#other-question", timeout=PATIENCE_MS)
        with fault(visitor, app, False):
            page.click("#other-question")
        page.wait_for_selector("#suggestions .chip")
        assert app.rows("SELECT status, reason FROM battles WHERE id = ?", battle) == [
            ("abandoned", "another question")
        ]
        assert app.rows(turns, battle) == [(2,)]
        visitor.ask("What is Impressionism?")
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        visitor.vote("left")
        with fault(visitor, app, False):
            page.click("#undo-vote")
        visitor.wait_for_vote()
        votes = "SELECT choice, superseded, good_enough FROM votes WHERE battle_id = ? ORDER BY id"
        assert [vote[:2] for vote in app.rows(votes, battle)] == [("left", 1)]
        visitor.vote("right")
        with fault(visitor, app, False):
            page.check("#good-enough input >> nth=1")
        wait_until(lambda: app.rows(votes, battle)[-1] == ("right", 0, 0), 20)
        visitor.wait_for(lambda: page.evaluate(WAITING) == 0)
        assert visitor.problems == []


def test_two_tabs_before_the_consent_are_one_tester(browser: Browser, app: App) -> None:
    before = app.rows("SELECT COUNT(*) FROM testers")[0][0]
    with Visitor(browser, app.url) as visitor:
        other = visitor.open()
        for page in (visitor.page, other):
            page.check("#consent input")
        for page in (visitor.page, other):
            page.click("#start")
        for page in (visitor.page, other):
            page.wait_for_selector("#prompt textarea")
    assert app.rows("SELECT COUNT(*) FROM testers")[0][0] == before + 1


def test_clicks_go_out_in_their_order_and_no_other_tab_repeats_them(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        visitor.ask("What is Impressionism?")
        other = visitor.open()
        other.wait_for_selector("#vote-left")
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        held: list[Route] = []
        opened: list[bool] = []
        repeated: list[Request] = []
        visitor.page.route(PREDICT, lambda route: route.continue_() if opened else held.append(route))
        other.on("request", lambda request: repeated.append(request))
        visitor.page.evaluate("['left', 'right'].forEach((side) => document.getElementById(`vote-${side}`).click())")
        visitor.page.wait_for_timeout(4000)  # the page looks every 3 s for what it has to send again
        assert [request for request in repeated if "/run/predict" in request.url] == [], (
            "that was the first tab's click"
        )
        assert other.is_visible("#vote-left")
        assert len(held) == 1, "the second click waits for the first one's answer"
        opened.append(True)
        held[0].continue_()
        visitor.page.wait_for_selector("#next-round")
        visitor.wait_for(lambda: visitor.page.evaluate(WAITING) == 0)
        assert app.rows("SELECT choice, superseded FROM votes WHERE battle_id = ?", battle) == [("left", 0)]
        assert visitor.status == "Saved: A is better."


def test_a_code_and_work_for_the_browser_are_asked_before_a_session(
    browser: Browser, tmp_path: Path, one_chat_server: ChatServer
) -> None:
    """And the Start that is lost on its way begins one session, as without them."""
    app = App(tmp_path, one_chat_server.spec, one_chat_server.spec)
    study = tmp_path / "study.toml"
    asked = 'entry_code = "monet-1872"\nproof_of_work_bits = 14\naddress_hash = true\n'
    study.write_text(asked + study.read_text(encoding="utf-8"), encoding="utf-8")
    with ExitStack() as stack:
        stack.callback(app.stop)
        visitor = stack.enter_context(Visitor(browser, app.start().url))
        page = visitor.page
        page.wait_for_selector("#start")
        assert "computed from your network address" in page.inner_text("#welcome")
        lefts = [
            page.locator(part).evaluate("one => one.getBoundingClientRect().left") for part in ("#invite", "#start")
        ]
        assert lefts[0] == lefts[1], "the code is asked for where everything else begins"
        page.fill("#invite textarea, #invite input", "manet-1863")
        page.check("#consent input")
        page.click("#start")
        visitor.wait_for_status("This code is not the study's; check it for typing errors.")
        assert app.rows("SELECT COUNT(*) FROM testers") == [(0,)]
        token, challenge = "g" * 32, str(page.get_attribute("#work", "data-challenge"))
        found = next(n for n in range(1 << 24) if zero_bits(f"{challenge}:{token}:?:{n}") >= 14)
        facts = {"key": "guessing-codes", "challenge": challenge, "solution": str(found)}
        guess = {"key": "guessing-codes", "do": "start", "values": {"consent": True, "invite": "?"}, "facts": facts}
        load = next(
            entry for entry in httpx.get(f"{app.url}/config").json()["dependencies"] if "load" in str(entry["targets"])
        )
        told = json.dumps({"waiting": [guess] * 20})
        event = {"fn_index": load["id"], "data": [token, told], "session_hash": "guesses"}
        for number in range(2 + FREE_CODES):  # one guess an event; the page above has had one
            started = time.monotonic()
            answer = httpx.post(
                f"{app.url}/gradio_api/run/predict", json=event, timeout=60, headers={"Origin": app.url}
            ).text
            assert "not the study" in answer
            assert number < FREE_CODES or time.monotonic() - started >= 0.5, "and later ones are answered later"
        frozen = page.evaluate(
            """async () => {
                let worst = 0, last = performance.now();
                const beat = setInterval(() => {
                    worst = Math.max(worst, performance.now() - last);
                    last = performance.now();
                }, 5);
                await window.diptych.solve("16.0.x", "a");
                clearInterval(beat);
                return worst;
            }"""
        )
        assert frozen < 1000, "the page goes on while its browser works"
        with FAULTS["response lost"](visitor, app, False):
            page.fill("#invite textarea, #invite input", "Monet-1872")
            page.click("#start")
        page.wait_for_selector("#prompt textarea")
        assert app.rows("SELECT COUNT(*), COUNT(origin) FROM testers") == [(1, 1)]
        assert visitor.problems == []


def test_a_page_of_which_a_script_was_lost_loads_again_or_says_so(browser: Browser, app: App) -> None:
    """It stayed empty, or without a button."""
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        page.wait_for_selector("#start")
        found = (
            "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => name.endsWith('.js'))"
        )
        scripts = [name for name in page.evaluate(found) if "/assets/" in name]
    for script in (scripts[0], next(name for name in scripts if "/api-logo" in name)):
        with Visitor(browser, "about:blank") as visitor:
            page = visitor.page
            page.route(script, lambda route: route.abort("connectionreset"), times=1)
            page.goto(app.url)
            page.wait_for_selector("#start")
            assert not page.is_visible("#incomplete")
            page.route(script, lambda route: route.abort("connectionreset"))
            page.evaluate("sessionStorage.setItem('diptych.arrival', JSON.stringify(Array(3).fill(Date.now())))")
            page.reload()
            page.wait_for_selector("#incomplete:not([hidden])")
            assert "Please reload it" in page.inner_text("#incomplete")
