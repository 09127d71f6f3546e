"""The researchers' page where the network breaks, a login ends, or somebody looks elsewhere: what was typed stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.app.chat_server import ChatServer
from tests.app.serving import PASSWORD, App
from tests.app.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Browser, Page, Request, Route

JOIN, NEWS = "**/queue/join*", "**/queue/data*"
TYPED = 'name = "half typed"'


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, one_chat_server: ChatServer) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("researchers"), one_chat_server.spec, one_chat_server.spec).start()
    yield running
    running.stop()


def _lose_the_response(route: Route) -> None:
    route.fetch()
    route.abort("connectionreset")


def _twice(spoil: Callable[[Route], None]) -> Callable[[Route], None]:
    left = [spoil, spoil]
    return lambda route: left.pop()(route) if left else route.continue_()


def _halve_the_response(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text()[:12])


def _show_a_login(route: Route) -> None:
    """As a network does that wants to know who is there."""
    route.fulfill(status=200, content_type="text/html", body="<h1>Welcome to the Wi-Fi</h1>")


FAULTS: dict[str, Callable[[Route], None]] = {
    "request lost": lambda route: route.abort("connectionfailed"),
    "response lost": _lose_the_response,
    "502": lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>"),
    "502 in JSON": lambda route: route.fulfill(status=502, json={"message": "Internal server error"}),
    "half a response": _halve_the_response,
    "the login of a network": _show_a_login,
}


NOTES_AWAY = """() => {
  window.sawAway = false;
  new MutationObserver(() => { window.sawAway ||= document.querySelector("#away") !== null; })
    .observe(document.body, {childList: true, subtree: true});
}"""


def test_a_click_is_done_once_whatever_the_network_does(browser: Browser, app: App) -> None:
    with Visitor(browser, f"{app.url}/admin") as visitor:
        page = visitor.page
        visitor.log_in("Invites")
        page.evaluate(NOTES_AWAY)  # on a busy machine both retries can end before the click itself returns
        for number, (name, spoil) in enumerate(FAULTS.items(), 1):
            page.fill("#invite-label textarea, #invite-label input", name)
            page.route(JOIN, _twice(spoil))
            page.click("#invite-make")
            page.wait_for_selector(f"#invite-list td:text-is('{name}')")
            page.unroute(JOIN)
            assert page.evaluate("[window.sawAway, window.sawAway = false][0]"), "nothing said that the network is away"
            assert page.locator("#away").count() == 0
            assert app.rows("SELECT label FROM invites ORDER BY id DESC LIMIT 1") == [(name,)]
            assert app.rows("SELECT COUNT(*) FROM invites") == [(number,)]
        page.fill("#invite-label textarea, #invite-label input", "no news")
        page.route(NEWS, _twice(_show_a_login))
        page.click("#invite-make")
        page.wait_for_selector("#invite-list td:text-is('no news')")


def _edit(visitor: Visitor) -> None:
    """Type into the study's text, and wait until all that was asked is answered: no stream was open for a second."""
    streams: set[Request] = set()
    last = [0.0]

    def is_quiet() -> bool:
        if streams:
            last[0] = time.monotonic()
        return time.monotonic() - last[0] > 1

    visitor.page.on("request", lambda request: streams.add(request) if "/queue/data" in request.url else None)
    visitor.page.on("requestfinished", lambda request: streams.discard(request))
    visitor.page.on("requestfailed", lambda request: streams.discard(request))
    visitor.log_in("Study")
    visitor.page.click("#study-edit > button")
    visitor.page.wait_for_function("document.querySelector('#study-toml textarea')?.value.includes('Test study')")
    visitor.page.fill("#study-toml textarea", TYPED)
    last[0] = time.monotonic()
    visitor.wait_for(is_quiet)


