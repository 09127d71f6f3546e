"""The records of a blind test, and how they are read back from the database."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

CHOICES = ("left", "right", "tie", "both_bad")
OUT_OF_SERVICE = "a model is out of service"  # why a round was left that no question could have saved
SET_ASIDE = "cannot be answered"  # why a round was left that the models' servers refuse, as another try would show


@dataclass(frozen=True)
class Tester:
    """A person who takes part.

    Attributes:
        id: random token; who holds it acts as this tester.  It is nowhere stored.
        code: hash of the token; names the tester in the database and in exports.
        enrolment: 1, 2, 3, ... in the order of consent.
        consent_version: the consent text that was agreed to.
        background: answers to the optional questions.
        closed_why: ``quota``, ``timeout``, ``quit``, or None while the session is open.
        revealed: whether a reveal took place.
        guessed: whether the guess was given.
    """

    id: str
    code: str
    enrolment: int
    consent_version: str
    background: dict[str, str]
    closed_why: str | None
    revealed: bool
    guessed: bool


@dataclass(frozen=True)
class Answer:
    """What one model wrote in one turn.

    Attributes:
        text: the answer as the tester reads it.
        tokens: its length in tokens of the model that wrote it.
        seconds: time from the request to the last token.
        first_token_seconds: time to the first token, None when unknown.
        stopped: ``stop`` (the model ended), ``length`` (the cap), ``cancelled`` (the tester).
        leak_flag: the text says who the model is.
        raw: what the model wrote, where the tester reads something else; None where it is the same.
    """

    text: str
    tokens: int
    seconds: float
    first_token_seconds: float | None = None
    stopped: str = "stop"
    leak_flag: bool = False
    raw: str | None = None

    @property
    def written(self) -> str:
        """What the model wrote, to be repeated to it."""
        return self.text if self.raw is None else self.raw


@dataclass(frozen=True)
class Turn:
    """One question and its two answers; a retry is a new attempt at the same number.

    Attributes:
        status: ``pending`` (answers on their way), ``complete``, ``cancelled`` or ``failed``.
        answers: by model, empty until the turn is finished.
    """

    id: int
    battle_id: int
    number: int
    attempt: int
    prompt: str
    status: str
    answers: dict[str, Answer] = field(default_factory=dict)


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
    """One round: a question, two models on drawn sides, and what they answered.

    Attributes:
        round: number of the vote that this battle is for; a battle after an abandoned one has the same.
        status: ``open``, ``voted``, ``abandoned`` or ``withdrawn``.
        turns: every attempt, oldest first.
        vote: the current vote, if there is one.
        first_side: the answer that a screen with room for one shows first.
        reason: why an abandoned round was left.
    """

    id: int
    round: int
    prompt_id: str
    category: str
    prompt: str
    left_model: str
    status: str
    turns: tuple[Turn, ...] = ()
    vote: Vote | None = None
    first_side: str = "left"
    reason: str | None = None

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


def winner(left_model: str, choice: str) -> str:
    """A choice of sides as a choice of models: ``model1``, ``model2``, ``tie`` or ``both_bad``."""
    if choice in ("tie", "both_bad"):
        return choice
    return "model1" if (left_model == "model1") == (choice == "left") else "model2"


def timestamp(moment: datetime) -> str:
    """UTC with milliseconds, ISO 8601; such texts sort by time."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def read_tester(row: sqlite3.Row, token: str) -> Tester:
    """A tester from a row of ``testers`` that also has ``guessed``."""
    return Tester(
        token,
        row["code"],
        row["enrolment"],
        row["consent_version"],
        json.loads(row["background"]),
        row["closed_why"],
        row["revealed_at"] is not None,
        bool(row["guessed"]),
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
        row["id"],
        row["round"],
        row["prompt_name"],
        row["category"],
        row["text"],
        row["left_model"],
        row["status"],
        turns,
        read_vote(vote) if vote else None,
        row["first_side"] or "left",
        row["reason"],
    )


def read_turn(connection: sqlite3.Connection, row: sqlite3.Row) -> Turn:
    """A turn with its answers."""
    answers = {
        answer["model"]: read_answer(answer)
        for answer in connection.execute("SELECT * FROM answers WHERE turn_id = ?", [row["id"]])
    }
    return Turn(row["id"], row["battle_id"], row["number"], row["attempt"], row["prompt"], row["status"], answers)


def read_answer(row: sqlite3.Row) -> Answer:
    """An answer from a row of ``answers``."""
    return Answer(
        row["text"],
        row["tokens"],
        row["seconds"],
        row["first_token_seconds"],
        row["stopped"],
        bool(row["leak_flag"]),
        row["raw"],
    )


def read_vote(row: sqlite3.Row) -> Vote:
    """A vote from a row of ``votes``."""
    good_enough: Any = row["good_enough"]
    return Vote(
        row["id"],
        row["battle_id"],
        row["choice"],
        tuple(json.loads(row["reasons"])),
        row["comment"],
        None if good_enough is None else bool(good_enough),
        row["voted_at"],
    )
