"""The records of a blind test, and how they are read back from the database."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

CHOICES = ("left", "right", "tie", "both_bad")
GUESSES = ("left_last", "right_last", "dont_know")  # which side of the last round is Model 1's
OUT_OF_SERVICE = "a model is out of service"  # why a round was left that no question could have saved
SET_ASIDE = "cannot be answered"  # why a round was left that the models' servers refuse, as another try would show


@dataclass(frozen=True)
class Tester:
    """A person who takes part."""

    id: str  # random token; who holds it acts as this tester.  It is nowhere stored
    code: str  # hash of the token; names the tester in the database and in exports
    enrolment: int  # 1, 2, 3, ... in the order of consent
    consent_version: str  # the consent text that was agreed to
    background: dict[str, str]  # answers to the optional questions
    closed_why: str | None  # ``quota``, ``timeout``, ``quit``, or None while the session is open
    revealed: bool  # whether a reveal took place
    guessed: bool  # whether the guess was given


@dataclass(frozen=True)
class Answer:
    """What one model wrote in one turn."""

    text: str  # the answer as the tester reads it
    tokens: int  # its length in tokens of the model that wrote it
    seconds: float  # time from the request to the last token
    first_token_seconds: float | None = None  # time to the first token, None when unknown
    stopped: str = "stop"  # ``stop`` (the model ended), ``length`` (the cap), ``cancelled`` (the tester)
    leak_flag: bool = False  # the text says who the model is
    raw: str | None = None  # what the model wrote, where the tester reads something else; None where it is the same

    @property
    def written(self) -> str:
        """What the model wrote, to be repeated to it."""
        return self.text if self.raw is None else self.raw


@dataclass(frozen=True)
class Turn:
    """One question and its two answers; a retry is a new attempt at the same number."""

    id: int
    battle_id: int
    number: int
    attempt: int
    prompt: str
    status: str  # ``pending`` (answers on their way), ``complete``, ``cancelled`` or ``failed``
    answers: dict[str, Answer] = field(default_factory=dict)  # by model, empty until the turn is finished


@dataclass(frozen=True)
class Vote:
    """A tester's verdict; ``choice`` is ``left``, ``right``, ``tie`` or ``both_bad``."""

    id: int
    battle_id: int
    choice: str
    reasons: tuple[str, ...]
    comment: str
    good_enough: bool | None
    voted_at: str


@dataclass(frozen=True)
class Battle:
    """One round: a question, two models on drawn sides, and what they answered."""

    id: int
    round: int  # number of the vote that this battle is for; a battle after an abandoned one has the same
    prompt_id: str
    category: str
    prompt: str
    left_model: str
    status: str  # ``open``, ``voted``, ``abandoned`` or ``withdrawn``
    turns: tuple[Turn, ...] = ()  # every attempt, oldest first
    vote: Vote | None = None  # the current vote, if there is one
    first_side: str = "left"  # the answer that a screen with room for one shows first
    reason: str | None = None  # why an abandoned round was left

    @property
    def right_model(self) -> str:
        """The model on the right."""
        return "model2" if self.left_model == "model1" else "model1"

    @property
    def complete_turns(self) -> tuple[Turn, ...]:
        """The turns that both models answered: the conversation as both panes show it."""
        return tuple(turn for turn in self.turns if turn.status == "complete")

    @property
    def votable(self) -> bool:
        """Whether a vote is possible now: open, and the latest question is answered by both."""
        return self.status == "open" and bool(self.turns) and self.turns[-1].status == "complete"


WINNER = (
    "CASE WHEN choice IN ('tie', 'both_bad') THEN choice"
    " WHEN (choice = 'left') = (votes.left_model = 'model1') THEN 'model1' ELSE 'model2' END"
)
"""The same as :func:`winner`, of a row of ``votes``, as SQL."""


def winner(left_model: str, choice: str) -> str:
    """A choice of sides as a choice of models: ``model1``, ``model2``, ``tie`` or ``both_bad``."""
    if choice in ("tie", "both_bad"):
        return choice
    return "model1" if (left_model == "model1") == (choice == "left") else "model2"


def timestamp(moment: datetime) -> str:
    """UTC with milliseconds, ISO 8601; such texts sort by time."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _taken(row: sqlite3.Row, *names: str) -> dict[str, Any]:
    """Columns that a record has under the same names."""
    return {name: row[name] for name in names}


def read_tester(row: sqlite3.Row, token: str) -> Tester:
    """A tester from a row of ``testers`` that also has ``guessed``."""
    return Tester(
        token,
        background=json.loads(row["background"]),
        revealed=row["revealed_at"] is not None,
        guessed=bool(row["guessed"]),
        **_taken(row, "code", "enrolment", "consent_version", "closed_why"),
    )


def read_battle(connection: sqlite3.Connection, battle_id: int) -> Battle:
    """A battle with its turns, answers and current vote."""
    row = connection.execute(
        "SELECT battles.*, prompts.prompt_id AS prompt_name, category, text FROM battles"
        " JOIN prompts ON prompts.id = battles.prompt_id WHERE battles.id = ?",
        [battle_id],
    ).fetchone()
    turns = tuple(
        read_turn(connection, turn)
        for turn in connection.execute(
            "SELECT * FROM turns WHERE battle_id = ? ORDER BY number, attempt", [battle_id]
        ).fetchall()
    )
    vote = connection.execute("SELECT * FROM votes WHERE battle_id = ? AND superseded = 0", [battle_id]).fetchone()
    return Battle(
        prompt_id=row["prompt_name"],
        prompt=row["text"],
        turns=turns,
        vote=read_vote(vote) if vote else None,
        first_side=row["first_side"] or "left",
        **_taken(row, "id", "round", "category", "left_model", "status", "reason"),
    )


def read_turn(connection: sqlite3.Connection, row: sqlite3.Row) -> Turn:
    """A turn with its answers."""
    answers = {
        answer["model"]: Answer(leak_flag=bool(answer["leak_flag"]), **_taken(answer, *_WRITTEN))
        for answer in connection.execute("SELECT * FROM answers WHERE turn_id = ?", [row["id"]])
    }
    return Turn(answers=answers, **_taken(row, "id", "battle_id", "number", "attempt", "prompt", "status"))


_WRITTEN = ("text", "tokens", "seconds", "first_token_seconds", "stopped", "raw")


def read_vote(row: sqlite3.Row) -> Vote:
    """A vote from a row of ``votes``."""
    return Vote(
        reasons=tuple(json.loads(row["reasons"])),
        good_enough=None if row["good_enough"] is None else bool(row["good_enough"]),
        **_taken(row, "id", "battle_id", "choice", "comment", "voted_at"),
    )
