"""A page that is away for a while: in a locked phone, behind the back button, open during an upgrade; in a frame of
another site, at two addresses, in a browser without room."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.app.chat_server import ChatServer
from tests.app.serving import PASSWORD, ROOT, App, wait_until
from tests.app.visitor import WAITING, Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

PREDICT = "**/run/predict*"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Another site, whose page has ours in a frame: the host `localhost`, where the app's is 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            target = self.path.partition("?")[2]
            self.wfile.write(f'<iframe src="{target}" width="1200" height="900"></iframe>'.encode())

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, one_chat_server: ChatServer, elsewhere: str) -> Iterator[App]:
    spec = one_chat_server.spec
    command = [sys.executable, "app.py", "--model1", spec, "--model2", spec, "--allow-frame", elsewhere]
    running = App(tmp_path_factory.mktemp("away"), "", "", command).start()
    yield running
    running.stop()


def framed(page: Page, elsewhere: str, url: str) -> Frame:
    page.goto(f"{elsewhere}/?{url}")
    frame = page.frames[1]
    frame.wait_for_load_state()
    return frame


DENIED = "(() => { try { return !localStorage } catch { return true } })()"


def test_a_page_in_a_frame_on_another_site(browser: Browser, app: App, elsewhere: str) -> None:
    """A fresh profile of Chromium denies a frame of another site any storage; other browsers give it one of its own."""
    context = browser.new_context(reduced_motion="reduce")
    try:
        page = context.new_page()
        frame = framed(page, elsewhere, f"{app.url}/")
        frame.check("#consent input")
        frame.click("#start")
        frame.fill("#prompt textarea", "What is Impressionism?")
        denied = frame.evaluate(DENIED)
        assert frame.locator("#nothing-kept").count() == denied
        frame.click("#send")
        frame.wait_for_selector("#vote-left", timeout=120_000)
        frame.click("#vote-left")
        frame.wait_for_selector("#next-round")
        assert app.rows("SELECT choice FROM votes ORDER BY id DESC LIMIT 1") == [("left",)]
        frame = framed(page, elsewhere, f"{app.url}/admin/login")
        frame.fill("input[name=username]", "admin")
        frame.fill("input[name=password]", PASSWORD)
        frame.click("button")
        frame.wait_for_selector("text=this browser did not keep the login")
        with context.expect_page() as opened:
            frame.click("#direct a")
        direct = opened.value
        assert direct.url == f"{app.url}/admin/login"
        direct.fill("input[name=password]", PASSWORD)
        direct.click("button")
        direct.wait_for_url(f"{app.url}/admin/")
    finally:
        context.close()


def test_two_hosts_of_one_app_are_two_browsers(browser: Browser, app: App) -> None:
    """127.0.0.1 and localhost share no storage, and either is its own origin."""
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        testers = app.rows("SELECT COUNT(*) FROM testers")[0][0]
        page = visitor.context.new_page()
        page.goto(app.url.replace("127.0.0.1", "localhost"))
        page.check("#consent input")
        page.click("#start")
        page.wait_for_selector("#prompt textarea")
        assert app.rows("SELECT COUNT(*) FROM testers")[0][0] == testers + 1


def test_a_phone_that_is_locked_with_a_vote_on_its_way(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        page.fill("#comment textarea", "Half a sen")
        page.route(PREDICT, lambda route: route.abort())
        page.click("#vote-right")
        page.wait_for_selector("#unreachable")
        phone = visitor.context.new_cdp_session(page)
        phone.send("Page.setWebLifecycleState", {"state": "frozen"})
        page.unroute(PREDICT)
        time.sleep(1)
        phone.send("Page.setWebLifecycleState", {"state": "active"})
        page.wait_for_selector("#next-round")
        votes = "SELECT choice, comment FROM votes WHERE battle_id = ? AND superseded = 0"
        wait_until(lambda: app.rows(votes, battle) == [("right", "Half a sen")], 20)
        visitor.wait_for(lambda: page.evaluate(WAITING) == 0)
        assert page.locator("#unreachable").count() == 0


def test_words_are_sent_when_the_page_goes_into_the_background(browser: Browser, app: App) -> None:
    """A phone may end a page in the background without another word."""
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        page.fill("#comment textarea", "Typed, and the phone rings")
        page.evaluate(
            """() => { Object.defineProperty(document, "hidden", { get: () => true, configurable: true });
                       document.dispatchEvent(new Event("visibilitychange")); }"""
        )
        remark = [("Typed, and the phone rings",)]
        wait_until(lambda: app.rows("SELECT comment FROM remarks WHERE battle_id = ?", battle) == remark, 20)
        seen = page.evaluate("window.diptych.told().seen ?? {}")
        page.wait_for_timeout(400)
        assert page.evaluate("window.diptych.told().seen ?? {}") == seen, "what nobody sees is not on the screen"
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        visitor.vote("left")
        assert app.rows("SELECT comment FROM votes WHERE battle_id = ?", battle) == remark


def test_the_way_back_to_the_page_shows_where_the_tester_is(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        page.goto("about:blank")
        other = visitor.open()
        other.wait_for_selector("#vote-left:not([disabled])")
        other.click("#vote-tie")
        other.wait_for_selector("#next-round")
        page.go_back()
        page.wait_for_selector("#next-round")
        # Chromium under automation does not keep pages for the way back; Safari does, and says so.
        other.click("#undo-vote")
        other.wait_for_selector("#vote-left")
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        page.wait_for_selector("#vote-left")


def test_a_vote_in_one_tab_has_the_words_of_the_other(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        visitor.ask("What is Impressionism?")
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        other = visitor.open()
        other.wait_for_selector("#vote-left:not([disabled])")
        visitor.page.fill("#comment textarea", "Written in the first tab")
        other.wait_for_function("document.querySelector('#comment textarea').value === 'Written in the first tab'")
        visitor.page.check("#reasons input >> nth=1")
        other.wait_for_function("document.querySelectorAll('#reasons input')[1].checked")
        other.click("#vote-left")
        other.wait_for_selector("#next-round")
        given = app.rows("SELECT reasons, comment FROM votes WHERE battle_id = ?", battle)
        assert given == [('["More accurate"]', "Written in the first tab")]


def test_a_browser_without_room_says_so_and_loses_nothing(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        page.evaluate(
            """() => { let text = "x".repeat(1 << 20);
                       for (let n = 0; text; n++)
                         try { localStorage[`other.${n}`] = text; }
                         catch { text = text.slice(1 + text.length / 2); } }"""
        )
        page.route(PREDICT, lambda route: route.abort())
        page.click("#vote-left")
        page.wait_for_selector("#storage-full")
        page.unroute(PREDICT)
        page.wait_for_selector("#next-round")
        assert app.rows("SELECT choice FROM votes WHERE battle_id = ?", battle) == [("left",)]
        visitor.wait_for(lambda: page.locator("#storage-full").count() == 0)
        assert page.locator("#nothing-kept").count() == 0


def test_a_browser_that_has_no_room_from_the_start_or_is_emptied_goes_on_with_its_session(
    browser: Browser, app: App
) -> None:
    """As Safari's private windows of long ago, or a full disk; and an extension that clears what sites keep."""
    with Visitor(browser, f"{app.url}/healthz") as visitor:
        page = visitor.page
        visitor.context.set_default_timeout(30_000)
        page.add_init_script(
            """Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };"""
        )
        page.goto(app.url)
        visitor.consent()
        page.wait_for_selector("#nothing-kept")
        assert "a reload would begin a new session" in page.inner_text("#nothing-kept")
        visitor.ask("What is Impressionism?")
        visitor.vote("left")
        assert visitor.problems == []
    with Visitor(browser, app.url) as visitor:
        visitor.context.set_default_timeout(30_000)
        visitor.consent()
        visitor.ask("What is Impressionism?")
        visitor.page.evaluate("localStorage.clear()")
        visitor.vote("right")
        tester = app.rows("SELECT MAX(id) FROM testers")[0][0]
        assert app.rows("SELECT choice FROM votes WHERE tester_id = ?", tester) == [("right",)]
        visitor.page.reload()
        visitor.page.wait_for_selector("#next-round")


