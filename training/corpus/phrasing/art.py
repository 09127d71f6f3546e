"""The source ``art``: artists, works, movements, museums and terms, and honest answers about the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from training.corpus.phrasing import absent, artists, movements, museums, works
from training.corpus.phrasing.context import Context, context_of
from training.corpus.phrasing.names import NAMES
from training.corpus.phrasing.prominence import Prominent, prominent
from training.corpus.phrasing.wording import Phrase, shared_names, thin
from training.corpus.records import Records, Work

Item = TypeVar("Item")

EVERYDAY = frozenset(NAMES["everyday_terms"])
# Of the wordings beyond the first, how many are kept for subjects that the records mention seldom.
_SHARE_OF_THE_REST = 0.05


def phrases(records: Records) -> Iterator[Phrase]:
    """Everything that is asked about art. The works come before their artists: where a fact is asked once only, it is
    by its plainest question, "Who painted Guernica?" rather than "Name a work by Pablo Picasso."."""
    known, context = prominent(records), context_of(records)
    yield from _works(records, known, context)
    yield from _artists(records, known, context)
    yield from _movements(records, known, context)
    for museum in records.museums:
        yield from museums.phrases(museum)
    shared = shared_names(records)
    for term in records.terms:
        name = term.name.lower()
        yield from movements.term_phrases(term, " in art" if name in shared or name in EVERYDAY else "")
    yield from absent.in_art(records)


def _artists(records: Records, known: Prominent, context: Context) -> Iterator[Phrase]:
    works_by: defaultdict[str, list[Work]] = defaultdict(list)
    for work in records.works:
        if not work.attribution:
            for maker in (work.artist, *work.also_by):
                works_by[maker].append(work)
    for artist in records.artists:
        own = sorted(works_by[artist.name], key=lambda work: (-work.fame, -known.mentions[work.title]))
        found = artists.phrases(artist, own, context)
        yield from found if artist.name in known.artists else thin(found, _SHARE_OF_THE_REST)


def _works(records: Records, known: Prominent, context: Context) -> Iterator[Phrase]:
    for work in records.works:
        found = works.phrases(work, context)
        yield from found if work.title in known.works else thin(found, _SHARE_OF_THE_REST)
    for title in sorted(context.shared - context.generic):
        same = [work for work in records.works if work.title == title]
        ranked = sorted(same, key=lambda work: (-work.fame, -known.mentions[work.artist]))
        yield from works.shared_title_phrases(title, ranked)


def _movements(records: Records, known: Prominent, context: Context) -> Iterator[Phrase]:
    """Each movement with the artists and works that its record calls typical, or else with the best known ones."""
    members = _grouped(records.artists, lambda artist: artist.movements[0] if artist.movements else "")
    examples = _grouped(records.works, lambda work: "" if work.title in context.shared else work.movement or "")
    for movement in records.movements:
        typical = [context.artists[name] for name in movement.artists] or sorted(
            members[movement.name], key=lambda artist: (-artist.fame, -known.mentions[artist.name])
        )
        # Whoever is linked with a group need not have been a member.
        also = [artist for artist in records.artists if movement.name in artist.movements and not movement.group]
        titles = [work for title in movement.works for work in records.works if work.title == title]
        yield from movements.movement_phrases(
            movement,
            _several(typical, also),
            [work for work in titles if work.movement == movement.name]
            or sorted(examples[movement.name], key=lambda work: (-work.fame, -known.mentions[work.title])),
            context,
        )


def _several(first: Sequence[Item], others: Sequence[Item]) -> list[Item]:
    """Those of the first rank, and where it has but one, the others as well."""
    return [*first, *(one for one in others if one not in first)] if len(first) == 1 else list(first)


def _grouped(items: Iterable[Item], key: Callable[[Item], str]) -> defaultdict[str, list[Item]]:
    groups: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups
