"""What the readers of the Hub's data sets take and give, and how a row's values become what they take.

Each column has one of these functions: it gives what a reader can rely on, or raises ``Unreadable``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.corpus.accidents import text_as_meant
from training.corpus.sample import Message, Role
from training.corpus.turns import NO_ANSWER, NO_NUMBER, NO_TEXT, NOT_TEXT, UNKNOWN_ROLE, Unreadable, number_of, text_of

Row = dict[str, Any]

Keyed = tuple[str, tuple[Message, ...]]
"""A key and a chat or a piece of prose. What has the same key stays on one side of the split."""

LATEST_YEAR = 2100


def words(value: Any) -> str:
    """A text that has to be there."""
    text = text_of(value)
    if not text:
        raise Unreadable(NO_TEXT)
    return text


def meant(value: Any) -> str:
    """A text that has to be there, as it was meant: without what is in it by accident."""
    return text_as_meant(words(value))


def line(value: Any) -> str:
    """The same in one line."""
    return " ".join(meant(value).split())


def texts(value: Any) -> list[str]:
    """Those of a list that say something; null is an empty list."""
    return [text_as_meant(text) for text in map(text_of, _list(value)) if text]


def utterances(value: Any) -> list[str]:
    """What two people say by turns: were a turn left out, each would say what the other said."""
    return [meant(one) for one in _list(value)]


def persona_turns(value: Any) -> list[str]:
    """PersonaChat's turns: those before its last words, and of the candidates for these the true one, the last."""
    said = _list(value)
    if not said:
        raise Unreadable(NO_TEXT)
    last = said[-1]
    if not isinstance(last, Mapping) or not _list(last.get("candidates")):
        raise Unreadable(NO_ANSWER)
    return utterances([*_list(last.get("history")), last["candidates"][-1]])


def spans(value: Any) -> list[str]:
    """SQuAD's answers, each person's for itself; an empty list where the passage does not say."""
    found = value.get("text") if isinstance(value, Mapping) else None
    if found is None:
        raise Unreadable(NO_ANSWER)
    said = texts(found)
    if found and not said:
        raise Unreadable(NO_ANSWER)
    return said


def year(value: Any) -> int | None:
    """A year; None where none is given, as 0. "c. 1890" is no year: what a sentence would make of it is not known."""
    text = text_of(value)
    if text in ("", "0"):
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 0 < int(text) <= LATEST_YEAR):
        raise Unreadable(NO_NUMBER)
    return int(text)


def rank(value: Any) -> float:
    """A rank, 0 the best; what was not ranked comes last."""
    if not text_of(value):
        return float("inf")
    number = number_of(value)
    if number is None:
        raise Unreadable(NO_NUMBER)
    return number


def flag(value: Any) -> bool:
    """Whether something is so; null is no."""
    if value is None or isinstance(value, bool):
        return bool(value)
    named = {"true": True, "false": False, "1": True, "0": False}
    if (text := text_of(value).lower()) not in named:
        raise Unreadable(NOT_TEXT)
    return named[text]


def speaker(value: Any) -> Role:
    """Who speaks in OpenAssistant's trees."""
    if value not in ("prompter", "assistant"):
        raise Unreadable(UNKNOWN_ROLE)
    return "user" if value == "prompter" else "assistant"


def _list(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise Unreadable(NOT_TEXT)
    return value