def test_newer_words_are_not_lost_behind_older_ones_nor_behind_a_clock_that_is_set_back(
    browser: Browser, app: App
) -> None:
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        visitor.ask("What is Impressionism?")
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        page.route(PREDICT, lambda route: route.abort())
        page.click("#vote-left")
        page.wait_for_selector("#unreachable")
        page.evaluate("() => { const now = Date.now; Date.now = () => now() - 86400000; }")
        page.fill("#comment textarea", "Said")
        page.locator("#comment textarea").blur()
        page.fill("#comment textarea", "Said after the vote")
        page.locator("#comment textarea").blur()
        page.wait_for_function("Object.keys(localStorage).filter((key) => key.startsWith('diptych.out.')).length > 1")
        items = page.evaluate(
            "Object.keys(localStorage).filter((key) => key.startsWith('diptych.out.')).sort()"
            ".map((key) => JSON.parse(localStorage[key]).do)"
        )
        assert items[0] == "vote left"
        page.unroute(PREDICT)
        page.wait_for_selector("#next-round")
        votes = "SELECT choice, comment FROM votes WHERE battle_id = ? AND superseded = 0"
        wait_until(lambda: app.rows(votes, battle) == [("left", "Said after the vote")], 20)


def test_a_proxy_that_asks_for_patience_gets_it(browser: Browser, app: App) -> None:
    asked: list[int] = []
    with Visitor(browser, app.url) as visitor:
        page = visitor.page
        visitor.consent()
        page.route(
            PREDICT,
            lambda route: (
                (asked.append(1), route.fulfill(status=503, headers={"Retry-After": "60"}, body="later"))
                if not asked
                else route.continue_()
            ),
        )
        page.fill("#prompt textarea", "What is Impressionism?")
        page.click("#send")
        page.wait_for_selector("#unreachable")
        page.wait_for_timeout(1500)
        assert page.locator("#vote-left").count() == 0
        page.evaluate("dispatchEvent(new Event('online'))")  # or until the network says that it is back
        visitor.wait_for_vote()