def _tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def test_a_study_that_is_typed_stays_while_another_tab_is_looked_at(browser: Browser, app: App) -> None:
    with Visitor(browser, f"{app.url}/admin") as visitor:
        page = visitor.page
        _edit(visitor)
        _tab(page, "Votes")
        page.wait_for_selector("#vote-filters")
        with page.expect_response(NEWS):
            _tab(page, "Study")
        page.wait_for_timeout(1000)
        assert page.input_value("#study-toml textarea") == TYPED
        asked: list[str] = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
        page.reload()
        assert asked == ["beforeunload"]


def test_a_login_that_ends_costs_nothing_that_was_typed(browser: Browser, app: App) -> None:
    with Visitor(browser, f"{app.url}/admin") as visitor:
        page = visitor.page
        _edit(visitor)
        visitor.context.clear_cookies()
        page.click("#study-begin")
        page.wait_for_selector("#ended")
        with visitor.context.expect_page() as opened:
            page.click("#ended a")
        visitor.page = opened.value
        visitor.log_in()
        visitor.page.wait_for_url("**/admin/")
        visitor.page.close()
        page.evaluate("dispatchEvent(new Event('focus'))")
        page.wait_for_selector("#ended", state="detached")
        assert page.input_value("#study-toml textarea") == TYPED
        page.click("#study-begin")
        page.wait_for_selector("#study-said .problem")


def test_a_page_whose_answer_was_lost_in_the_midst_says_so(browser: Browser, app: App) -> None:
    """Gradio's own word is a box that is not shown here, and its reload would take along what was typed."""
    with Visitor(browser, f"{app.url}/admin") as visitor:
        page = visitor.page
        _edit(visitor)
        page.route(NEWS, lambda route: route.abort("connectionreset"))
        page.click("#study-begin")
        page.wait_for_selector("#lost")
        page.unroute(NEWS)
        page.wait_for_timeout(3000)
        assert page.input_value("#study-toml textarea") == TYPED


def test_what_is_asked_while_the_stream_of_answers_closes_is_answered(browser: Browser, app: App) -> None:
    """Gradio took it for open until it had read of its end, and never asked for the second answer."""
    with Visitor(browser, f"{app.url}/admin") as visitor:
        page = visitor.page
        _edit(visitor)
        held: list[tuple[Route, APIResponse]] = []
        page.route(NEWS, lambda route: held.append((route, route.fetch())), times=1)
        page.click("#study-begin")
        visitor.wait_for(lambda: bool(held))
        _tab(page, "Invites")
        page.fill("#invite-label textarea, #invite-label input", "while it closes")
        with page.expect_response(JOIN):
            page.click("#invite-make")
        route, answer = held[0]
        route.fulfill(response=answer)
        page.wait_for_selector("#invite-list td:text-is('while it closes')")


def test_an_answer_that_was_kept_back_by_the_end_of_a_login_comes_after_the_next_one(
    browser: Browser, app: App
) -> None:
    with Visitor(browser, f"{app.url}/admin") as visitor:
        page = visitor.page
        _edit(visitor)
        page.route(NEWS, lambda route: route.fulfill(status=401, json={"detail": "Not authenticated"}))
        page.click("#study-begin")
        page.wait_for_selector("#ended")
        page.unroute(NEWS)
        page.evaluate("dispatchEvent(new Event('focus'))")
        page.wait_for_selector("#study-said .problem")
        assert page.locator("#ended, #lost").count() == 0


def test_a_download_whose_login_has_ended_is_no_file_of_the_login(browser: Browser, app: App) -> None:
    with Visitor(browser, f"{app.url}/admin") as visitor:
        page = visitor.page
        begun: list[str] = []
        page.on("download", lambda download: begun.append(download.suggested_filename))
        visitor.log_in("Downloads")
        with page.expect_download():
            page.click("a[href='export/csv']")
        visitor.context.clear_cookies()
        page.click("a[href='export/csv']")
        page.wait_for_selector("#ended")
        page.click("a[href='export/jsonl']")
        page.wait_for_timeout(1000)
        assert len(begun) == 1


