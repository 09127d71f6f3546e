"""The log for programs."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import pytest

from app import logs
from app.logs import EQUAL_LINES, JsonLines, Lines, Rate
from tests.app.serving import ROOT


def test_a_line_is_one_object_with_what_was_told() -> None:
    record = logging.makeLogRecord({"name": "app.rounds", "levelno": 20, "levelname": "INFO", "msg": "turn %s"})
    record.args = ("answered\nhere",)
    record.__dict__.update(turn=7, tokens=96)
    line = JsonLines().format(record)
    assert "\n" not in line
    entry = json.loads(line)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {"level": "info", "logger": "app.rounds", "message": "turn answered\nhere", "turn": 7, "tokens": 96}


def test_an_error_keeps_its_traceback() -> None:
    try:
        raise ValueError("bad")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "broke", "exc_info": (type(error), error, None)})
    assert "ValueError: bad" in json.loads(JsonLines().format(record))["traceback"]


SECRET = "what a tester typed\r\n2026-01-01 00:00:00,000 INFO app: forged \x1b[2J\u2028 end"


def failed() -> logging.LogRecord:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(SECRET) from error
    except ValueError as error:
        found = (type(error), error, error.__traceback__)
    return logging.makeLogRecord({"name": "app.x", "msg": "broke", "levelname": "ERROR", "exc_info": found})


@pytest.mark.parametrize("formatter", [Lines(), JsonLines(texts=False)])
def test_an_exception_is_told_by_type_and_place_without_its_message(formatter: logging.Formatter) -> None:
    line = formatter.format(failed())
    assert len(line.splitlines()) == 1
    assert "ValueError from KeyError at tests/app/test_logs.py" in line
    assert "tester typed" not in line
    assert SECRET in Lines(texts=True).format(failed()), "--debug tells all"


@pytest.mark.parametrize("formatter", [Lines(), JsonLines(texts=False)])
def test_nobody_can_forge_a_line(formatter: logging.Formatter) -> None:
    record = logging.makeLogRecord({"name": "app.x", "msg": "path %s", "args": (SECRET,), "levelname": "ERROR"})
    line = formatter.format(record)
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    foreign = logging.makeLogRecord({"name": "asyncio", "msg": "broke\nfuture: <Task 'secret'>", "levelname": "ERROR"})
    assert "secret" not in formatter.format(foreign), "what asyncio adds on further lines shows values"


def test_equal_lines_come_only_so_often_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    rate = Rate(together=15)

    def warn(line: int) -> logging.LogRecord | None:
        record = logging.makeLogRecord({"msg": "malformed", "levelno": 30, "pathname": "x.py", "lineno": line})
        return record if rate.filter(record) else None

    assert sum(warn(1) is not None for _ in range(1000)) == EQUAL_LINES
    assert sum(warn(line) is not None for line in range(2, 100)) == 5, "nor do all together come without end"
    info = logging.makeLogRecord({"msg": "turn answered", "levelno": 20})
    assert all(rate.filter(info) for _ in range(1000)), "each turn is told"
    now[0] += logs.MINUTE
    told = warn(1)
    assert told is not None
    assert told.getMessage() == "malformed (before it, 1,083 lines were left out)"


@pytest.mark.parametrize("form", logs.FORMATS)
def test_what_a_library_prints_a_thread_raises_or_a_server_says_has_no_text(form: str) -> None:
    program = f"""
import logging, sys, threading, traceback, warnings
from app import logs
logs.set_up({form!r}, False)
secret = {SECRET!r}
def fail():
    raise ValueError(secret)
try:
    fail()
except ValueError:
    traceback.print_exc()
thread = threading.Thread(target=fail); thread.start(); thread.join()
logging.getLogger("python_multipart.multipart").warning("Expected boundary character 45, got %r", secret)
logging.getLogger("uvicorn.error").error("Exception in ASGI application\\n", exc_info=ValueError(secret))
class Broken:
    def __del__(self): fail()
Broken()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "tester typed" not in done.stderr + done.stdout
    assert len(done.stderr.splitlines()) == 4
    assert done.stderr.count("ValueError") == 4
    assert all(line.startswith("{") for line in done.stderr.splitlines()) == (form == "json")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows takes no zone from the environment")
def test_a_line_says_the_zone_of_its_time() -> None:
    """At the end of summer time an hour is there twice."""
    program = """
import logging
from app.logs import Lines
for created in (1775309400.25, 1775313000.25):
    print(Lines().format(logging.makeLogRecord({"created": created, "msg": "x", "name": "app", "levelname": "INFO"})))
"""
    environment = os.environ | {"TZ": "Pacific/Auckland"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "2026-04-05 02:30:00.250+13:00 INFO app: x",
        "2026-04-05 02:30:00.250+12:00 INFO app: x",
    ]
