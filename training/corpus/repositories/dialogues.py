"""Recorded dialogues, in JSON or in the columns of a CSV, as chats that begin with a user and end with an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from training.corpus.repositories import tables
from training.corpus.sample import CorpusError, Message, Role
from training.corpus.turns import NO_JSON, NO_TEXT, NOT_TEXT, UNKNOWN_ROLE, Unreadable, is_chat, parsed, text_of


@dataclass(frozen=True)
class Dialogues:
    """How a file holds its dialogues."""

    turns: str
    """JSON: the field of a dialogue that lists its turns. CSV: the columns of the turns, with ``{}`` for the number
    from 1 on."""
    text: str  # JSON: the field of a turn with its words
    speaker: str
    """JSON: the field of a turn that says who speaks; the one who speaks first is the user. CSV: turns alternate."""
    length: int  # messages of a chat at most; a longer dialogue becomes several chats, one after the other
    only: dict[str, list[str]]  # CSV: column -> the values of the rows that are read


Keyed = tuple[str, list[tuple[str, str]]]
"""The key of a dialogue, and its turns: who speaks, and what is said."""


def read(
    files: Sequence[Path], form: Dialogues, unread: tables.CountUnread
) -> Iterator[tuple[str, tuple[Message, ...]]]:
    """The key of a dialogue, which all its chats share, and a chat; ``unread`` is told of those that cannot be read.

    Raises:
        CorpusError: A file that is not what it was.
    """
    for path in files:
        for key, turns in _json(path, form, unread) if path.suffix == ".json" else _csv(path, form, unread):
            messages = _alternating(turns)
            for start in range(0, len(messages) - 1, form.length):
                chat = messages[start : start + form.length]
                chat = chat[: len(chat) // 2 * 2]
                if chat:
                    yield key, tuple(chat)


def _alternating(turns: list[tuple[str, str]]) -> list[Message]:
    """What one speaker says in several turns on end is one message."""
    messages: list[Message] = []
    for number, (_, said) in enumerate(groupby(turns, key=lambda turn: turn[0])):
        role: Role = "assistant" if number % 2 else "user"
        messages.append(Message(role, " ".join(text for _, text in said)))
    return messages


def _json(path: Path, form: Dialogues, unread: tables.CountUnread) -> Iterator[Keyed]:
    name = f"{path.parent.name}/{path.name}"
    try:
        dialogues = parsed(path.read_text(encoding="utf-8", errors="replace"), NO_JSON)
    except Unreadable as reason:
        raise CorpusError(f"{name}: no dialogues as they were ({reason})") from None
    if not isinstance(dialogues, dict | list):
        raise CorpusError(f"{name}: no dialogues as they were ({NOT_TEXT})")
    for number, dialogue in dialogues.items() if isinstance(dialogues, dict) else enumerate(dialogues):
        try:
            yield f"{path.parent.name}/{path.stem}/{_line(number)}", _turns(dialogue, form)
        except Unreadable as reason:
            unread(str(reason), f"{name}, dialogue {number!a}")


def _turns(dialogue: Any, form: Dialogues) -> list[tuple[str, str]]:
    turns: Any = dialogue.get(form.turns) if isinstance(dialogue, Mapping) else None
    if not is_chat(turns):
        raise Unreadable(NOT_TEXT if turns else NO_TEXT)
    said = [(_line(turn.get(form.speaker)), _line(turn.get(form.text))) for turn in turns]
    if not all(speaker for speaker, _ in said):
        raise Unreadable(UNKNOWN_ROLE)
    return [turn for turn in said if turn[1]]


def _csv(path: Path, form: Dialogues, unread: tables.CountUnread) -> Iterator[Keyed]:
    for number, (_, row) in enumerate(tables.rows_of(path, unread)):
        columns = [name for place in range(1, len(row) + 1) if (name := form.turns.format(place)) in row]
        if not columns or not form.only.keys() <= row.keys():
            raise CorpusError(f"{path.parent.name}/{path.name}: no columns {form.turns.format(1)}, ... as there were")
        if all(row[column] in values for column, values in form.only.items()):
            turns = filter(None, (_line(row[column]) for column in columns))
            said = [(str(place % 2), text) for place, text in enumerate(turns)]
            yield f"{path.parent.name}/{path.stem}/{number}", said


def _line(value: Any) -> str:
    return " ".join(text_of(value).split())
