"""How votes become bytes: the tabular formats, and with whole conversations those of preference learning and arenas."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

from .rows import COLUMNS, csv_lines, vote_rows

_CHUNK = 2000  # rows that are turned into bytes at a time
_CSV_CHUNK = 32  # the same of votes.csv: what fits into the processor's cache is quoted in half the time


class Format(NamedTuple):
    """An export format: ``stream`` yields its bytes, ``one_study`` forbids a mix, ``media_type`` is for the web."""

    name: str
    suffix: str
    media_type: str
    one_study: bool
    stream: Callable[[sqlite3.Connection, int | None], Iterator[bytes]]


def stream_csv(connection: sqlite3.Connection, study_id: int | None) -> Iterator[bytes]:
    """UTF-8 without a byte order mark, a header, texts that no spreadsheet takes for a formula."""
    yield (",".join(COLUMNS) + "\n").encode()
    yield from csv_lines(connection, study_id, _CSV_CHUNK)


def stream_jsonl(connection: sqlite3.Connection, study_id: int | None) -> Iterator[bytes]:
    """One JSON object a vote, with the columns of ``votes.csv``; flags are booleans, reasons a list."""
    flags = [place for place, name in enumerate(COLUMNS) if name in ("tester_closed", "leak_flag", "superseded")]
    reasons = COLUMNS.index("reasons")
    rows = vote_rows(connection, study_id)
    while chunk := rows.fetchmany(_CHUNK):
        lines = []
        for row in chunk:
            values = list(row)
            values[reasons] = json.loads(values[reasons] or "[]")
            for place in flags:
                values[place] = bool(values[place])
            lines.append(json_line(dict(zip(COLUMNS, values, strict=True))))
        yield "".join(lines).encode()


SIDES = ("left", "right")
_CONVERSATIONS = """
SELECT votes.id AS vote_id, votes.battle_id, code AS tester_code, choice, voted_at, turns.prompt,
       la.model AS left_model, la.text AS left_text, la.stopped AS left_stopped,
       ra.model AS right_model, ra.text AS right_text, ra.stopped AS right_stopped
FROM votes JOIN testers ON testers.id = votes.tester_id
    JOIN turns ON turns.battle_id = votes.battle_id AND turns.status = 'complete' AND turns.number <= votes.turns
    JOIN answers la ON la.turn_id = turns.id AND la.model = votes.left_model
    JOIN answers ra ON ra.turn_id = turns.id AND ra.model <> votes.left_model
WHERE votes.superseded = 0 AND (:study IS NULL OR votes.study_id = :study) ORDER BY votes.id, turns.number
"""


class Conversation(NamedTuple):
    """A current vote and what was said on both sides before it; a side is ``left`` or ``right``."""

    vote: sqlite3.Row  # with the last turn
    turns: Sequence[sqlite3.Row]

    @property
    def choice(self) -> str:
        """What the tester chose: left, right, tie or both_bad."""
        return self.vote["choice"]

    @property
    def questions(self) -> tuple[str, ...]:
        """What the tester asked, one question a turn."""
        return tuple(turn["prompt"] for turn in self.turns)

    def model(self, side: str) -> str:
        """Who answered there."""
        return self.vote[f"{side}_model"]

    def answers(self, side: str) -> tuple[str, ...]:
        """What was said there, one answer a turn."""
        return tuple(turn[f"{side}_text"] for turn in self.turns)

    def ended(self, side: str) -> bool:
        """Whether the model ended its last answer itself, and nobody cut it off."""
        return self.vote[f"{side}_stopped"] == "stop"

    def messages(self, side: str) -> list[dict[str, str]]:
        """One side as chat messages, from the first question to the last answer."""
        text = f"{side}_text"
        return [
            message
            for turn in self.turns
            for message in (
                {"role": "user", "content": turn["prompt"]},
                {"role": "assistant", "content": turn[text]},
            )
        ]


def conversations(connection: sqlite3.Connection, study_id: int | None) -> Iterator[Conversation]:
    """The current votes, oldest first, read as they are asked for."""
    rows = connection.execute(_CONVERSATIONS, {"study": study_id})
    for _, group in groupby(rows, key=itemgetter("vote_id")):
        turns = list(group)
        yield Conversation(turns[-1], turns)


def stream_dpo(connection: sqlite3.Connection, study_id: int | None) -> Iterator[bytes]:
    """TRL preference rows, conversational: the first question, the better and the worse continuation."""

    def rows() -> Iterator[dict[str, Any]]:
        for talk in conversations(connection, study_id):
            if talk.choice in SIDES:
                question, *chosen = talk.messages(talk.choice)
                rejected = talk.messages("right" if talk.choice == "left" else "left")[1:]
                yield {"prompt": [question], "chosen": chosen, "rejected": rejected}

    return _lines(rows())


def stream_kto(connection: sqlite3.Connection, study_id: int | None) -> Iterator[bytes]:
    """TRL unpaired rows: the winner is desirable, the loser is not, and neither is when both are bad."""

    def rows() -> Iterator[dict[str, Any]]:
        for talk in conversations(connection, study_id):
            if talk.choice != "tie":
                for side in SIDES:
                    question, *completion = talk.messages(side)
                    yield {"prompt": [question], "completion": completion, "label": talk.choice == side}

    return _lines(rows())


_ARENA_WINNERS = {"left": "model_a", "right": "model_b", "tie": "tie", "both_bad": "tie (bothbad)"}


def stream_arena(connection: sqlite3.Connection, study_id: int | None) -> Iterator[bytes]:
    """FastChat's table of battles as one JSON list; ``model_a`` is the left side."""

    def record(talk: Conversation) -> str:
        return json.dumps(
            {
                "question_id": str(talk.vote["battle_id"]),
                "model_a": talk.model("left"),
                "model_b": talk.model("right"),
                "winner": _ARENA_WINNERS[talk.choice],
                "judge": f"arena_user_{talk.vote['tester_code']}",
                "conversation_a": talk.messages("left"),
                "conversation_b": talk.messages("right"),
                "turn": len(talk.turns),
                "anony": True,
                "language": "unknown",
                "tstamp": datetime.fromisoformat(talk.vote["voted_at"].replace("Z", "+00:00")).timestamp(),
            },
            ensure_ascii=False,
        )

    separator = "[\n"
    for record_text in map(record, conversations(connection, study_id)):
        yield (separator + record_text).encode()
        separator = ",\n"
    yield b"[]\n" if separator == "[\n" else b"\n]\n"


def _lines(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    while chunk := "".join(map(json_line, islice(rows, _CHUNK))):
        yield chunk.encode()


def json_line(record: dict[str, Any]) -> str:
    """A line of JSON Lines, without U+2028 and U+2029, which end a line for some readers."""
    return json.dumps(record, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") + "\n"
