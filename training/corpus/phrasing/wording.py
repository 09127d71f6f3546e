"""What all phrasing shares: a phrase, the choice among wordings, and how people type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from training.corpus.sample import FACT_SEPARATOR, Message, digest


@dataclass(frozen=True, slots=True)
class Phrase:
    """The messages of a sample and the fact that they state."""

    fact: str
    messages: tuple[Message, ...]


def chat(fact: str, *turns: str) -> Phrase:
    """A phrase of turns that alternate between the user and the assistant."""
    return Phrase(fact, tuple(Message("assistant" if index % 2 else "user", turn) for index, turn in enumerate(turns)))


def all_of(*facts: str) -> str:
    """One key for several facts stated together, each once."""
    return FACT_SEPARATOR.join(dict.fromkeys(facts))


def facts_in(text: str, fact: str, stated: Mapping[str, str]) -> str:
    """``fact`` and those of the facts in ``stated`` whose words occur in a text.

    Prose repeats facts that are also asked one by one; without this a held-out fact would be read there.
    """
    return all_of(fact, *(other for other, words in stated.items() if words and words in text))


def choose(wordings: Sequence[str], count: int, key: str) -> list[str]:
    """The first wording and, by hash, as many of the others as make ``count``.

    Each fact gets its own choice, so that every wording is met and no fact is told in all of them.
    """
    distinct = list(dict.fromkeys(wordings))
    others = sorted(distinct[1:], key=lambda wording: digest(wording, salt=_salt(key)))
    return [*distinct[:1], *others[: count - 1]]


def as_typed(question: str, key: str) -> str:
    """A question as it may be typed: in one of six lower-case and without its mark, in another only without it."""
    kind = digest(question, salt=_salt(key)) % 6
    if kind == 0:
        return question.lower().rstrip("?.")
    return question.rstrip("?.") if kind == 1 else question


def ask(fact: str, questions: Sequence[str], answers: Sequence[str] | str, count: int) -> Iterator[Phrase]:
    """``count`` wordings of a question, the first as it stands, each with one of the answers in turn."""
    answers = (answers,) if isinstance(answers, str) else answers
    for index, question in enumerate(choose(questions, count, fact)):
        typed = question if index == 0 else as_typed(question, fact)
        yield chat(fact, typed, answers[index % len(answers)])


def one_of(items: Sequence[str], key: str) -> str:
    """One of the items, by hash; adding another item changes few choices."""
    return min(items, key=lambda item: digest(item, salt=_salt(key)))


def _salt(key: str) -> str:
    return f"{digest(key):016x}"
