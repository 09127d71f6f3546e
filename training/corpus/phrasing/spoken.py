"""The words by which one work of art is spoken of: its name, its maker, its date, its place and what it shows."""

from __future__ import annotations

import re

from training.corpus.phrasing import grammar
from training.corpus.phrasing.context import Context, is_common_word, verb_of
from training.corpus.phrasing.names import NAMES
from training.corpus.records import Work

VERBS = {did: (did, to_do, done) for did, (to_do, done) in NAMES["verbs"].items()}
"""How a work is made: what the artist did, to do it, and what was done to the work."""
BUILT = frozenset(("building", "bridge", "monument", "square"))
# Kinds that stay where they are, so that a date of checking says nothing.
FIXED = BUILT | {"garden", "earthwork", "mural", "fresco", "mosaic", "stained glass"}
# Kinds of which is told what can be seen there, or what house or tower they are.
PLACES = frozenset(("building", "square", "garden"))
_PLACE_ITSELF = re.compile(
    r"an? [^.]*?\b(?:school|house|skyscraper|pyramid|temple|arena|hall|shrine|church|tomb|museum|chapel|park)\b"
)
# A list, a number or a plural: what consists of it is not it.
_PARTS = re.compile(r"(?!an? |the (?!pieces))|.*, an? ")
_SERIES = re.compile(r"an? (series|cycle|set|group|pair|suite)\b")
_MAKERS = {"workshop of": "the workshop of", "circle of": "an artist close to", "follower of": "a follower of"}


class Spoken:
    """A work with the words by which it is spoken of."""

    def __init__(self, work: Work, context: Context) -> None:
        self.work = work
        self.shared = work.title in context.shared
        self.did, self.to_do, self.done = VERBS[verb_of(work)]
        self.plural = work.plural
        self.title = spoken_title(work)
        self.noun = f"the {called(work)} {work.title}" if self.shared or self.did == "took" else self.title
        self.by = makers(work)
        self.name = f"{work.title} by {self.by}" if self.shared and self.by else self.title
        # "Books by Alexander Rodchenko is ...", and a print of a name may stand beside a painting of it
        if self.shared and self.by and (is_common_word(work) or work.kind in ("print", "drawing")):
            self.name = f"the {called(work)} {self.name}"
        if self.did == "took" and not work.form:  # "Sarah Bernhardt was taken" would speak of the person
            self.name = f"the photograph {self.name}"
        self.start = grammar.upper_first(self.name)
        self.was, self.now = ("were", "are") if self.plural else ("was", "is")
        # What is no more is spoken of in the past, but people ask where it is.
        self.be = self.was if work.gone else self.now
        self.do = "did" if work.gone else "do" if self.plural else "does"
        self.show = "showed" if work.gone else "show" if self.plural else "shows"
        self.museum = context.museums.get(work.location or "")

    def fact(self, attribute: str) -> str:
        return work_fact(self.work, attribute, self.shared)

    @property
    def among(self) -> str:
        """That there are several, before what is said of one; empty where there is but one."""
        if not self.work.several:
            return ""
        if self.work.several == "pictures":
            picture = "picture" if self.did in ("painted", "drew", "took") else "work"
            return f"{grammar.upper_first(self.by)} {self.did} more than one {picture} called {self.work.title}. "
        one = "copy" if self.work.several == "copies" else self.work.several[:-1]
        return f"There is more than one {one} of {self.name}. "

    @property
    def at(self) -> str:
        """In which museum and town it is: ``at the National Museum in Oslo``."""
        place, city = self.work.location, self.work.city
        town = f"in {city}" if city and city not in (place or "") else ""
        return " ".join(filter(None, (grammar.at_place(place) if place else "", town)))

    @property
    def the_one(self) -> str:
        """The one of several that is spoken of; casts are alike, and what has no others is called by its name."""
        return f"the one {self.at}" if self.work.several and self.work.several != "casts" and self.at else self.name

    @property
    def what(self) -> str:
        """What it is: ``a painting``, ``a series of 53 prints``, ``sculptures``."""
        work = self.work
        if work.form:
            return work.form
        return grammar.plural(work.kind) if self.plural else one(work.kind)

    @property
    def made(self) -> str:
        """Who made it, in a sentence."""
        if self.work.attribution == "attributed to":
            return f"{grammar.upper_first(self.noun)} {self.be} attributed to {self.work.artist}."
        if self.work.several == "pictures" and self.by:
            return self.among.strip()
        others = ", of which there is more than one version" if self.work.several == "versions" else ""
        return f"{grammar.upper_first(self.by)} {self.did} {self.noun}{others}."

    @property
    def when(self) -> str:
        """When it was made, in a sentence; empty when that is not known."""
        work = self.work
        if work.year is None:
            return ""
        casts = work.several == "casts"  # which are alike, and made when they are cast
        said = self.start if casts else self.among + grammar.upper_first(self.the_one)
        more = f", and there is more than one cast of {'them' if self.plural else 'it'}" if casts else ""
        if work.year_start is not None and work.year_start != work.year and self.done not in ("completed", "finished"):
            return f"{said} {self.was} {self.done} {grammar.years(work.year_start, work.year, work.circa)}{more}."
        return f"{said} {self.was} {self.done} in {grammar.year(work.year, work.circa)}{more}."

    @property
    def where(self) -> str:
        """Where it is, with the year in which that was checked; empty when the record does not say."""
        work = self.work
        if work.gone:
            return f"{self.start} {work.gone}."
        place, city, as_of = work.location, work.city, work.as_of
        town = f" in {city}" if city and city not in (place or "") else ""
        if self.museum is not None and self.museum.closed:
            belongs = "belong" if self.plural else "belongs"
            return (
                f"{self.start} {belongs} to {grammar.place(self.museum.name)}{town}. "
                f"As of {self.museum.as_of} the museum {self.museum.closed}."
            )
        name = self.name
        if work.several:  # several may be of one year
            name = "one of them"
        checked = f"As of {as_of} {name}" if place and as_of and work.kind not in FIXED else grammar.upper_first(name)
        return f"{self.among}{checked} {self.be} {self.at}." if self.at else ""

    @property
    def is_what_it_shows(self) -> bool:
        """Whether a place is the house or the tower that is described, and not something that is seen at it."""
        return self.work.itself or (
            self.work.kind in PLACES and _PLACE_ITSELF.match(self.work.depicts or "") is not None
        )

    @property
    def shows(self) -> str:
        """The verb between it and what is described: what is no picture shows nothing."""
        if self.is_what_it_shows:
            parts = _PARTS.match(self.work.depicts or "") and not self.plural
            return f"consist{'ed' if self.work.gone else 's'} of" if parts else self.be
        return self.show

    @property
    def shown(self) -> str:
        """What it shows, in a sentence; empty when the record does not say."""
        if not self.work.depicts:
            return ""
        if self.work.kind in PLACES and not self.is_what_it_shows:
            return f"At {self.name} you {'could' if self.work.gone else 'can'} see {self.work.depicts}."
        if self.work.several == "pictures":  # others of the name show something else
            return f"{self.among}{grammar.upper_first(self.the_one)} {self.shows} {self.work.depicts}."
        return f"{self.start} {self.shows} {self.work.depicts}."


