"""The app's log: lines for people, or one JSON object a line for programs. Never a prompt, an answer or an address.

An exception's message may repeat what a tester typed or a model wrote, so without `--debug` only its type and the place
are told, however it comes: through logging, from a thread, or printed by a library. Control characters are escaped, so
that nobody can forge a line, and of equal lines only so many come a minute.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

FORMATS = ("text", "json")
NOISY = ("httpx", "httpcore", "asyncio", "matplotlib", "PIL")
EQUAL_LINES = 10  # a minute, of one place in the code
ALL_LINES = 300  # a minute
MINUTE = 60.0
LONGEST = 2000  # characters of one line's message
FRAMES = 6  # of a traceback, the innermost
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_ROOT = Path(__file__).resolve().parents[1]


def one_line(text: str) -> str:
    """`text` with every control and line-breaking character written as an escape."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:LONGEST])
    return shown + ("..." if len(text) > LONGEST else "")


def where(exc_info: Any) -> str:
    """An exception without its message: its type, that of its cause, and the innermost frames."""
    kind, error, frames = exc_info
    if kind is None:
        return ""
    cause = error.__cause__ or error.__context__
    names = kind.__name__ + (f" from {type(cause).__name__}" if cause is not None else "")
    places = [
        f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(frames)[-FRAMES:]
    ]
    return names + (" at " + " < ".join(reversed(places)) if places else "")


def _short(filename: str) -> str:
    path = Path(filename)
    if path.is_relative_to(_ROOT) and "site-packages" not in path.parts:
        return str(path.relative_to(_ROOT))
    return "/".join(path.parts[-2:])


def _message(record: logging.LogRecord) -> str:
    """What a record says; of a library's the first line, since the others of asyncio show the objects at hand."""
    text = record.getMessage()
    return text if record.name.partition(".")[0] in ("app", "feedback", "training") else text.partition("\n")[0]


class Lines(logging.Formatter):
    """A line for people; with `texts` also tracebacks, over several lines, with what the exceptions say."""

    def __init__(self, texts: bool = False) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._texts = texts

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """This machine's time with its distance from UTC: at the end of summer time an hour is there twice."""
        return datetime.fromtimestamp(record.created).astimezone().isoformat(" ", "milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        """One line, or several in debugging."""
        if self._texts:
            return super().format(record)
        place = where(record.exc_info) if record.exc_info else ""
        text = f"{self.formatTime(record)} {record.levelname} {record.name}: {_message(record)}"
        return one_line(f"{text} [{place}]" if place else text)


class JsonLines(logging.Formatter):
    """`time`, `level`, `logger`, `message` and what a call gave as `extra`; `texts` keeps whole tracebacks."""

    def __init__(self, texts: bool = True) -> None:
        super().__init__()
        self._texts = texts

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage() if self._texts else _message(record)[:LONGEST],
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info) if self._texts else where(record.exc_info)
        return json.dumps(entry, default=str)


class Rate(logging.Filter):
    """Lets so many warnings of one place, and of all together, pass in a minute; the next one says how many did not.

    What is said of each turn is not counted: testers have limits of their own.
    """

    def __init__(self, together: int = ALL_LINES) -> None:
        super().__init__()
        self._together = together
        self._lock = threading.Lock()
        self._began = 0.0
        self._counts: dict[tuple[str, int], int] = {}
        self._passed = 0
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        if record.levelno < logging.WARNING:
            return True
        with self._lock:
            now = time.monotonic()
            if now - self._began >= MINUTE:
                self._began, self._counts, self._passed = now, {}, 0
                if self._left_out:
                    record.msg = f"{record.getMessage()} (before it, {self._left_out:,} lines were left out)"
                    record.args, self._left_out = None, 0
            place = (record.pathname, record.lineno)
            self._counts[place] = self._counts.get(place, 0) + 1
            fits = self._counts[place] <= EQUAL_LINES and self._passed < self._together
            self._passed += fits
            self._left_out += not fits
            return fits


def set_up(form: str, debug: bool) -> None:
    """Write the log to stderr: warnings for people; for programs also each turn, with its time and tokens."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(debug) if form == "json" else Lines(debug))
    if not debug:
        handler.addFilter(Rate())
        _catch()
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("app").setLevel(logging.DEBUG if debug else logging.INFO if form == "json" else logging.WARNING)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # its warnings tell the bytes of a form


def _catch() -> None:
    """Send to the log what would be printed: exceptions of threads, and those that a library prints itself."""
    log = logging.getLogger("app.logs")

    def printed(*_: Any, **__: Any) -> None:
        log.error("a library printed an exception", exc_info=sys.exc_info())

    def of_thread(hook: threading.ExceptHookArgs) -> None:
        log.error("a thread ended", exc_info=(hook.exc_type, hook.exc_value or hook.exc_type(), hook.exc_traceback))

    def unraisable(hook: Any) -> None:
        log.error("an exception was ignored", exc_info=(hook.exc_type, hook.exc_value, hook.exc_traceback))

    traceback.print_exc = printed
    threading.excepthook = of_thread
    sys.unraisablehook = unraisable
