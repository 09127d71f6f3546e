"""What all phrasing shares: a phrase, the choice among wordings, and how people type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from training.corpus.phrasing.names import NAMES
from training.corpus.records import Records
from training.corpus.sample import FACT_SEPARATOR, Message, Role, digest

FIELD_OF = {name: f" {field}" for field, names in NAMES["fields"].items() for name in names}


@dataclass(frozen=True, slots=True)
class Phrase:
    """The messages of a sample and the fact that they state."""

    fact: str
    messages: tuple[Message, ...]


def chat(fact: str, *turns: str) -> Phrase:
    """A phrase of turns that alternate between the user and the assistant."""
    roles: tuple[Role, Role] = ("user", "assistant")
    return Phrase(fact, tuple(Message(roles[index % 2], _tidy(turn)) for index, turn in enumerate(turns)))


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
    distinct, salt = list(dict.fromkeys(wordings)), _salt(key)
    if count == 1:
        return distinct[:1]
    others = sorted(distinct[1:], key=lambda wording: digest(wording, salt))
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
    salt = _salt(key)
    return min(items, key=lambda item: digest(item, salt))


def shared_names(records: Records) -> frozenset[str]:
    """Names, in small letters, that mean one thing in art and another in artificial intelligence."""
    in_art = {term.name.lower() for term in records.terms} | {movement.name.lower() for movement in records.movements}
    return frozenset(
        in_art & {name.lower() for concept in records.concepts for name in (concept.name, *concept.aliases)}
    )


def thin(phrases: Iterable[Phrase], share: float) -> Iterator[Phrase]:
    """Of the questions that stand alone, the first for every fact and, by hash, a share of the others."""
    seen: set[str] = set()
    for phrase in phrases:
        if len(phrase.messages) > 2:
            continue
        if phrase.fact not in seen or digest(phrase.messages[0].content) < share * 2**64:
            yield phrase
        seen.add(phrase.fact)


def _tidy(text: str) -> str:
    """No second mark after a name that ends in one of its own: "Who made Which Way??"."""
    return re.sub(r"([?!.])[?.]+$", r"\1", text)


def _salt(key: str) -> str:
    return f"{digest(key):016x}"
