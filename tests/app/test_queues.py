"""Researchers' pages that are opened and left, again and again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.protection import ADMIN_EVENTS
from app.queues import MAX_PAGES, MAX_UNREAD
from benchmarks.serving import memory_mb
from tests.app.serving import PASSWORD, App


class Researcher:
    """Sends events of the page that take no values, and reads their answers if told to."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        config = http.get("/admin/config").json()
        self._events = [entry["id"] for entry in config["dependencies"] if not entry["inputs"]]
        self._sent = 0

    def send(self, page: str) -> int:
        self._sent += 1
        number = self._events[self._sent % len(self._events)]
        body: dict[str, Any] = {"data": [], "fn_index": number, "session_hash": page}
        return self._http.post(ADMIN_EVENTS, json=body).status_code

    def read(self, page: str) -> list[str]:
        text = self._http.get("/admin/gradio_api/queue/data", params={"session_hash": page}).text
        return [json.loads(line[6:])["msg"] for line in text.splitlines() if line.startswith("data: ")]


@pytest.fixture
def researcher(besieged: App) -> Iterator[Researcher]:
    with httpx.Client(base_url=besieged.url, timeout=60, headers={"Origin": besieged.url}) as http:
        http.post("/admin/login", data={"username": "admin", "password": PASSWORD}).raise_for_status()
        yield Researcher(http)


def test_pages_that_were_left_cost_no_memory(besieged: App, researcher: Researcher) -> None:
    for number in range(2 * MAX_PAGES):
        assert researcher.send(f"first{number}") == 200
    before = memory_mb(besieged.pid)
    for number in range(150):
        assert researcher.send(f"left{number}") == 200
    assert memory_mb(besieged.pid) - before < 10, "Gradio keeps 0.2 MB of each"
    assert researcher.send("open") == 200
    assert "process_completed" in researcher.read("open")


def test_a_page_that_takes_no_answers_gets_no_more(researcher: Researcher) -> None:
    statuses = [researcher.send("deaf") for _ in range(MAX_UNREAD)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert "process_completed" in researcher.read("deaf"), "what it was given is kept for it"
    assert researcher.send("deaf") == 200
