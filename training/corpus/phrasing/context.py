"""What all records together say about how to speak of one: shared titles, short names, movements, museums."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from training.corpus.phrasing import grammar
from training.corpus.phrasing.names import NAMES
from training.corpus.records import Artist, Movement, Museum, Records, Work

_AMBIGUOUS = frozenset(NAMES["ambiguous_surnames"])
# Whoever is less known than this is not asked for by surname.
_KNOWN_BY_SURNAME = 2

_GENERIC = re.compile(rf"(The |A )?({'|'.join(NAMES['generic_titles'])})")
_OF_SEVERAL = re.compile(rf"(The |An? )?({'|'.join(NAMES['titles_of_several'])})")
_OF_SOMETHING_ELSE = re.compile("|".join(NAMES["titles_of_something_else"]))
_THE_ONE_MEANT = 2
"""The fame from which a work with such a title is the one that is meant."""

# The verb of a kind of work; whatever is not here was "made", which is true of all.
_VERB_OF_KIND = {
    "painting": "painted", "mural": "painted", "fresco": "painted", "drawing": "drew", "photograph": "took",
    "building": "designed", "bridge": "designed", "garden": "designed", "square": "designed",
    "performance": "performed",
}  # fmt: skip


@dataclass(frozen=True)
class Context:
    """What the other records say about how to speak of one."""

    shared: frozenset[str]  # titles that several works have, or would have in any museum: named with their maker
    generic: frozenset[str]  # those of them that only one work here has
    alone: frozenset[tuple[str, str]]  # titles with the kind of work, where only one work has them
    depicted: frozenset[str]  # subjects that only one work shows, so that the work can be asked for by them
    makers: Mapping[str, tuple[str, ...]]  # who painted, who carved and so on, by the verb, to ask after the wrong one
    short: Mapping[str, str]  # what each artist can be asked for by: the short name only if it can mean nobody else
    artists: Mapping[str, Artist]  # the records by name, as the next two
    movements: Mapping[str, Movement]
    museums: Mapping[str, Museum]

    def movement(self, name: str) -> str:
        """The name of a movement as it stands inside a sentence: ``the Baroque``, ``conceptual art``."""
        record = self.movements.get(name)
        return record.said if record is not None and record.said else name

    def is_group(self, name: str) -> bool:
        """Whether a movement is people who joined, so that a work is by a member of it, not an example of it."""
        record = self.movements.get(name)
        return record is not None and record.group


def context_of(records: Records) -> Context:
    """The context of all records."""
    works = records.works
    titles = Counter(work.title for work in works)
    kinds = Counter((work.title, work.kind) for work in works)
    depicted = Counter(work.depicts for work in works if work.depicts)
    makers: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for work in works:
        if work.artist:
            makers[verb_of(work)][work.artist] = None
    several = frozenset(title for title, count in titles.items() if count > 1)
    generic = frozenset(work.title for work in works if is_generic(work)) - several
    return Context(
        shared=several | generic,
        generic=generic,
        alone=frozenset(title for title, count in kinds.items() if count == 1),
        depicted=frozenset(subject for subject, count in depicted.items() if count == 1),
        makers={verb: tuple(names) for verb, names in makers.items()},
        short=_short_names(records),
        artists={artist.name: artist for artist in records.artists},
        movements={movement.name: movement for movement in records.movements},
        museums={museum.name: museum for museum in records.museums},
    )


def verb_of(work: Work) -> str:
    """The verb for what the makers did: the record's own, or that of the kind of work."""
    return work.verb or _VERB_OF_KIND.get(work.kind, "made")


def is_generic(work: Work) -> bool:
    """Whether a title is one of many works, of which this is not the one that everybody means."""
    if not work.artist:
        return False
    vague = work.fame < _THE_ONE_MEANT and _GENERIC.fullmatch(work.title) is not None
    return vague or _OF_SEVERAL.fullmatch(work.title) is not None or names_something_else(work)


def names_something_else(work: Work) -> bool:
    """Whether a title is the name of what people rather think of: a bridge that a painting shows."""
    built = work.kind in ("building", "bridge", "monument", "square", "garden")
    return not built and bool(work.artist) and bool(_OF_SOMETHING_ELSE.fullmatch(work.title))


def is_common_word(work: Work) -> bool:
    """Whether a title of many works is one word, with which a sentence cannot begin: "Books is a poster"."""
    return is_generic(work) and " " not in work.title


def _short_names(records: Records) -> dict[str, str]:
    short = {artist.name: grammar.surname(artist.name) for artist in records.artists}
    counts = Counter(short.values())
    return {
        artist.name: short[artist.name]
        if artist.fame >= _KNOWN_BY_SURNAME
        and counts[short[artist.name]] == 1
        and short[artist.name] not in _AMBIGUOUS
        and artist.nationality not in ("Chinese", "Korean")  # their family name comes first
        else artist.name
        for artist in records.artists
    }
