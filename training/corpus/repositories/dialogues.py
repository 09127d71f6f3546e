"""Recorded dialogues, in JSON or in the columns of a CSV, as chats that begin with a user and end with an answer."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from training.corpus.sample import CorpusError, Message, Role


@dataclass(frozen=True)
class Dialogues:
    """How a file holds its dialogues.

    Attributes:
        turns: JSON: the field of a dialogue that lists its turns. CSV: the columns of the turns, with ``{}`` for the
            number from 1 on.
        text: JSON: the field of a turn with its words.
        speaker: JSON: the field of a turn that says who speaks; the one who speaks first is the user. CSV: turns
            alternate.
        length: Messages of a chat at most; a longer dialogue becomes several chats, one after the other.
        only: CSV: column -> the values of the rows that are read.
    """

    turns: str
    text: str
    speaker: str
    length: int
    only: dict[str, list[str]]


def read(files: Sequence[Path], form: Dialogues) -> Iterator[tuple[str, tuple[Message, ...]]]:
    """The key of a dialogue, which all its chats share, and a chat."""
    for path in files:
        for key, turns in _json(path, form) if path.suffix == ".json" else _csv(path, form):
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


def _json(path: Path, form: Dialogues) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    try:
        dialogues = json.loads(path.read_text(encoding="utf-8"))
        numbered = dialogues.items() if isinstance(dialogues, dict) else enumerate(dialogues)
        for number, dialogue in numbered:
            turns = [(str(turn[form.speaker]), _clean(turn[form.text])) for turn in dialogue[form.turns]]
            yield f"{path.parent.name}/{path.stem}/{number}", [turn for turn in turns if turn[1]]
    except (ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{path.parent.name}/{path.name}: no dialogues as they were ({error!r})") from None


def _csv(path: Path, form: Dialogues) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        names = list(rows.fieldnames or ())
        columns = [name for number in range(1, len(names) + 1) if (name := form.turns.format(number)) in names]
        if not columns or set(form.only) - set(names):
            raise CorpusError(f"{path.parent.name}/{path.name}: no columns {form.turns.format(1)}, ... as there were")
        for number, row in enumerate(rows):
            if all(row[column] in values for column, values in form.only.items()):
                turns = [_clean(row[column]) for column in columns]
                said = [(str(place % 2), text) for place, text in enumerate(turn for turn in turns if turn)]
                yield f"{path.parent.name}/{path.stem}/{number}", said


def _clean(text: Any) -> str:
    return re.sub(r"\s+", " ", text).strip() if isinstance(text, str) else ""
