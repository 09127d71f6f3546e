"""What the page's script tells beside an event: a key for what was asked, facts, and what was not confirmed yet.

The browser keeps each click that matters until a response names its key, and sends it again with the next request, as
often as it takes. So everything here may come twice, late, or from somebody who never saw the page.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio

from feedback.rules import is_duration

MAX_WAITING = 10  # clicks that a browser has kept; the rest comes with the next request
MAX_CHARS = 200_000


def _version() -> str:
    digest = hashlib.sha256(gradio.__version__.encode())
    for file in sorted(Path(__file__).parent.glob("*")):
        if file.suffix in (".py", ".js", ".css"):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


# Which page this is. One that was opened before an upgrade names its events by numbers that mean something else now; it
# is told so, and reloads itself.
VERSION = _version()
VERSION_HEADER = "x-diptych-page"


@dataclass(frozen=True)
class Report:
    """The last argument of each event."""

    key: str | None = None  # of this request, None for one that changes nothing
    consent: str | None = None  # the version of the consent text that the page showed
    moved: str = ""  # the round that the tester has left for the next question
    seconds: float | None = None  # from both answers readable to the vote
    time: str | None = None  # the browser's clock
    invite: str = ""  # a code from the page's link
    seen: dict[str, float] = field(default_factory=dict)  # seconds for which each side's answer was on the screen
    first: str | None = None  # which was there first
    fresh: bool = False  # the page has just been opened; nobody has written on it yet
    challenge: str = ""  # the work that the study asks of a browser
    solution: str = ""  # what it found
    waiting: tuple[dict[str, Any], ...] = ()  # kept from before, oldest first; each with `do`, `values`, `facts`


def read_report(client: Any) -> Report:
    """What of a report has the right types; the rest is left out. One that was read stays as it is."""
    if isinstance(client, Report):
        return client
    facts = client if isinstance(client, dict) else _object(client[:MAX_CHARS] if isinstance(client, str) else "")
    texts = {
        name: facts[name][:200]
        for name in ("key", "consent", "moved", "time", "invite", "first", "challenge", "solution")
        if isinstance(facts.get(name), str)
    }
    seconds, seen, waiting = facts.get("seconds"), facts.get("seen"), facts.get("waiting")
    return Report(
        **texts,
        fresh=facts.get("fresh") is True,
        seconds=seconds if is_duration(seconds) else None,
        seen={side: seen[side] for side in ("left", "right") if is_duration(seen.get(side))}
        if isinstance(seen, dict)
        else {},
        waiting=tuple(item for item in waiting[:MAX_WAITING] if isinstance(item, dict))
        if isinstance(waiting, list)
        else (),
    )


def arguments(item: dict[str, Any], fields: tuple[str, ...], token: str) -> list[Any]:
    """What a kept click gives to its handler: the values that its event takes, under the token of who sends it now."""
    values, facts = item.get("values"), item.get("facts")
    values = values if isinstance(values, dict) else {}
    given = {**values, "token": token, "client": read_report(facts if isinstance(facts, dict) else {})}
    return [given.get(name) for name in fields]


def with_one_start(waiting: tuple[dict[str, Any], ...]) -> Iterator[dict[str, Any]]:
    """What is done again of what a browser has kept: of several Starts, each of which may try a code, the first."""
    started = False
    for item in waiting:
        if item.get("do") != "start" or not started:
            yield item
        started = started or item.get("do") == "start"


def receipt(keys: list[str], refused: list[str] | None = None) -> str:
    """What tells the page's script which of its requests need not be sent again, and which of them were refused."""

    def known(some: list[str]) -> str:
        return " ".join(key for key in some if key.replace("-", "").replace("_", "").isalnum())

    refused_keys = f' data-refused="{known(refused)}"' if refused else ""
    return f'<i data-done="{known(keys)}"{refused_keys} hidden></i>'


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
        if "\\u" in text:  # with a `?` for each half of a character, which neither the database nor an answer can hold
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
