"""The source ``art``: artists, works, movements and terms, and honest answers about what does not exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import TypeVar

from training.corpus.phrasing import artists, movements, works
from training.corpus.phrasing.prominence import prominent
from training.corpus.phrasing.wording import Phrase, chat, choose, shared_names, thin
from training.corpus.records import Records

Item = TypeVar("Item")

# Invented, and checked by a test not to be the names of records.
_FIRST_NAMES = (
    "Alvero",
    "Brunhild",
    "Casimira",
    "Dorvin",
    "Elspetha",
    "Fenwick",
    "Gismondo",
    "Hortenze",
    "Ilvaro",
    "Jorunda",
)
_LAST_NAMES = ("Quandrel", "Brastow", "Velimarsh", "Ostrigan", "Pellowick", "Trovandi", "Grimsholt", "Zandervale")
_ADJECTIVES = ("Whispering", "Purple", "Forgotten", "Upside-Down", "Seventh", "Paper", "Sleeping", "Invisible")
_NOUNS = ("Teapot", "Lighthouse", "Bicycle", "Giraffe", "Staircase", "Umbrella", "Accordion", "Parliament")


# Of the wordings beyond the first, how many are kept for subjects that the records mention seldom.
_SHARE_OF_THE_REST = 0.05


def phrases(records: Records) -> Iterator[Phrase]:
    """Everything that is asked about art."""
    short = artists.aliases(records.artists)
    known = prominent(records)
    context = works.context_of(records.works)
    works_by = _grouped(records.works, lambda work: work.artist)
    for artist in records.artists:
        own = _first(works_by[artist.name], lambda work: work.title in known.works and "," not in work.title)
        told = artists.phrases(artist, own, context.shared, short[artist.name])
        yield from told if artist.name in known.artists else thin(told, _SHARE_OF_THE_REST)
    for work in records.works:
        told = works.phrases(work, context, short)
        yield from told if work.title in known.works else thin(told, _SHARE_OF_THE_REST)
    for title in sorted(context.shared):
        same = [work for work in records.works if work.title == title]
        yield from works.shared_title_phrases(title, _first(same, lambda work: work.artist in known.artists))
    members = _grouped(records.artists, lambda artist: artist.movements[0] if artist.movements else "")
    examples = _grouped(records.works, lambda work: work.movement or "")
    for movement in records.movements:
        yield from movements.movement_phrases(
            movement,
            _first(members[movement.name], lambda artist: artist.name in known.artists),
            _first(
                examples[movement.name], lambda work: work.title in known.works and work.title not in context.shared
            ),
        )
    shared = shared_names(records)
    for term in records.terms:
        yield from movements.term_phrases(term, " in art" if term.name.lower() in shared else "")
    yield from _unknown()


def _grouped(items: Iterable[Item], key: Callable[[Item], str]) -> defaultdict[str, list[Item]]:
    groups: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _first(items: Sequence[Item], preferred: Callable[[Item], bool]) -> list[Item]:
    """The preferred items before the others, each in their order."""
    return sorted(items, key=lambda item: not preferred(item))


def _unknown() -> Iterator[Phrase]:
    """Questions about artists and works that do not exist, answered with what is true: not known."""
    for first, last in product(_FIRST_NAMES, _LAST_NAMES):
        name = f"{first} {last}"
        about_artist = (
            f"Who was {name}?", f"When was {name} born?", f"What is {name} known for?", f"Which works did {name} make?",
            f"Tell me about {name}.", f"Where was {name} born?",
        )  # fmt: skip
        for question in choose(about_artist, 2, name):
            yield chat("unknown:artist", question, f"I do not know an artist named {name}.")
    for adjective, noun in product(_ADJECTIVES, _NOUNS):
        title = f"The {adjective} {noun}"
        about_work = (
            f"Who painted {title}?", f"When was {title} painted?", f"Where is {title}?", f"What does {title} show?",
            f"Tell me about {title}.",
        )  # fmt: skip
        for question in choose(about_work, 2, title):
            yield chat("unknown:work", question, f"I do not know a work called {title}.")