def test_an_upgrade_in_mid_session_loses_nothing(browser: Browser, tmp_path: Path, one_chat_server: ChatServer) -> None:
    """The app is stopped and another version is started on its database, while pages of the old one are open."""
    spec = one_chat_server.spec
    newer = tmp_path / "newer"
    for package in ("app", "feedback", "training"):
        shutil.copytree(ROOT / package, newer / package, ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
    for module in ("app.py", "diptych.py"):
        shutil.copy(ROOT / module, newer)
    with (newer / "app" / "theme.py").open("a") as file:
        file.write("\n# another version\n")
    app = App(tmp_path, spec, spec).start()
    try:
        with Visitor(browser, app.url) as visitor, Visitor(browser, app.url) as typing:
            page = visitor.page
            visitor.consent()
            typing.consent()
            typing.page.fill("#prompt textarea", "A question that is half wri")
            tomorrow = "localStorage.setItem('diptych.renewed', String(Date.now() + 86400000))"
            typing.page.evaluate(tomorrow)  # by a clock that was set back after the last upgrade
            visitor.ask("What is Impressionism?")
            page.fill("#comment textarea", "Too short")
            app.stop()
            page.click("#vote-left")
            page.wait_for_selector("#unreachable")
            app.root = newer
            app.start()
            page.wait_for_selector("#next-round", timeout=120_000)
            assert app.rows("SELECT choice, comment FROM votes") == [("left", "Too short")]
            typing.page.click("#send")
            typing.page.wait_for_function(
                "document.querySelector('#prompt textarea')?.value === '' || document.querySelector('#vote-left')"
            )
            typing.wait_for_vote()
            asked = app.rows("SELECT text FROM prompts WHERE position IS NULL")
            assert asked == [("A question that is half wri",)]
            assert app.rows("SELECT COUNT(*) FROM testers") == [(2,)]
    finally:
        app.stop()


def test_a_session_of_the_first_pages_is_told_that_it_ended(browser: Browser, app: App) -> None:
    with Visitor(browser, app.url) as visitor:
        visitor.page.evaluate("localStorage.diptych = 'U2FsdGVkX18'")
        visitor.page.reload()
        visitor.page.wait_for_selector("#older")
        visitor.consent()
        visitor.wait_for(lambda: visitor.page.locator("#older").count() == 0)
        assert visitor.page.evaluate("localStorage.diptych") is None
