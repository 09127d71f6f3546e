"""How often the records speak of an artist or a work, which decides in how many wordings it is taught.

A small model cannot learn everything. What people ask about most is also what a book mentions most, so the
subjects that other records mention get all wordings, and the others fewer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

from training.corpus.records import Records

_PROMINENT_ARTIST = 6
_GREAT_ARTIST = 12
# Shorter titles are common words: "Night", "House".
_TELLING_TITLE = 8


@dataclass(frozen=True)
class Prominent:
    """The artists and the works (by title) that are taught in every wording, and how often each is mentioned."""

    artists: frozenset[str]
    works: frozenset[str]
    mentions: Counter[str]


@cache  # asked three times of the same records
def mentions(records: Records) -> Counter[str]:
    """How often each artist is named in the other records, plus the number of the artist's works."""
    text = _everything(records)
    works_by = Counter(work.artist for work in records.works)
    counts: Counter[str] = Counter()
    for artist in records.artists:
        counts[artist.name] = text.count(artist.name) - artist.prose.count(artist.name) + works_by[artist.name]
    return counts


def movement_mentions(records: Records) -> Counter[str]:
    """How often each movement is named in the records, as a movement of artists and works or in a text."""
    text = _everything(records)
    counts = Counter(name for artist in records.artists for name in artist.movements)
    counts.update(work.movement for work in records.works if work.movement)
    for movement in records.movements:
        own = movement.definition + movement.prose
        counts[movement.name] += text.count(movement.name) - own.count(movement.name)
    return counts


def prominent(records: Records) -> Prominent:
    """Artists mentioned, with their works, at least six times; works mentioned elsewhere, by the artists
    mentioned most, or known by a name of their own without an artist."""
    text = _everything(records)
    artists = mentions(records)
    titles: Counter[str] = Counter()
    for work in records.works:
        if len(work.title) >= _TELLING_TITLE:
            titles[work.title] = text.count(work.title) - work.prose.count(work.title)
    return Prominent(
        artists=frozenset(name for name, count in artists.items() if count >= _PROMINENT_ARTIST),
        works=frozenset(
            work.title
            for work in records.works
            if not work.artist or artists[work.artist] >= _GREAT_ARTIST or titles[work.title] > 0
        ),
        mentions=artists + titles,
    )


def _everything(records: Records) -> str:
    parts: list[str] = []
    for artist in records.artists:
        parts += artist.known_for, artist.prose, *artist.related
    for work in records.works:
        parts += work.prose, work.depicts or ""
    for movement in records.movements:
        parts += movement.definition, movement.prose
    for term in records.terms:
        parts += term.definition, term.example, term.prose
    for exchange in records.exchanges:
        parts += exchange.reply
    return "\n".join(parts)
