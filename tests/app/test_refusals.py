"""What refuses a request on its way, the app's own limit or something in front of it, is told, and the vote follows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.app.chat_server import ChatServer
from tests.app.serving import App
from tests.app.visitor import PREDICT, Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, one_chat_server: ChatServer) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("refusals"), one_chat_server.spec, one_chat_server.spec).start()
    yield running
    running.stop()


def test_our_own_limit_is_told_with_when_it_goes_on_and_the_vote_follows_by_itself(browser: Browser, app: App) -> None:
    """Not "no connection", which is what a proxy's 429 is taken for."""
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        visitor.ask("What is Impressionism?")
        comment = "Kept, whatever the limit. " * 70
        token = visitor.page.evaluate("localStorage.getItem('diptych.token')")
        read = threading.Event()
        with httpx.Client(base_url=app.url, timeout=30, headers={"Origin": app.url}) as http:
            stop = next(entry for entry in http.get("/config").json()["dependencies"] if len(entry["inputs"]) == 2)

            def send(size: int) -> httpx.Response:
                event = {"fn_index": stop["id"], "data": [token, "x" * size], "session_hash": "full"}
                return http.post("/gradio_api/run/predict", json=event)

            def fill() -> None:
                while not read.wait(0.05):  # fewer than an address may send
                    send(0)

            while (refused := send(190_000)).status_code == 200:
                pass
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            assert "goes on" in refused.json()["error"]
            for size in (20_000, 2_000, 500):  # until there is no room for a vote
                while send(size).status_code == 200:
                    pass
            with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
                filling = pool.submit(fill)
                stack.callback(read.set)
                visitor.page.fill("#comment textarea", comment)
                visitor.page.click("#vote-right")
                visitor.wait_for_status("This page has sent too much; it goes on in")
                status = visitor.status
                read.set()
                filling.result()
        assert "What you typed and chose is kept in this browser" in status
        assert "No connection" not in status
        visitor.page.wait_for_selector("#next-round")
        visitor.page.wait_for_function("() => !document.getElementById('unreachable')")
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        votes = app.rows("SELECT choice, comment FROM votes WHERE battle_id = ? AND superseded = 0", battle)
        assert votes == [("right", comment.strip())]


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (401, "application/json", '{"error": "login_required"}'),
        (500, "application/json", '{"message": "Internal server error"}'),
        (200, "text/html", "<h1>Welcome to the hotel's network</h1>"),
        (200, "application/json", '{"ok": true}'),
    ],
)
def test_what_something_in_front_of_the_app_answers_is_told_and_the_vote_follows(
    browser: Browser, app: App, status: int, kind: str, body: str
) -> None:
    """An answer in JSON was taken for the app's: the page said nothing, and the click seemed to do nothing."""
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        visitor.ask("What is Impressionism?")
        visitor.page.route(PREDICT, lambda route: route.fulfill(status=status, content_type=kind, body=body))
        visitor.page.click("#vote-right")
        visitor.wait_for_status(f"No connection to the server. (HTTP {status}) What you typed and chose is kept")
        visitor.page.unroute(PREDICT)
        visitor.page.wait_for_selector("#next-round")
        assert visitor.status == "Saved: B is better."
        battle = app.rows("SELECT MAX(id) FROM battles")[0][0]
        assert app.rows("SELECT choice FROM votes WHERE battle_id = ?", battle) == [("right",)]


def test_a_proxy_that_hides_the_host_is_told_as_that_and_the_vote_follows_when_it_is_mended(
    browser: Browser, app: App
) -> None:
    """Not "no connection", by which whoever put the proxy in front would look in the wrong place."""
    with Visitor(browser, app.url) as visitor:
        visitor.consent()
        visitor.ask("What is Impressionism?")
        foreign = {"origin": "http://elsewhere.example", "sec-fetch-site": "same-site"}

        def mistake(route: Route) -> None:
            answer = route.fetch(headers={**route.request.headers, **foreign})
            assert answer.status == 403, "the server's own word"
            route.fulfill(response=answer)

        visitor.page.route(PREDICT, mistake)
        visitor.page.click("#vote-right")
        visitor.wait_for_status("the proxy in front must pass on the Host")
        assert "What you typed and chose is kept in this browser" in visitor.status
        assert "No connection" not in visitor.status
        visitor.page.unroute(PREDICT)
        visitor.page.wait_for_selector("#next-round")
        visitor.page.wait_for_function("() => !document.getElementById('unreachable')")
