"""What a tester's input must look like, said in one line when it does not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .battles import Answer, Battle
from .messages import Message, many, mark
from .study import MAX_PROMPT_CHARS, BackgroundQuestion
from .study_rules import shown

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # Unicode's Cc but for new lines and tabs
MAX_COMMENT_CHARS = 2000
MAX_CHANGES = 50  # votes of one round, the changed ones included
ROW_CHARS = 200  # what a row counts for, whatever it says
SPARE_CHARS = 200_000  # of a session, beyond what its rounds need
TESTERS_AT_ONCE = 60  # of one address who began within a day, so much may be written as by so many of them
MAX_SECONDS = 1e9  # thirty years: whoever says more, or no number at all, says nothing
MAX_ANSWER_CHARS = 200_000
MAX_TOKENS = 1_000_000_000  # of an answer; sums of what is more break every table that shows them
# How long an answer must have been on the screen before a vote: a fifth of the time that reading takes (some 1,200
# characters a minute) or less, so that nobody who reads is held up, and nobody votes on what was never looked at.
CHARS_A_SECOND, LONGEST_WAIT_SECONDS = 100, 2.0
CLOCK_SECONDS = 0.01  # by which a browser's sum may fall short
_STOPPED = ("stop", "length", "cancelled")
# Unassigned, control, format and separator characters, of which a text that shows anything has more.
_INVISIBLE = {"Cc", "Cf", "Cn", "Cs", "Co", "Zs", "Zl", "Zp"}


class Refused(ValueError):
    """The protocol does not allow this: one line that a tester can read, in English with placeholders for ``values``;
    ``message`` says it in other languages."""

    def __init__(self, message: str | Message, **values: Any) -> None:
        self.message = message if isinstance(message, Message) else Message(message, values=values)
        super().__init__(str(self.message))


class RefusedCall(Refused):
    """The same of a call that no tester's page makes: told in English alone."""


class Repeated(Refused):
    """The browser asked for this before, under the same key, and it was done: nothing is to be said of it."""


class NotNow(Refused):
    """Not possible at the moment; the same request will be possible later, and may be sent again."""


class QuestionTooLong(Refused):
    """A question of so many characters."""

    def __init__(self, characters: int) -> None:
        text = many(
            "The question has {n:,} character; please shorten it to {most:,}.",
            "The question has {n:,} characters; please shorten it to {most:,}.",
            n=characters,
            most=MAX_PROMPT_CHARS,
        )
        super().__init__(text)


def clean(text: str, limit: int) -> str:
    """A text without control characters (new lines and tabs stay) and lone surrogates, trimmed and cut to a length."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub("", text).strip()[:limit].rstrip()


def room(rounds: int, max_turns: int) -> int:
    """Characters that a tester may have written in all: twice each question at its longest, ten comments a round."""
    return SPARE_CHARS + rounds * (2 * max_turns * MAX_PROMPT_CHARS + 10 * MAX_COMMENT_CHARS)


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen (blanks, zero-width and control characters only)."""
    return all(unicodedata.category(character) in _INVISIBLE for character in text)


def is_duration(value: Any) -> bool:
    """Whether this is a number of seconds from 0 to ``MAX_SECONDS``."""
    return type(value) in (int, float) and 0 <= value <= MAX_SECONDS


def checked_question(text: Any) -> str:
    """A question as it is stored and asked.  Raises Refused for none, and one that is too long."""
    if not isinstance(text, str) or is_blank(text):
        raise Refused("The question is empty; type one or choose a suggestion.")
    cleaned = clean(text, len(text))
    if len(cleaned) > MAX_PROMPT_CHARS:
        raise QuestionTooLong(len(cleaned))
    return cleaned


def checked_answer(answer: Answer) -> Answer:
    """An answer as it is stored. Raises Refused."""
    if type(answer.tokens) is not int or not 0 <= answer.tokens <= MAX_TOKENS:
        raise RefusedCall(f"tokens = {shown(answer.tokens)} must be a whole number from 0 to {MAX_TOKENS}.")
    for name in ("seconds", "first_token_seconds"):
        value = getattr(answer, name)
        if not is_duration(value) and not (name == "first_token_seconds" and value is None):
            raise RefusedCall(f"{name} = {shown(value)} must be a number of seconds, 0 or more.")
    if answer.stopped not in _STOPPED:
        raise RefusedCall(f"stopped = {shown(answer.stopped)} must be one of {', '.join(_STOPPED)}.")
    text = clean(answer.text, MAX_ANSWER_CHARS)
    # As it came, but for what SQLite cannot keep: lone surrogates, and NUL, at which its functions end a text.
    raw = answer.written.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:MAX_ANSWER_CHARS]
    return replace(answer, text=text, leak_flag=bool(answer.leak_flag), raw=None if raw == text else raw)