# In a page: the names of the drafts that its tab keeps.
KEPT = "Object.keys(sessionStorage).filter((key) => key.startsWith('diptych/admin.draft.'))"
DRAFTS = {  # by tab: the boxes and what is typed in them
    "Chat lab": {"#lab-prompt textarea": "What is a f", "#lab-system textarea": "Answer in one line."},
    "Invites": {"#invite-label textarea, #invite-label input": "The third seminar"},
    "Study": {"#study-toml textarea": TYPED},
}


def _open(page: Page, name: str) -> None:
    page.wait_for_selector("[role=tab]")
    _tab(page, name)
    if name == "Study":
        page.click("#study-edit > button")


def test_what_is_typed_survives_a_reload_until_it_is_sent(browser: Browser, app: App) -> None:
    with Visitor(browser, f"{app.url}/admin") as visitor:
        page = visitor.page
        page.on("dialog", lambda dialog: dialog.accept())
        visitor.log_in()
        for tab, boxes in DRAFTS.items():
            _open(page, tab)
            if tab == "Study":
                page.wait_for_function("document.querySelector('#study-toml textarea')?.value.includes('Test study')")
            for box, text in boxes.items():
                page.fill(box, text)
        page.reload()
        for tab, boxes in DRAFTS.items():
            _open(page, tab)
            for box, text in boxes.items():
                page.wait_for_function("([box, text]) => document.querySelector(box)?.value === text", arg=[box, text])
        page.click("#study-draft button")
        _open(page, "Study")
        page.wait_for_function("document.querySelector('#study-toml textarea')?.value.includes('Test study')")
        _tab(page, "Invites")
        page.click("#invite-make")
        page.wait_for_selector("#invite-said code")
        _tab(page, "Chat lab")
        page.click("#lab-send")
        page.wait_for_function("document.querySelector('#lab-prompt textarea').value === ''")
        page.wait_for_function(f"{KEPT}.join() === 'diptych/admin.draft.system'")
        page.click("[action=logout] button")
        page.wait_for_function(f"{KEPT}.length === 0")


def _log_in_again(visitor: Visitor, app: App) -> None:
    typed = {"username": "admin", "password": PASSWORD}
    answer = visitor.context.request.post(f"{app.url}/admin/login", form=typed, headers={"origin": app.url})
    assert answer.ok, answer.text()


def test_what_is_typed_goes_with_the_login(browser: Browser, app: App) -> None:
    """The next researcher may sit at the same computer, in the same tab; whoever logs in again goes on."""
    box, ended = "#lab-system textarea", "dispatchEvent(new Event('focus'))"
    with Visitor(browser, f"{app.url}/admin") as visitor:
        page = visitor.page
        visitor.log_in()
        _open(page, "Chat lab")
        page.fill(box, "Of the first")
        page.wait_for_function(f"{KEPT}.length === 1")
        assert page.evaluate("Object.keys(localStorage).length") == 0, "what outlives the tab"
        visitor.context.clear_cookies()
        page.evaluate(ended)
        page.wait_for_function(f"{KEPT}.length === 0")
        assert page.input_value(box) == "Of the first"
        _log_in_again(visitor, app)
        page.evaluate(ended)
        page.wait_for_function(f"{KEPT}.length === 1")
        page.goto(app.url)
        visitor.context.clear_cookies()
        _log_in_again(visitor, app)
        with page.expect_response("**/admin/session"):
            page.goto(f"{app.url}/admin/")
        page.wait_for_function(f"{KEPT}.length === 0")
        _open(page, "Chat lab")
        page.wait_for_timeout(1000)
        assert page.input_value(box) == ""
        page.fill(box, "Of the second")
        page.wait_for_function(f"{KEPT}.length === 1")
        visitor.context.clear_cookies()
        page.goto(f"{app.url}/admin/")
        page.wait_for_selector("[name=password]")
        page.wait_for_function(f"{KEPT}.length === 0")
