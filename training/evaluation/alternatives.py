"""Wrong answers to questions of the embedded corpus, worded as it would word them were they right.

A record is given the value of another record of its kind, and the corpus phrases the changed record: ``Claude Monet was
French.`` becomes ``Claude Monet was Dutch.`` So a wrong answer differs from the right one only in what it says, not in
how it is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from training.corpus import embedded
from training.corpus.phrasing import artists, movements, works
from training.corpus.phrasing.context import Context, context_of
from training.corpus.phrasing.wording import Phrase
from training.corpus.records import Artist, Concept, Movement, Work
from training.corpus.sample import Sample, digest

N_WRONG = 3
MOST_UNASKED = 8
"""Records with whose values the question would not be asked, after which it is taken to name the value itself."""

# Aspect of a fact -> the fields of the record that hold its value, the one that names it first.
_FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "artist": {
        "nationality": ("nationality",),
        "known_for": ("known_for",),
        "movement": ("movements",),
        "media": ("media", "materials"),
        "born": ("born", "born_circa"),
        "died": ("died", "died_circa"),
        "birthplace": ("birthplace", "country"),
    },
    "work": {
        "artist": ("artist",),
        "year": ("year", "year_start", "circa"),
        "location": ("location", "city"),
        "medium": ("medium",),
        "movement": ("movement",),
        "depicts": ("depicts",),
    },
    "movement": {
        "definition": ("definition",),
        "when": ("start", "end"),
        "grew_from": ("grew_from",),
        "features": ("features",),
    },
    "term": {"definition": ("definition",)},
    "concept": {"definition": ("definition",)},
}
_DEFINITION = re.compile(r"(?P<subject>.+?) (?P<verb>is|are|was|were) (?P<rest>.+)")
_COMMON_WORDS = frozenset(("the", "and", "for", "with", "from", "that", "which", "his", "her", "its", "are", "was"))


@dataclass(frozen=True)
class Alternative:
    """An answer, and the value in which it differs from the others."""

    answer: str
    value: str


def kind_of(fact: str) -> str:
    """What a fact is about: ``work artist`` for ``work:Guernica/artist``."""
    kind, _, rest = fact.partition(":")
    return f"{kind} {rest.rpartition('/')[2].replace('_', ' ')}"


def alternatives(sample: Sample) -> list[Alternative] | None:
    """The sample's own answer, then wrong ones; None when its fact has no value to exchange or too few others differ.

    Candidates come in an order by hash and as often as records have a value, so that a frequent value is as frequent
    among wrong answers as it is among right ones. No two options share a word that means something.
    """
    kind, _, rest = sample.fact.partition(":")
    subject, _, aspect = rest.rpartition("/")
    fields = _FIELDS.get(kind, {}).get(aspect)
    record = _records(kind).get(subject) if fields else None
    if fields is None or record is None:
        return None
    found, unasked, salt = [Alternative(sample.answer, _value(record, fields[0]))], 0, f"{digest(sample.fact):016x}"
    for other in sorted(_like(record), key=lambda other: digest(_name(other), salt=salt)):
        value = _value(other, fields[0])
        if not value or any(_alike(value, one.value) for one in found):
            continue
        answer = _answer(record, other, fields, sample)
        if answer is None:
            unasked += 1
        elif answer not in [one.answer for one in found]:
            found.append(Alternative(answer, value))
        if len(found) == N_WRONG + 1:
            return found
        if unasked == MOST_UNASKED:
            return None
    return None


def _answer(record: Any, other: Any, fields: Sequence[str], sample: Sample) -> str | None:
    """What the corpus would answer to the sample's question if the record had the values of the other."""
    if fields == ("definition",):
        return _redefined(record, other)
    changed = replace(record, **{field: getattr(other, field) for field in fields})
    for phrase in _phrases(changed):
        if phrase.fact == sample.fact and len(phrase.messages) == 2 and phrase.messages[0].content == sample.question:
            return phrase.messages[1].content
    return None


def _redefined(record: Any, other: Any) -> str | None:
    """What another record is, said of this one: ``Fresco is`` and ``a print made from a block of wood.``"""
    own, others = _DEFINITION.match(record.definition), _DEFINITION.match(other.definition)
    if own is None or others is None or own["verb"] != others["verb"]:
        return None
    named = record.name.casefold() in others["rest"].casefold() or other.name.casefold() in others["rest"].casefold()
    return None if named else f"{own['subject']} {own['verb']} {others['rest']}"


def _phrases(record: Any) -> Iterator[Phrase]:
    """What the corpus says of a record alone."""
    if isinstance(record, Movement):
        return movements.movement_phrases(record, (), (), _context())
    if isinstance(record, Artist):
        return artists.phrases(record, (), _context())
    assert isinstance(record, Work)
    return works.phrases(record, _context())


@cache
def _records(kind: str) -> dict[str, Any]:
    """The records of a kind under the labels that their facts have."""
    records = embedded.records()
    if kind == "work":
        shared = _context().shared
        return {works.work_fact(work, "", work.title in shared)[len("work:") : -1]: work for work in records.works}
    return {record.name: record for record in getattr(records, f"{kind}s")}


@cache
def _context() -> Context:
    return context_of(embedded.records())


def _like(record: Any) -> Iterator[Any]:
    """The other records of the same kind: paintings for a painting, techniques for a technique."""
    group = _kind(record)
    for other in _records(type(record).__name__.lower()).values():
        if other is not record and _kind(other) == group:
            yield other


def _kind(record: Any) -> str:
    return getattr(record, "area", "") if isinstance(record, Concept) else getattr(record, "kind", "")


def _name(record: Any) -> str:
    return f"{record.title} {record.artist}" if isinstance(record, Work) else record.name


def _value(record: Any, field: str) -> str:
    """What a field says, as text; empty when the record does not say."""
    value = getattr(record, field)
    return ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def _alike(one: str, other: str) -> bool:
    """Whether two values might both be right: they are the same, or shorter than a sentence and share a word."""
    return one == other or (not one.endswith(".") and not _words(one).isdisjoint(_words(other)))


@cache
def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"\w{3,}", text.casefold()) if word not in _COMMON_WORDS)
