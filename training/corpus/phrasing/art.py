"""The source ``art``: artists, works, movements and terms, and honest answers about what does not exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import TypeVar

from training.corpus.phrasing import artists, movements, works
from training.corpus.phrasing.prominence import Prominent, prominent
from training.corpus.phrasing.wording import Phrase, chat, choose, shared_names, thin
from training.corpus.records import Records

Item = TypeVar("Item")

# Invented, and checked by a test not to be the names of records.
FIRST_NAMES = ("Alvero", "Brunhild", "Casimira", "Dorvin", "Elspetha", "Fenwick", "Gismondo", "Hortenze", "Jorunda")
LAST_NAMES = ("Quandrel", "Brastow", "Velimarsh", "Ostrigan", "Pellowick", "Trovandi", "Grimsholt", "Zandervale")
ADJECTIVES = ("Whispering", "Purple", "Forgotten", "Upside-Down", "Seventh", "Paper", "Sleeping", "Invisible")
NOUNS = ("Teapot", "Lighthouse", "Bicycle", "Giraffe", "Staircase", "Umbrella", "Accordion", "Parliament")

# Of the wordings beyond the first, how many are kept for subjects that the records mention seldom.
_SHARE_OF_THE_REST = 0.05


def phrases(records: Records) -> Iterator[Phrase]:
    """Everything that is asked about art."""
    known, context = prominent(records), works.context_of(records.works)
    yield from _artists(records, known, context)
    yield from _works(records, known, context)
    yield from _movements(records, known, context)
    shared = shared_names(records)
    for term in records.terms:
        yield from movements.term_phrases(term, " in art" if term.name.lower() in shared else "")
    yield from _unknown()


def _artists(records: Records, known: Prominent, context: works.Context) -> Iterator[Phrase]:
    short = artists.aliases(records.artists)
    works_by = _grouped(records.works, lambda work: work.artist)
    for artist in records.artists:
        # In a list of works, titles with commas of their own come last.
        own = sorted(works_by[artist.name], key=lambda work: ("," in work.title, -known.mentions[work.title]))
        told = artists.phrases(artist, own, context.shared, short[artist.name])
        yield from told if artist.name in known.artists else thin(told, _SHARE_OF_THE_REST)


def _works(records: Records, known: Prominent, context: works.Context) -> Iterator[Phrase]:
    short = artists.aliases(records.artists)
    for work in records.works:
        told = works.phrases(work, context, short)
        yield from told if work.title in known.works else thin(told, _SHARE_OF_THE_REST)
    for title in sorted(context.shared):
        same = [work for work in records.works if work.title == title]
        yield from works.shared_title_phrases(title, sorted(same, key=lambda work: -known.mentions[work.artist]))


def _movements(records: Records, known: Prominent, context: works.Context) -> Iterator[Phrase]:
    """Each movement with the artists and works that are mentioned most."""
    members = _grouped(records.artists, lambda artist: artist.movements[0] if artist.movements else "")
    examples = _grouped(records.works, lambda work: "" if work.title in context.shared else work.movement or "")
    for movement in records.movements:
        yield from movements.movement_phrases(
            movement,
            sorted(members[movement.name], key=lambda artist: -known.mentions[artist.name]),
            sorted(examples[movement.name], key=lambda work: -known.mentions[work.title] - known.mentions[work.artist]),
        )


def _grouped(items: Iterable[Item], key: Callable[[Item], str]) -> defaultdict[str, list[Item]]:
    groups: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _unknown() -> Iterator[Phrase]:
    """Questions about artists and works that do not exist, answered with what is true: not known."""
    for first, last in product(FIRST_NAMES, LAST_NAMES):
        name = f"{first} {last}"
        about_artist = (
            f"Who was {name}?", f"When was {name} born?", f"What is {name} known for?", f"Which works did {name} make?",
            f"Tell me about {name}.", f"Where was {name} born?",
        )  # fmt: skip
        for question in choose(about_artist, 2, name):
            yield chat("unknown:artist", question, f"I do not know an artist named {name}.")
    for adjective, noun in product(ADJECTIVES, NOUNS):
        title = f"The {adjective} {noun}"
        about_work = (
            f"Who painted {title}?", f"When was {title} painted?", f"Where is {title}?", f"What does {title} show?",
            f"Tell me about {title}.",
        )  # fmt: skip
        for question in choose(about_work, 2, title):
            yield chat("unknown:work", question, f"I do not know a work called {title}.")