def next_turn(battle: Battle, text: str, max_turns: int) -> tuple[int, int]:
    """Number and attempt of a battle's next turn. Raises Refused."""
    last = battle.turns[-1] if battle.turns else None
    if last is not None and last.status == "pending":
        raise Refused("The answers are still being written; wait for them or stop them.")
    retry = last is not None and last.status != "complete"
    number = 1 if last is None else last.number if retry else last.number + 1
    if number > max_turns:
        message = many(
            "This round has had its one question; please vote.",
            "This round has had its {n} questions; please vote.",
            n=max_turns,
        )
        raise Refused(message)
    if number == 1 and text != battle.prompt:
        raise Refused("This round was begun with another question; leave it to ask a new one.")
    return number, last.attempt + 1 if last is not None and retry else 1


def must_be_votable(battle: Battle) -> None:
    """Refuse a vote on a round that is over, unfinished, stopped or failed.  Raises Refused."""
    if battle.status == "voted":
        raise Refused("This round is voted already; undo that vote first.")
    if battle.status != "open":
        raise is_over(battle)
    if not battle.votable:
        raise Refused(_NOT_VOTABLE.get(battle.turns[-1].status if battle.turns else "missing", _FAILED))


_NOT_VOTABLE = {
    "missing": mark("There is nothing to compare yet; ask a question first."),
    "pending": mark("The answers are still being written; vote when both are there."),
    "cancelled": mark("The answers were stopped before they were finished; try again, then vote."),
}
_FAILED = mark("An answer could not be finished; try again or ask something else, then vote.")
_OVER = {
    "voted": mark("This round is voted; go on to the next one."),
    "abandoned": mark("This round is abandoned; go on to the next one."),
    "withdrawn": mark("This round is withdrawn; go on to the next one."),
}


def is_over(battle: Battle) -> Refused:
    """Why nothing more can be done in a round that is not open."""
    return Refused(_OVER[battle.status])


def checked_reasons(reasons: Iterable[str], allowed: tuple[str, ...]) -> list[str]:
    """The reasons ticked, once each, in the study's order.  Raises Refused for another."""
    chosen = list(reasons)
    for reason in chosen:
        if reason not in allowed:
            raise Refused("{value} is none of this study's reasons.", value=shown(reason))
    return [reason for reason in allowed if reason in chosen]


def must_be_yes_or_no(good_enough: Any) -> None:
    """Refuse a judgement of the better answer that is neither yes, no nor left out.  Raises Refused."""
    if good_enough is not None and not isinstance(good_enough, bool):
        raise RefusedCall(f"good_enough = {shown(good_enough)} must be true, false or left out.")


def least_seconds(text: str) -> float:
    """For how long an answer must have been on the screen before a vote."""
    return min(LONGEST_WAIT_SECONDS, len(text) / CHARS_A_SECOND)


def checked_seen(seen: Mapping[str, Any] | None, battle: Battle, since: float) -> dict[str, float | None]:
    """For how many seconds each answer was on the screen; None where nobody measured it.

    Args:
        since: seconds from the newest answers to now, by the server's clock; below 0 where that was set back.

    Raises:
        Refused: an answer was not there for as long as it takes to look at it, or that is no number of seconds.
        NotNow: it cannot have been there for so long yet.
    """
    if seen is None:
        return {"left_seen": None, "right_seen": None}
    sides = (("left", "A", battle.left_model), ("right", "B", battle.right_model))
    least = {side: least_seconds(battle.turns[-1].answers[model].text) for side, _, model in sides}
    for side, letter, _ in sides:
        seconds = seen.get(side, 0)
        if not is_duration(seconds):
            raise RefusedCall(f"seen = {shown(seconds)} must be a number of seconds, 0 or more.")
        if seconds <= 0:
            raise Refused("Answer {letter} was not on your screen yet; please open it, then vote.", letter=letter)
    for side, letter, _ in sides:
        if seen[side] < least[side] - CLOCK_SECONDS:
            text = mark("Answer {letter} was on your screen for a moment only; please read it, then vote.")
            raise Refused(text, letter=letter)
    if 0 <= since < max(least.values()) - CLOCK_SECONDS:
        raise NotNow("Your vote came before both answers can have been read; it is kept and tried again.")
    return {"left_seen": float(seen["left"]), "right_seen": float(seen["right"])}


def checked_background(answers: Mapping[str, str], questions: tuple[BackgroundQuestion, ...]) -> dict[str, str]:
    """The answers that were given, by the question's id.  Raises Refused for others."""
    options = {question.id: question.options for question in questions}
    for key, answer in answers.items():
        if key not in options:
            raise Refused("{value} is no question of this study; reload the page.", value=shown(key))
        if answer not in options[key]:
            raise Refused("{value} is no answer here; choose one of those shown, or none.", value=shown(answer))
    return dict(answers)


def must_reveal(policy: str, closed: bool, battle: Battle | None) -> None:
    """Refuse to show the models, of one battle or (None) of all, before the study says so. Raises Refused."""
    if policy == "never":
        raise Refused("This study does not show which model was which.")
    if policy == "end" and not closed:
        raise Refused("The models are shown at the end of the session.")
    if battle is not None and battle.status != "voted":
        raise Refused("The models are shown after your vote, and only of a round that has one.")
