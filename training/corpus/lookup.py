"""Where what a text speaks of can be looked up: the embedded records that it names, and their sources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from training.corpus.embedded import records

MOST_FOUND, MOST_CHARS = 6, 4000
_WORD = re.compile(r"[^\W_]+(?:['’\-.][^\W_]+)*")


class Reference(NamedTuple):
    """A record that a text names, and where it can be looked up."""

    name: str
    source: str


def references_in(text: str) -> list[Reference]:
    """The records with a source that a text names, in the order of their first mention, the longest name at each place.

    A title or a person's name of one word counts only as it is written in the record ("Hope", not "I hope").

    Args:
        text: a question, an answer, or both; its first 4,000 characters are read, in 5 ms.
    """
    words = list(_WORD.finditer(text[:MOST_CHARS]))
    keys = [_key(word.group()) for word in words]
    names, lengths = _names()
    found: dict[Reference, None] = {}
    at = 0
    while at < len(words) and len(found) < MOST_FOUND:
        step = 1
        for n in lengths.get(keys[at], ()):
            written = text[words[at].start() : words[at + n - 1].end()] if at + n <= len(words) else ""
            if match := _match(names, " ".join(keys[at : at + n]), written):
                found[match] = None
                step = n
                break
        at += step
    return list(found)


def _match(names: Mapping[str, tuple[str, Reference, bool]], key: str, written: str) -> Reference | None:
    for form in _singulars(key):
        if found := names.get(form):
            name, reference, any_case = found
            if any_case or " " in form or written == name:
                return reference
    return None


def _singulars(key: str) -> tuple[str, ...]:
    return key, key.removesuffix("s"), key.removesuffix("es")


def _key(name: str) -> str:
    return " ".join(word.group() for word in _WORD.finditer(name.replace("’", "'"))).casefold()


@cache
def _names() -> tuple[dict[str, tuple[str, Reference, bool]], dict[str, list[int]]]:
    """Each name as it is looked for, with how it is written, its reference, and whether its case does not matter; and
    how many words the names have that begin with a word, the longest first."""
    found: dict[str, tuple[str, Reference, bool]] = {}
    for name, reference, any_case in _named():
        if key := _key(name):
            found.setdefault(key, (name, reference, any_case))
    lengths: dict[str, set[int]] = {}
    for key in found:
        first, *others = key.split(" ")
        for form in (first,) if others else (first, f"{first}s", f"{first}es"):
            lengths.setdefault(form, set()).add(1 + len(others))
    return found, {first: sorted(some, reverse=True) for first, some in lengths.items()}


def _named() -> Iterator[tuple[str, Reference, bool]]:
    """Every name of the records that say where they can be looked up: concepts before what shares a name with them."""
    everything = records()
    for concept in everything.concepts:
        if concept.source:
            for name in (concept.name, *concept.aliases):
                yield name, Reference(concept.name, concept.source), len(name) > 2
    for term in everything.terms:
        if term.source:
            yield term.name, Reference(term.name, term.source), True
    for movement in everything.movements:
        if movement.source:
            yield movement.name, Reference(movement.name, movement.source), True
    people_and_places = [(one.name, one.source) for one in everything.artists]
    people_and_places += [(one.name, one.source) for one in everything.museums]
    for name, source in people_and_places:
        if source:
            yield name, Reference(name, source), False
    for work in everything.works:
        if work.source:
            yield work.title, Reference(f"{work.title} ({work.artist})", work.source), False