def makers(work: Work) -> str:
    """Who made a work, inside a sentence: ``Christo and Jeanne-Claude``, ``the workshop of Robert Campin``."""
    if not work.artist:
        return ""
    names = grammar.join([work.artist, *work.also_by])
    return f"{_MAKERS[work.attribution]} {names}" if work.attribution in _MAKERS else names


def one(kind: str) -> str:
    """A kind of work with its article: ``a painting``, ``a work of stained glass``."""
    several = grammar.plural(kind)
    return (
        several.replace("works", "a work", 1) if several.startswith("works of") else f"{grammar.article(kind)} {kind}"
    )


def called(work: Work) -> str:
    """What stands before a title that alone could mean something else: ``painting``, ``cycle``, ``pair of screens``."""
    several = _SERIES.match(work.form or "")
    if several is None:
        return grammar.plural(work.kind) if work.plural else work.kind
    return several[1] if several[1] in ("series", "cycle") else f"{several[1]} of {grammar.plural(work.kind)}"


def spoken_title(work: Work) -> str:
    """The title inside a sentence: ``the Mona Lisa`` if the record's own prose says so, ``The Starry Night``."""
    if work.title.startswith("The "):
        return grammar.lower_first(work.title) if work.kind in BUILT else work.title
    if f"he {work.title}" in work.prose and re.search(rf"\b[Tt]he {re.escape(work.title)}\b", work.prose):
        return f"the {work.title}"
    return work.title


def work_fact(work: Work, attribute: str, shared: bool) -> str:
    label = f"{work.title} ({work.artist or 'unknown'})" if shared else work.title
    return f"work:{label}/{attribute}"
