"""A tester's page without a browser: it holds every component's value and sends what the page would send.

Speaks Gradio's own protocol over real HTTP, so that hundreds of testers fit into one process. What it cannot do is
draw.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx

from app.testers_layout import TICK_SECONDS

Result = TypeVar("Result")
CLIENT = {"seconds": 5.0, "time": "2026-01-01T00:00:00.000Z", "seen": {"left": 5.0, "right": 5.0}, "first": "both"}


class Page:
    """One tester's page; `http` is shared by all pages of a process."""

    def __init__(self, http: httpx.AsyncClient, config: dict[str, Any]) -> None:
        self._http = http
        self._session = secrets.token_hex(6)
        self._functions = {
            (target, event): function for function in config["dependencies"] for target, event in function["targets"]
        }
        self._ids = {c["props"].get("elem_id"): c["id"] for c in config["components"] if c["props"].get("elem_id")}
        # The components that keep the token and the round.
        self._token, self.key = self._functions[self._ids["vote-left"], "click"]["inputs"][:2]
        self.values = {c["id"]: c["props"].get("value") for c in config["components"]}
        self.visible = {c["id"]: c["props"].get("visible", True) for c in config["components"]}
        self._timer = next(c["id"] for c in config["components"] if c["type"] == "timer")
        self._shown = 0.0  # when the newest answers came
        self.active = False  # whether the page's timer runs

    @property
    def token(self) -> str:
        """The tester's opaque token."""
        return str(self.values[self._token] or "")

    def shows(self, element: str) -> bool:
        """Whether the element with this id is visible by itself."""
        return bool(self.visible[self._ids[element]])

    def text(self, element: str) -> str:
        """The value of the element with this id."""
        return str(self.values[self._ids[element]] or "")

    def set(self, element: str, value: Any) -> None:
        """What a tester types or ticks."""
        self.values[self._ids[element]] = value

    async def load(self) -> None:
        """What happens when the page is opened."""
        await self._trigger(next(f for (_, event), f in self._functions.items() if event == "load"))

    async def click(self, element: str) -> float:
        """Click and wait for what follows; seconds. A vote waits first until both answers can have been looked at."""
        if element.startswith("vote-"):
            least = max(map(float, re.findall(r'data-least-\w+="([\d.]+)"', self.text("progress"))), default=0.0)
            await asyncio.sleep(least - (time.monotonic() - self._shown))
        started = time.monotonic()
        await self._trigger(self._functions[self._ids[element], "click"])
        return time.monotonic() - started

    async def follow(self) -> None:
        """Ask for news as the page's timer does, until it is switched off."""
        while self.active:
            await asyncio.sleep(TICK_SECONDS)
            await self._trigger(self._functions[self._timer, "tick"])
        self._shown = time.monotonic()

    async def _trigger(self, function: dict[str, Any]) -> None:
        data = [self.values[number] for number in function["inputs"]]
        data[-1] = json.dumps(CLIENT | {"key": secrets.token_hex(8)})  # filled by the page's script
        body = {"data": data, "fn_index": function["id"], "session_hash": self._session, "event_data": None}
        response = await self._http.post("/gradio_api/run/predict", json=body)
        self._apply(function["outputs"], response.raise_for_status().json()["data"])

    def _apply(self, outputs: list[int], data: list[Any]) -> None:
        for number, value in zip(outputs, data, strict=True):
            if isinstance(value, dict) and value.get("__type__") == "update":
                if "value" in value:
                    self.values[number] = value["value"]
                if "visible" in value:
                    self.visible[number] = value["visible"]
                if number == self._timer:
                    self.active = value.get("active", self.active)
            else:
                self.values[number] = value


async def read_config(http: httpx.AsyncClient) -> dict[str, Any]:
    """What the page is made of."""
    config: dict[str, Any] = (await http.get("/config")).raise_for_status().json()
    return config


async def enter(page: Page) -> None:
    """Open the page, consent, start."""
    await page.load()
    page.set("consent", True)
    await page.click("start")
    if not page.token:
        raise RuntimeError(f"the page did not let a tester in: {page.text('status')}")


def client(url: str) -> httpx.AsyncClient:
    """Connections for hundreds of pages."""
    return httpx.AsyncClient(
        base_url=url,
        headers={"Origin": str(httpx.URL(url).copy_with(raw_path=b"/")).rstrip("/")},
        timeout=httpx.Timeout(300, connect=30),
        limits=httpx.Limits(max_connections=None, keepalive_expiry=2),
    )


async def ask(page: Page, question: str) -> float:
    """Ask and wait until both answers are there; seconds."""
    started = time.monotonic()
    page.set("prompt", question)
    await page.click("send")
    await page.follow()
    if not page.shows("votes"):
        raise RuntimeError(f"no vote is asked for: {page.text('status')}")
    return time.monotonic() - started


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end in a thread of its own: a browser of the tests may have left an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
