"""The core of the embedded corpus: what a model of a few million parameters can learn in two minutes.

The definitions of what is best known, all chat manners, and of the best known artists what they are known for and which
works they made. The rest of the corpus (dates, places, materials, analogies, ...) is for longer runs. How much is in it
does not depend on how many records there are: of each kind the best known are chosen.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from training.corpus import embedded
from training.corpus.phrasing.prominence import mentions, movement_mentions
from training.corpus.sample import Sample

N_ARTISTS = 100
N_CONCEPTS = 255
N_MOVEMENTS = 95
N_TERMS = 200
N_BELIEFS = 40
"""Concepts of which both the true and the false belief are taught, each with its reason."""
N_WORKS = 320

_ASPECTS = {
    "concept": ("definition",),
    "term": ("definition",),
    "movement": ("definition",),
    "artist": ("known_for", "movement", "nationality"),
    "work": ("artist",),
}
_BELIEF = ("definition", "example", "truth", "misconception", "name", "other")
# Concepts and facts that questions of the default study ask for, whatever their rank.
_ASKED_CONCEPTS = frozenset((
    "neural network", "language model", "training data", "overfitting", "token", "hallucination", "deepfake", "chatbot",
    "context window", "automation", "AI detector",
))  # fmt: skip
_ASKED_FACTS = frozenset((
    "artist:Vincent van Gogh/about", "movement:Baroque/features", "movement:Bauhaus/definition", "term:fresco/about",
    "term:linear perspective/about", "concept:training data/example",
))  # fmt: skip


@cache
def samples() -> tuple[Sample, ...]:
    """The samples of all embedded sources that state nothing but core facts."""
    return tuple(
        sample for source in embedded.SOURCES for sample in embedded.samples(source) if all(map(_is_core, sample.facts))
    )


@cache
def famous_artists() -> frozenset[str]:
    """The 100 artists of most fame, of equal ones those whom the records mention most, ties by name."""
    counts = mentions(embedded.records())
    ranked = sorted(embedded.records().artists, key=lambda one: (-one.fame, -counts[one.name], one.name))
    return frozenset(artist.name for artist in ranked[:N_ARTISTS])


@cache
def _chosen() -> dict[str, frozenset[str]]:
    """The names of the records of each kind that are in the core."""
    records, counts = embedded.records(), mentions(embedded.records())
    related = Counter(name for concept in records.concepts for name in concept.related)
    concepts = sorted(
        records.concepts, key=lambda one: (one.name not in _ASKED_CONCEPTS, -one.fame, -related[one.name], one.name)
    )
    named = movement_mentions(records)
    movements = sorted(records.movements, key=lambda one: (-named[one.name], one.name))
    works = [work for work in records.works if work.artist in famous_artists()]
    works.sort(key=lambda work: (-work.fame, -counts[work.artist], work.title))
    return {
        "concept": frozenset(concept.name for concept in concepts[:N_CONCEPTS]),
        "belief": frozenset(concept.name for concept in concepts[:N_BELIEFS]),
        "movement": frozenset(movement.name for movement in movements[:N_MOVEMENTS]),
        "term": frozenset(term.name for term in records.terms[:N_TERMS]),
        "artist": famous_artists(),
        "work": frozenset(work.title for work in works[:N_WORKS]),
    }


def _is_core(fact: str) -> bool:
    kind, _, rest = fact.partition(":")
    subject, _, aspect = rest.rpartition("/")
    if kind in ("exchange", "unknown") or fact in _ASKED_FACTS:
        return True
    if kind == "concept" and aspect in _BELIEF and subject in _chosen()["belief"]:
        return True
    chosen = _chosen().get(kind, frozenset())
    named = subject in chosen or (kind == "work" and subject.partition(" (")[0] in chosen)
    return aspect in _ASPECTS.get(kind, ()) and named
