"""The core of the embedded corpus: what a model of a few million parameters can learn in two minutes.

The definitions of terms, of the movements named most often in the records and of the best known concepts of AI, all
chat manners, and of the artists who are named most often what they are known for and which works they made. The rest
of the corpus (dates, places, materials, analogies, ...) is for longer runs.
"""

from __future__ import annotations

from functools import cache

from training.corpus import embedded
from training.corpus.phrasing.prominence import mentions, movement_mentions
from training.corpus.sample import Sample

N_ARTISTS = 100
N_MOVEMENTS = 96
_ASPECTS = {
    "concept": ("definition",),
    "term": ("definition",),
    "movement": ("definition",),
    "artist": ("known_for", "movement", "nationality"),
    "work": ("artist",),
}


@cache
def samples() -> tuple[Sample, ...]:
    """The samples of all embedded sources that state nothing but core facts."""
    return tuple(
        sample for source in embedded.SOURCES for sample in embedded.samples(source) if all(map(_is_core, sample.facts))
    )


@cache
def famous_artists() -> frozenset[str]:
    """The 100 artists whom the records mention most, ties by name."""
    counts = mentions(embedded.records())
    return frozenset(sorted(counts, key=lambda name: (-counts[name], name))[:N_ARTISTS])


@cache
def _famous_concepts() -> frozenset[str]:
    return frozenset(concept.name for concept in embedded.records().concepts if concept.fame >= 2)


@cache
def famous_movements() -> frozenset[str]:
    """The 96 movements that the records mention most, ties by name."""
    counts = movement_mentions(embedded.records())
    return frozenset(sorted(counts, key=lambda name: (-counts[name], name))[:N_MOVEMENTS])


@cache
def _famous_works() -> frozenset[str]:
    return frozenset(work.title for work in embedded.records().works if work.artist in famous_artists())


def _is_core(fact: str) -> bool:
    kind, _, rest = fact.partition(":")
    subject, _, aspect = rest.rpartition("/")
    if kind in ("exchange", "unknown"):
        return True
    if aspect not in _ASPECTS.get(kind, ()):
        return False
    if kind == "artist":
        return subject in famous_artists()
    if kind == "concept":
        return subject in _famous_concepts()
    if kind == "movement":
        return subject in famous_movements()
    return kind != "work" or subject in _famous_works() or subject.partition(" (")[0] in _famous_works()
