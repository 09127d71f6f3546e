"""The researchers' login: guesses take longer and longer, and the right password always gets in."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from app import login
from app.login import COOKIE, LONGEST_DELAY_SECONDS, Login
from benchmarks.page import run
from tests.app.serving import PASSWORD, App


class Time:
    """A clock that moves when told, or as far as somebody sleeps."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(login, "time", clock)
    monkeypatch.setattr(login, "asyncio", clock)
    return clock


def server(password: str = "right") -> FastAPI:
    app, door = FastAPI(), Login(password)
    app.include_router(door.router)
    app.add_api_route("/admin/export/csv", lambda: "votes", dependencies=[Depends(door.required)])
    return app


def browser(app: FastAPI, host: str = "203.0.113.7") -> TestClient:
    return TestClient(app, client=(host, 50000))


def enter(client: TestClient, clock: Time, password: str) -> tuple[int, float]:
    """The status, and how long the answer took."""
    before = clock.now
    status = client.post("/admin/login", data={"username": "admin", "password": password}).status_code
    return status, clock.now - before


def test_guesses_take_longer_and_longer_and_the_right_password_gets_in(clock: Time) -> None:
    app = server()
    attacker, researcher = browser(app), browser(app)
    waits = [enter(attacker, clock, f"guess {number}")[1] for number in range(12)]
    assert waits == [0, 0, 0, 0.5, 1, 2, 4, 8, 8, 8, 8, 8]
    status, wait = enter(researcher, clock, "right")
    assert (status, wait) == (200, LONGEST_DELAY_SECONDS), "within ten seconds, though others guess from there"
    assert enter(browser(app, "198.51.100.1"), clock, "right") == (200, 0), "another address does not wait"
    for number in range(50):
        enter(attacker, clock, f"more {number}")
    assert enter(researcher, clock, "right") == (200, 0), "a browser that was in before has guesses of its own"
    assert enter(researcher, clock, "typo") == (401, 0)
    clock.now += login.FORGET_SECONDS + 1
    assert enter(attacker, clock, "again") == (401, 0)
    clock.now += login.BROWSER_SECONDS
    for number in range(12):
        enter(attacker, clock, f"later {number}")
    assert enter(researcher, clock, "right")[1] == LONGEST_DELAY_SECONDS, "who was in a month ago is not known any more"


def test_the_wait_does_not_tell_whether_a_password_is_right(clock: Time) -> None:
    waits = []
    for last in ("right", "wrong"):
        app = server()
        for number in range(6):
            enter(browser(app), clock, f"guess {number}")
        waits.append(enter(browser(app), clock, last)[1])
    assert waits[0] == waits[1] > 0


def test_the_same_wrong_password_is_one_guess_and_a_proxys_is_none(clock: Time) -> None:
    app = server()
    client = browser(app)
    for _ in range(100):  # a script with an old password
        assert client.get("/admin/export/csv", auth=("admin", "old")).status_code == 401
    for number in range(100):  # a proxy that asks for a password of its own
        assert client.get("/admin/export/csv", auth=("proxy", f"its own {number}")).status_code == 401
    assert enter(client, clock, "right") == (200, 0)
    assert client.get("/admin/export/csv", auth=("proxy", "its own")).status_code == 200, "the session counts"
    assert client.get("/admin/export/csv", auth=("admin", "right")).status_code == 200


@pytest.mark.parametrize("typed", ["Mañana é", "Man\u0303ana e\u0301", " Mañana é ", "Mañana é\r\n"])
def test_a_password_is_the_same_however_a_system_types_it(clock: Time, typed: str) -> None:
    for kept in ("Mañana é", "Man\u0303ana e\u0301\n"):
        app = server(kept)
        assert enter(browser(app), clock, typed)[0] != 401
        by_basic = b"admin:" + typed.encode()
        header = {"Authorization": f"Basic {base64.b64encode(by_basic).decode()}"}
        assert browser(app).get("/admin/export/csv", headers=header).text == '"votes"'
        assert enter(browser(app), clock, "Manana e")[0] == 401


def test_this_machine_does_not_wait(clock: Time) -> None:
    app = server()
    for number in range(50):
        assert enter(browser(app, "127.0.0.1"), clock, f"guess {number}") == (401, 0)
    proxied = browser(app, "127.0.0.1")
    proxied.headers["X-Forwarded-For"] = "203.0.113.9"  # of a proxy on this machine that is not trusted
    assert sum(enter(proxied, clock, f"guess {number}")[1] for number in range(9)) > 0
    rebound = TestClient(server(), base_url="http://evil.example:7860", client=("127.0.0.1", 50000))
    assert sum(enter(rebound, clock, f"guess {number}")[1] for number in range(9)) > 0, "a page of another site"


