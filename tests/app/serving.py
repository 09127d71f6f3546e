"""The real app in a child process, on a port and a database of its own."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120  # a machine that does much else takes a while
PASSWORD = "a-password-for-tests"

STUDY = """
name = "Test study"
rounds = 2
reveal = "{reveal}"
show_models = true
max_turns = 2
max_new_tokens = 48
temperature = 0.7
top_p = 0.9
reasons = ["Clearer", "More accurate"]

[consent]
version = "1"
text = "We store what you write."

[[prompts]]
id = "p1"
category = "Movements"
text = "What is Impressionism?"

[[prompts]]
id = "p2"
category = "Works"
text = "Who painted Guernica?"

[[prompts]]
id = "p3"
category = "AI"
text = "What is a neural network?"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_study(folder: Path, reveal: str = "end") -> Path:
    path = folder / "study.toml"
    path.write_text(STUDY.format(reveal=reveal), encoding="utf-8")
    return path


class App:
    """One running app; `start` after `kill` serves the same database on the same port again."""

    def __init__(
        self, folder: Path, model1: str, model2: str, command: list[str] | None = None, reveal: str = "end"
    ) -> None:
        self.folder = folder
        self.database = folder / "votes.db"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "app.log"
        self.logs = folder / "logs"  # of trainings
        self.root = ROOT  # of the program
        self.path: Path | None = None  # where Python finds it, where that is elsewhere
        study = write_study(folder, reveal)
        self._command = [
            *(command or [sys.executable, "app.py", "--model1", model1, "--model2", model2]),
            *("--port", str(self.port), "--db", str(self.database), "--study", str(study)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> App:
        environment = {**os.environ, "DIPTYCH_ADMIN_PASSWORD": PASSWORD, "PYTHONPATH": str(self.path or self.root)}
        environment["DIPTYCH_LOGS"] = str(self.logs)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=self.root, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                self.ask("/healthz")
                return self
            except httpx.HTTPError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.1)
        self.stop()
        raise AssertionError(f"the app did not start:\n{self.log.read_text()}")

    def ask(self, path: str) -> httpx.Response:
        """Again and again, where need be: without the certificates that httpx loads each time, for 50 ms of CPU."""
        return httpx.get(self.url + path, timeout=5, verify=False)

    def health(self) -> dict[str, Any]:
        told: dict[str, Any] = self.ask("/healthz").json()
        return told

    @property
    def pid(self) -> int:
        """The running app's process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it as Ctrl-C or an init system does."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """The kernel refuses every byte that the app writes into a file, as when a disk or a quota is used up."""
        import resource  # which Windows has not

        soft, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            return connection.execute(query, arguments).fetchall()


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something to become true; fail when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
