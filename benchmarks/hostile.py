"""Thousands of hostile requests over all routes and events: does any break the app, and can testers still vote?

    python benchmarks/hostile.py --requests 10000 --out docs/benchmarks-hostile.md

Two processes on 127.0.0.1: `python app.py` with a made-up model server, and this one. The requests are drawn from a
seed: routes known and unknown with any method, events of both pages with values of wrong types, lengths and depths,
broken HTTP. Every 500 of them a tester consents, asks, reads and votes. Ends by itself; wants no answer of 500, each of
these votes saved and a memory that does not grow.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
import psutil

from app.protection import ADMIN_EVENTS, EVENTS, PREFIXES, ROUTES
from benchmarks.outputs import own_file, write
from benchmarks.page import Page, ask, client, enter, read_config, run
from benchmarks.serving import memory_mb
from tests.app.chat_server import ChatServer
from tests.app.serving import PASSWORD, App

ROUND_EVERY = 500
MEMORY_GROWTH_MB = 20.0
METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
# What would end the study or start a training; everything else of the researchers' page is tried.
SPARED = {"study-close", "study-begin", "models-evaluate"}
WORST = (
    "a" + "\u0301\u0316" * 40_000, "\u0301" * 3999, "x" * (1 << 20) , "x" * 19_999, "\ud800", "\x00\x1b[31m\r\nforged",
    "' OR 1=1 --", "<img src=x onerror=alert(1)>", "${7*7}{{7*7}}", "../../etc/passwd", "\u202e\u2066", "9" * 19,
    "NaN", "", "model1", "true", "-1", "1e999", "\U0001f600" * 999,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, False, 0, -1, 10**19, 10**400, 1e308, 2**53, [], {}, [[]], [None] * 99, {"a": {"b": []}}, *WORST,
)  # fmt: skip
LINES = (
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /gradio_api/run/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    b"GET /%00%ff/../admin HTTP/1.1\r\nHost: \r\n\r\n",
)


@dataclass
class Findings:
    """What came back."""

    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)  # requests that were answered with 500
    memory: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)  # seconds from consent to the saved vote
    errors: list[str] = field(default_factory=list)

    def count(self, kind: str, status: str, what: str = "") -> None:
        """Write an answer down."""
        self.statuses.setdefault(kind, Counter())[status] += 1
        if status == "500":
            self.broken.append(what[:300])

    @property
    def sent(self) -> int:
        """Requests so far."""
        return sum(sum(counter.values()) for counter in self.statuses.values())


class Attacker:
    """Draws requests from a seed and sends them."""

    def __init__(self, app: App, seed: int) -> None:
        self.chance = random.Random(seed)
        self.findings = Findings()
        self._port = app.port
        self._http = httpx.Client(base_url=app.url, timeout=60, headers={"Origin": app.url})
        self._admin = httpx.Client(base_url=app.url, timeout=60, headers={"Origin": app.url})
        self._admin.post("/admin/login", data={"username": "admin", "password": PASSWORD}).raise_for_status()
        self._events = _events(self._http.get("/config").json())
        self._admin_events = _events(self._admin.get("/admin/config").json())
        self._token = ""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._admin.close()

    def use(self, token: str) -> None:
        """Act as this tester as well as as nobody."""
        self._token = token

    def strike(self) -> None:
        """Send one request of a drawn kind."""
        kind = self.chance.choices(("route", "event", "admin event", "login", "line"), (25, 45, 20, 5, 5))[0]
        try:
            {
                "route": self._route, "event": self._event, "admin event": self._admin_event, "login": self._login,
                "line": self._line,
            }[kind]()  # fmt: skip
        except httpx.TransportError as error:
            self.findings.count(kind, type(error).__name__)

    def _send(self, kind: str, http: httpx.Client, method: str, path: str, **options: Any) -> None:
        with http.stream(method, path, **options) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                response.read()
            self.findings.count(kind, str(response.status_code), f"{method} {path} {options}")

    def _route(self) -> None:
        known = [*ROUTES, *(prefix + "x" for prefix in PREFIXES)]
        odd = (
            "/%2e%2e/etc",
            "//admin",
            "/gradio_api/upload",
            "/gradio_api/dev/reload",
            "/admin/export/csv/manifest.json",
        )
        path = self.chance.choice((*known, *odd, "/" + self._text()[:200]))
        headers = self.chance.choice(
            ({}, {"Origin": "http://evil.example"}, {"Host": "evil"}, {"Range": "bytes=0-"}, {"Accept": "text/html"},
             {"Authorization": "Basic ????"}, {"X-Forwarded-For": "1.1.1.1"}, {"Cookie": "diptych-admin=x"})
        )  # fmt: skip
        body = self.chance.choice((b"", b"{}", b"[" * 5000, b"\xff\xfe"))
        http = self.chance.choice((self._http, self._admin)) if path != "/admin/logout" else self._http
        url = str(self._http.base_url).rstrip("/") + quote(path.encode("utf-8", "replace"), safe="/%")
        self._send("route", http, self.chance.choice(METHODS), url, headers=headers, content=body)

    def _event(self) -> None:
        self._send("event", self._http, "POST", EVENTS, content=self._body(self._events, self._token))

    def _admin_event(self) -> None:
        self._send("admin event", self._admin, "POST", ADMIN_EVENTS, content=self._body(self._admin_events, ""))

    def _login(self) -> None:
        form = {self.chance.choice(("username", "password", "x")): self._text()[:1000] for _ in range(2)}
        self._send("login", self._http, "POST", "/admin/login", data=_utf8(form))

    def _line(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), 10) as connection:
            connection.settimeout(20)
            try:
                connection.sendall(self.chance.choice(LINES))
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(4096)
            except OSError:
                answer = b""
        self.findings.count("line", answer[9:12].decode("ascii", "replace") or "closed")

    def _body(self, events: list[tuple[int, int]], token: str) -> bytes:
        number, arity = self.chance.choice(events)
        if self.chance.random() < 0.1:
            arity += self.chance.choice((-1, 1, 50))
        data = [self.chance.choice(VALUES) for _ in range(max(0, arity))]
        if data and self.chance.random() < 0.5:
            data[0] = token
        page = f"hostile{self.chance.randrange(10**6)}"  # its stream is not read
        body: Any = {"data": data, "fn_index": number, "session_hash": page}
        twist = self.chance.random()
        if twist < 0.1:
            body[self.chance.choice(list(body))] = self.chance.choice(VALUES)
        elif twist < 0.15:
            body = self.chance.choice(VALUES)
        elif twist < 0.2:
            return b'{"data": ' + b"[" * 50_000
        return json.dumps(body).encode()

    def _text(self) -> str:
        return self.chance.choice(WORST)


def _events(config: dict[str, Any]) -> list[tuple[int, int]]:
    """Number and arity of each event of a page."""
    elements = {entry["id"]: entry["props"].get("elem_id") for entry in config["components"]}
    return [
        (entry["id"], len(entry["inputs"])) for entry in config["dependencies"]
        if not any(elements.get(target) in SPARED for target, _ in entry["targets"])
    ]  # fmt: skip


def _utf8(form: dict[str, str]) -> dict[str, str]:
    return {name: value.encode("utf-8", "replace").decode() for name, value in form.items()}


async def normal_round(url: str) -> tuple[float, str]:
    """A tester from the consent to the vote: the seconds that it took, and the token."""
    started = time.monotonic()
    async with client(url) as http:
        page = Page(http, await read_config(http))
        await enter(page)
        await ask(page, "What is Impressionism?")
        await page.click("vote-left")
        if "Saved" not in page.text("status"):
            raise RuntimeError(page.text("status"))
        return time.monotonic() - started, page.token


def attack(app: App, requests: int, seed: int = 13, round_every: int = ROUND_EVERY) -> Findings:
    """Send so many requests, with a normal round before, between and after them."""
    attacker = Attacker(app, seed)
    findings = attacker.findings
    try:
        for number in range(requests + 1):
            if number % round_every == 0 or number == requests:
                try:
                    seconds, token = run(normal_round(app.url))
                    findings.rounds.append(seconds)
                    attacker.use(token)
                except (httpx.HTTPError, RuntimeError) as error:
                    findings.errors.append(f"round after {number}: {type(error).__name__}: {error}"[:200])
                findings.memory.append(memory_mb(app.pid))
            if number < requests:
                attacker.strike()
    finally:
        attacker.close()
    return findings


def cpu_ms(pid: int) -> float:
    """Processor time that a process has used, in milliseconds, that of its ended threads included."""
    if sys.platform == "linux":  # its CPU-time clock, to the nanosecond, as clock_getcpuclockid(3) numbers it
        return time.clock_gettime((~pid << 3) | 2) * 1000
    times = psutil.Process(pid).cpu_times()  # macOS tells these as finely; Linux would tell hundredths of a second here
    return (times.user + times.system) * 1000


def grown(memory: list[float]) -> float:
    """MB that the memory grew after the first third, in which caches fill."""
    return memory[-1] - max(memory[: max(1, len(memory) // 3)])


def report(findings: Findings, arguments: argparse.Namespace) -> str:
    """The findings as Markdown."""
    codes = sorted({code for counter in findings.statuses.values() for code in counter})
    held = not findings.broken and not findings.errors and grown(findings.memory) < MEMORY_GROWTH_MB
    lines = [
        f"# {findings.sent:,} hostile requests", "",
        f"Measured on {time.strftime('%Y-%m-%d')} with `benchmarks/hostile.py --requests {arguments.requests} --seed "
        f"{arguments.seed}` on {os.cpu_count()} cores.", "",
        "| requests | " + " | ".join(codes) + " |", "|---|" + "---:|" * len(codes),
        *(
            f"| {kind} | " + " | ".join(str(counter[code] or "") for code in codes) + " |"
            for kind, counter in sorted(findings.statuses.items())
        ), "",
        f"Answers of 500: {len(findings.broken)}. Normal rounds, one every {ROUND_EVERY} requests: "
        f"{len(findings.rounds)} saved, {len(findings.errors)} not; the slowest {max(findings.rounds or [0]):.2f} s. "
        f"Memory: {findings.memory[0]:.0f} MB at the start, {findings.memory[-1]:.0f} MB at the end, "
        f"{grown(findings.memory):+.1f} MB after the first third (less than {MEMORY_GROWTH_MB:.0f} is wanted).", "",
        "All that was asked for is held." if held else "Not held.", "",
        *(f"- {line}" for line in (findings.broken + findings.errors)[:20]),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--out", type=own_file, help="write the report there")
    arguments = parser.parse_args()
    model = ChatServer()
    model.gate.set()
    with tempfile.TemporaryDirectory() as folder:
        limits = ["--tester-limit", "0", "--address-limit", "0"]
        command = [sys.executable, "app.py", "--model1", model.spec, "--model2", model.spec, *limits]
        app = App(Path(folder), "", "", command).start()
        try:
            findings = attack(app, arguments.requests, arguments.seed)
        finally:
            app.stop()
            model.close()
    text = report(findings, arguments)
    write(arguments.out, text)
    print(text)
    if findings.broken or findings.errors:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
