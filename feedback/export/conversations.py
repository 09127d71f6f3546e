"""Votes with their whole conversations, for the formats that need the turns apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

_SELECT = """
SELECT votes.id AS vote_id, votes.battle_id, votes.left_model, votes.choice, votes.voted_at, testers.code, turns.prompt,
       la.text AS left_text, ra.text AS right_text, la.stopped AS left_stopped, ra.stopped AS right_stopped
FROM votes JOIN testers ON testers.id = votes.tester_id
    JOIN turns ON turns.battle_id = votes.battle_id AND turns.status = 'complete' AND turns.number <= votes.turns
    JOIN answers la ON la.turn_id = turns.id AND la.model = votes.left_model
    JOIN answers ra ON ra.turn_id = turns.id AND ra.model <> votes.left_model
WHERE votes.superseded = 0 AND (:study IS NULL OR votes.study_id = :study) ORDER BY votes.id, turns.number
"""


@dataclass(frozen=True)
class Conversation:
    """A current vote and what was said on both sides before it.

    ``left_ended`` and ``right_ended``: whether the model ended the last answer itself, and nobody cut it off.
    """

    vote_id: int
    battle_id: int
    tester_code: str
    left_model: str
    choice: str
    voted_at: str
    questions: tuple[str, ...]
    left_answers: tuple[str, ...]
    right_answers: tuple[str, ...]
    left_ended: bool
    right_ended: bool

    @property
    def right_model(self) -> str:
        """The model on the right."""
        return "model2" if self.left_model == "model1" else "model1"

    def messages(self, side: str) -> list[dict[str, str]]:
        """One side as chat messages, from the first question to the last answer."""
        answers = self.left_answers if side == "left" else self.right_answers
        return [
            {"role": role, "content": content}
            for question, answer in zip(self.questions, answers, strict=True)
            for role, content in (("user", question), ("assistant", answer))
        ]


def conversations(connection: sqlite3.Connection, study_id: int | None) -> Iterator[Conversation]:
    """The current votes, oldest first, read as they are asked for."""
    rows = connection.execute(_SELECT, {"study": study_id})
    for _, group in groupby(rows, key=lambda row: row["vote_id"]):
        turns = list(group)
        first = turns[0]
        yield Conversation(
            first["vote_id"],
            first["battle_id"],
            first["code"],
            first["left_model"],
            first["choice"],
            first["voted_at"],
            tuple(turn["prompt"] for turn in turns),
            tuple(turn["left_text"] for turn in turns),
            tuple(turn["right_text"] for turn in turns),
            turns[-1]["left_stopped"] == "stop",
            turns[-1]["right_stopped"] == "stop",
        )
