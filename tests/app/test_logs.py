"""The log for programs."""

from __future__ import annotations

import json
import logging

from app.logs import JsonLines


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