@pytest.mark.parametrize(("charset", "half"), [("unicode_escape", b"\\ud800"), ("utf-7", b"+2AA-")])
def test_half_a_character_is_a_wrong_name(clock: Time, charset: str, half: bytes) -> None:
    """It was an answer of 500: a form may say in which way its text is written."""
    part = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    body = part % (b"username", half) + part % (b"password", half) + b"--x--\r\n"
    form = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
    answer = browser(server()).post("/admin/login", content=body, headers=form)
    assert answer.status_code == 401


@pytest.mark.parametrize("charset", ["undefined", "punycode", "idna", "none"])
def test_a_form_in_no_writing_is_no_fault_of_ours(clock: Time, charset: str) -> None:
    """Python knows ways to write a text in which none can be read, and says so with errors of its own."""
    part = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    body = part % (b"username", b"a..b") + part % (b"password", b"x" * 70) + b"--x--\r\n"
    form = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
    assert browser(server()).post("/admin/login", content=body, headers=form).status_code in (400, 401)


def test_a_file_is_no_password(clock: Time) -> None:
    client = browser(server())
    files = {"username": (None, "admin"), "password": ("right.txt", b"right")}
    assert client.post("/admin/login", files=files).status_code == 401
    assert client.post("/admin/login", files={**files, "password": (None, "right")}).status_code == 200


def test_addresses_are_forgotten_and_an_address_of_ipv6_is_its_network(
    clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "MAX_KEYS", 100)
    guesses = login.Guesses()
    for number in range(300):
        guesses.count(str(number), b"x")
    assert len(guesses._tries) == 100
    app = server()
    for number in range(8):
        enter(browser(app, f"2001:db8::{number}"), clock, f"guess {number}")
    assert enter(browser(app, "2001:db8::ffff"), clock, "right") == (200, LONGEST_DELAY_SECONDS)


def test_a_browser_is_answered_with_a_page(clock: Time) -> None:
    client = browser(server())
    client.headers["Accept"] = "text/html"
    wrong = client.post("/admin/login", data={"username": "admin", "password": "wrong"})
    assert wrong.status_code == 401
    assert "<form" in wrong.text
    assert "is wrong" in wrong.text
    export = client.get("/admin/export/csv", follow_redirects=False)
    assert (export.status_code, export.headers["location"]) == (303, "/admin/login")


def test_a_session_ends_and_says_so(clock: Time) -> None:
    client = browser(server())
    assert client.get("/admin/session").status_code == 401
    enter(client, clock, "right")
    cookie = client.cookies[COOKIE]
    assert client.get("/admin/session").json()["seconds"] == login.SESSION_SECONDS
    clock.now += login.SESSION_SECONDS + 1
    client.cookies.set(COOKIE, cookie)
    ended = client.get("/admin/session")
    assert client.get("/admin/session", auth=("admin", "right")).status_code == 200, "as a proxy says it"
    assert (ended.status_code, "has ended" in ended.text) == (401, True)
    assert client.get("/admin/export/csv").status_code == 401


def test_a_browser_that_keeps_no_cookie_is_told_and_given_the_direct_address(clock: Time) -> None:
    client = browser(server())
    client.headers["Accept"] = "text/html"
    answer = client.post("/admin/login", data={"username": "admin", "password": "right"}, follow_redirects=False)
    assert answer.headers["location"] == "/admin/login?in"
    assert all("samesite=lax" in cookie.lower() for cookie in answer.headers.get_list("set-cookie"))
    told = browser(server()).get("/admin/login?in")
    assert told.status_code == 401
    assert "did not keep the login" in told.text
    assert 'target="_blank"' in told.text
    kept = client.get("/admin/login?in", follow_redirects=False)
    assert kept.headers["location"] == "/admin/"


def test_a_hundred_guesses_at_once_do_not_keep_the_right_one_out(besieged: App) -> None:
    """Against the running app, as from behind a proxy that is not trusted: loopback itself is exempt."""

    async def storm() -> tuple[int, float, set[int]]:
        headers = {"X-Forwarded-For": "203.0.113.7", "Origin": besieged.url}
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=besieged.url, headers=headers, timeout=60, limits=limits) as http:

            async def attempt(password: str) -> Any:
                return await http.post("/admin/login", data={"username": "admin", "password": password})

            guesses = [asyncio.create_task(attempt(f"guess {number}")) for number in range(100)]
            await asyncio.sleep(0.5)
            started = asyncio.get_running_loop().time()
            answer = await attempt(PASSWORD)
            seconds = asyncio.get_running_loop().time() - started
            health = await http.get("/healthz")
            assert health.status_code == 200
            return answer.status_code, seconds, {(await guess).status_code for guess in guesses}

    status, seconds, others = run(storm())
    assert status == 200
    assert seconds < 10
    assert others == {401}
