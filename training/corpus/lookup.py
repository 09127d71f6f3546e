"""Where what a text speaks of can be looked up: the embedded records that it names, and their sources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from training.corpus.embedded import records
from training.corpus.phrasing.context import is_generic
from training.corpus.records import Term

MOST_FOUND, MOST_CHARS = 6, 4000
# Words beside which an everyday word is meant as a term of art.
_OF_ART = frozenset(("art", "arts", "artist", "artists", "painting", "paintings", "picture", "drawing", "composition"))
_WORD = re.compile(r"[^\W_]+(?:['’\-.][^\W_]+)*")


class Reference(NamedTuple):
    """A record that a text names, and where it can be looked up."""

    name: str
    source: str


class _Name(NamedTuple):
    """How a record is named; whether in any case of letters, and beside which words alone, if there are any."""

    name: str
    reference: Reference
    any_case: bool
    beside: frozenset[str] = frozenset()


def references_in(text: str) -> list[Reference]:
    """The records with a source that a text names, in the order of their first mention, the longest name at each place.

    A title or a person's name of one word counts only as it is written in the record ("Hope", not "I hope"), and an
    everyday word, such as "House" or "line", only where its maker or art is spoken of as well. The
    text is a question, an answer, or both, of which the first 4,000 characters are read, in 5 ms.
    """
    words = list(_WORD.finditer(text[:MOST_CHARS]))
    keys = [_key(word.group()) for word in words]
    names, lengths = _names()
    said = frozenset(keys)
    found: dict[Reference, None] = {}
    at = 0
    while at < len(words) and len(found) < MOST_FOUND:
        step = 1
        for n in lengths.get(keys[at], ()):
            written = text[words[at].start() : words[at + n - 1].end()] if at + n <= len(words) else ""
            if match := _match(names, " ".join(keys[at : at + n]), written, said):
                found[match] = None
                step = n
                break
        at += step
    return list(found)


def _match(names: Mapping[str, _Name], key: str, written: str, said: frozenset[str]) -> Reference | None:
    for form in _singulars(key):
        if found := names.get(form):
            is_written_so = found.any_case or " " in form or written == found.name
            if is_written_so and (not found.beside or found.beside & said):
                return found.reference
    return None


def _singulars(key: str) -> tuple[str, ...]:
    return key, key.removesuffix("s"), key.removesuffix("es")


def _key(name: str) -> str:
    return " ".join(word.group() for word in _WORD.finditer(name.replace("’", "'"))).casefold()


@cache
def _names() -> tuple[dict[str, _Name], dict[str, list[int]]]:
    """Each name as it is looked for; and how many words the names have that begin with a word, the longest first."""
    found: dict[str, _Name] = {}
    for name in _named():
        if key := _key(name.name):
            found.setdefault(key, name)
    lengths: dict[str, set[int]] = {}
    for key in found:
        first, *others = key.split(" ")
        for form in (first,) if others else (first, f"{first}s", f"{first}es"):
            lengths.setdefault(form, set()).add(1 + len(others))
    return found, {first: sorted(some, reverse=True) for first, some in lengths.items()}


def _named() -> Iterator[_Name]:
    """Every name of the records that say where they can be looked up: concepts before what shares a name with them."""
    everything = records()
    for concept in everything.concepts:
        if concept.source:
            for name in (concept.name, *concept.aliases):
                yield _Name(name, Reference(concept.name, concept.source), len(name) > 2)
    for term in everything.terms:
        if term.source:
            beside = _OF_ART if _is_everyday(term) else frozenset()
            yield _Name(term.name, Reference(term.name, term.source), True, beside)
    for movement in everything.movements:
        if movement.source:
            yield _Name(movement.name, Reference(movement.name, movement.source), True)
    people_and_places = [(one.name, one.source) for one in everything.artists]
    people_and_places += [(one.name, one.source) for one in everything.museums]
    for name, source in people_and_places:
        if source:
            yield _Name(name, Reference(name, source), False)
    for work in everything.works:
        if work.source:
            maker = frozenset((_key(work.artist).split(" ")[-1],)) if is_generic(work) else frozenset()
            yield _Name(work.title, Reference(f"{work.title} ({work.artist})", work.source), False, maker)


def _is_everyday(term: Term) -> bool:
    """Whether a term is a word of everyday speech: line, balance, copy."""
    return term.kind in ("element", "principle", "practice") and " " not in term.name
