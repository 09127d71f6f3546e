"""How often one tester and one address may ask, and how long a wrong password keeps one out."""

from __future__ import annotations

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from app import login
from app.limits import HOUR, MAX_KEYS, Limits, Window
from app.login import COOKIE, Login
from feedback.blind_test import Refused


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_tester_is_told_when_to_come_back() -> None:
    clock = Clock()
    limits = Limits(tester=2, address=0, clock=clock)
    for clock.now in (0.0, 600.0):
        limits.check("here", "ada")
        limits.count("here", "ada")
    with pytest.raises(Refused, match=r"2 questions within an hour; come back in 50 minutes\.$"):
        limits.check("elsewhere", "ada")
    limits.check("here", "bob")
    clock.now = HOUR - 20
    with pytest.raises(Refused, match="in 20 seconds"):
        limits.check("here", "ada")
    clock.now = HOUR
    limits.check("here", "ada")


def test_an_address_is_limited_over_all_its_testers_and_new_sessions() -> None:
    limits = Limits(tester=0, address=3, clock=Clock())
    limits.count("here")
    limits.count("here", "ada")
    limits.count("here", "bob")
    with pytest.raises(Refused, match="from your network"):
        limits.check("here", "carol")
    limits.check("there", "carol")


def test_what_is_past_is_forgotten() -> None:
    clock = Clock()
    window = Window(1, 10, clock)
    for number in range(MAX_KEYS):
        window.count(str(number))
    clock.now = 11
    window.count("last")
    assert len(window._events) == 1
    unlimited = Window(0, 10, clock)
    unlimited.count("x")
    assert unlimited.wait("x") == 0


def test_guessing_the_password_is_limited_and_a_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(login.time, "monotonic", clock)
    server = FastAPI()
    door = Login("right")
    server.include_router(door.router)
    client = TestClient(server)

    def enter(password: str) -> int:
        return client.post("/admin/login", data={"username": "admin", "password": password}).status_code

    assert enter("right") == 200
    token = client.cookies[COOKIE]
    assert token in door._sessions
    for _ in range(login.MAX_FAILURES):
        assert enter("wrong") == 401
    blocked = client.post("/admin/login", data={"username": "admin", "password": "right"})
    assert blocked.status_code == 429
    assert "try again in" in blocked.text
    assert int(blocked.headers["Retry-After"]) <= login.FAILURE_SECONDS + 1
    clock.now = login.FAILURE_SECONDS + 1
    assert enter("right") == 200
    clock.now = login.SESSION_SECONDS + login.FAILURE_SECONDS + 2
    scope = {"type": "http", "path": "/x", "headers": [(b"cookie", f"{COOKIE}={token}".encode())]}
    assert door.user(Request(scope)) is None, "the session has ended"
