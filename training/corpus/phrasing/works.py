"""Works of art, as questions and answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from training.corpus.phrasing import grammar
from training.corpus.phrasing.wording import Phrase, all_of, ask, chat, choose, facts_in, one_of
from training.corpus.records import Work
from training.corpus.sample import digest

# How a kind of work is made: what the artist did, to do it, and what was done to the work.
_VERBS = {
    "painting": ("painted", "paint", "painted"),
    "fresco": ("painted", "paint", "painted"),
    "drawing": ("drew", "draw", "drawn"),
    "photograph": ("took", "take", "taken"),
    "building": ("designed", "design", "completed"),
    "performance": ("performed", "perform", "first performed"),
}
_CARVED = re.compile(r"(\w+ )?(marble|stone|wood|granite|limestone|sandstone|alabaster|basalt|ivory|soapstone)\b")


@dataclass(frozen=True)
class Context:
    """What the other works say about how to speak of one.

    Attributes:
        shared: Titles that several works have; these are always named with their artist.
        alone: Titles with the kind of work, where only one work has them.
        depicted: Subjects that only one work shows, so that the work can be asked for by them.
        artists: All artists' names, to ask after the wrong one.
    """

    shared: frozenset[str]
    alone: frozenset[tuple[str, str]]
    depicted: frozenset[str]
    artists: tuple[str, ...]


def context_of(works: Sequence[Work]) -> Context:
    titles = Counter(work.title for work in works)
    kinds = Counter((work.title, work.kind) for work in works)
    depicted = Counter(work.depicts for work in works if work.depicts)
    return Context(
        shared=frozenset(title for title, count in titles.items() if count > 1),
        alone=frozenset(title for title, count in kinds.items() if count == 1),
        depicted=frozenset(subject for subject, count in depicted.items() if count == 1),
        artists=tuple(dict.fromkeys(work.artist for work in works if work.artist)),
    )


def phrases(work: Work, context: Context, aliases: Mapping[str, str]) -> Iterator[Phrase]:
    """Everything that is asked about one work. ``aliases`` are the short names of artists."""
    said = _Said(work, context)
    yield from _artist(said, context, aliases)
    yield from _year(said)
    yield from _location(said)
    yield from _material(said)
    yield from _subject(said, context)
    yield from _about(said)
    yield from _follow_ups(said)


class _Said:
    """A work with the words by which it is spoken of."""

    def __init__(self, work: Work, context: Context) -> None:
        carved = work.kind == "sculpture" and _CARVED.match(work.medium)
        self.work = work
        self.shared = work.title in context.shared
        self.did, self.to_do, self.done = (
            ("carved", "carve", "carved") if carved else _VERBS.get(work.kind, ("made", "make", "made"))
        )
        self.plural = work.plural
        self.title = spoken_title(work)
        self.noun = f"the {work.kind} {work.title}" if self.shared or work.kind == "photograph" else self.title
        self.name = f"{work.title} by {work.artist}" if self.shared and work.artist else self.title
        self.start = grammar.upper_first(self.name)
        self.be, self.was, self.do = ("are", "were", "do") if self.plural else ("is", "was", "does")

    def fact(self, attribute: str) -> str:
        return work_fact(self.work, attribute, self.shared)

    @property
    def made(self) -> str:
        """Who made it, in a sentence."""
        return f"{self.work.artist} {self.did} {self.noun}."

    @property
    def when(self) -> str:
        """When it was made, in a sentence; empty when that is not known."""
        work = self.work
        if work.year is None:
            return ""
        if work.year_start is not None and work.year_start != work.year and work.kind != "building":
            return f"{self.start} {self.was} {self.done} {grammar.years(work.year_start, work.year, work.circa)}."
        return f"{self.start} {self.was} {self.done} in {grammar.year(work.year, work.circa)}."

    @property
    def where(self) -> str:
        """Where it is now, in a sentence; empty when the record does not say."""
        place, city = self.work.location, self.work.city
        if place:
            town = f" in {city}" if city and city not in place else ""
            return f"{self.start} {self.be} {grammar.at_place(place)}{town}."
        return f"{self.start} {self.be} in {city}." if city else ""

    @property
    def shown(self) -> str:
        """What it shows, in a sentence; empty when the record does not say."""
        if not self.work.depicts:
            return ""
        if self.work.kind == "building":
            return f"At {self.name} you can see {self.work.depicts}."
        return f"{self.start} {'show' if self.plural else 'shows'} {self.work.depicts}."


def spoken_title(work: Work) -> str:
    """The title inside a sentence: ``the Mona Lisa`` if the record's own prose says so, ``The Starry Night``."""
    if work.title.startswith("The "):
        return grammar.lower_first(work.title) if work.kind == "building" else work.title
    return f"the {work.title}" if re.search(rf"\b[Tt]he {re.escape(work.title)}\b", work.prose) else work.title


def work_fact(work: Work, attribute: str, shared: bool) -> str:
    label = f"{work.title} ({work.artist or 'unknown'})" if shared else work.title
    return f"work:{label}/{attribute}"


def shared_title_phrases(title: str, works: Sequence[Work]) -> Iterator[Phrase]:
    """Who made a work, asked by a title that several works have."""
    artists = list(dict.fromkeys(work.artist for work in works if work.artist))
    if len(artists) < 2:
        return
    did = next(iter(_VERBS.get(works[0].kind, ("made",))))
    yield from ask(
        all_of(*(work_fact(work, "artist", shared=True) for work in works)),
        (f"Who {did} {title}?", f"Who made {title}?", f"Who is the artist of {title}?", f"Which artist made {title}?"),
        f"{grammar.join(artists)} each made a work called {title}.",
        4,
    )


def _artist(said: _Said, context: Context, aliases: Mapping[str, str]) -> Iterator[Phrase]:
    work, noun, did = said.work, said.noun, said.did
    key = said.fact("artist")
    if (work.title, work.kind) not in context.alone:
        return  # asked together by shared_title_phrases
    if not work.artist:
        # A building without a named designer is not asked for one; the record's prose may name several.
        if work.kind != "building":
            questions = (f"Who made {noun}?", f"Who is the artist of {noun}?")
            yield from ask(key, questions, f"I do not know who made {noun}.", 1)
        return
    by_whom = f"Who is the architect of {noun}?" if did == "designed" else f"By whom {said.was} {noun} {said.done}?"
    yield from ask(
        key,
        (
            f"Who {did} {noun}?", f"Who made {noun}?", f"Which artist {did} {noun}?", f"Who is the artist of {noun}?",
            f"Who created {noun}?", f"{grammar.upper_first(noun)} is by which artist?",
            f"Can you tell me who {did} {noun}?", f"Do you know who {did} {noun}?", by_whom,
        ),
        said.made,
        7,
    )  # fmt: skip
    if noun != work.title and not said.shared:
        yield from ask(key, (f"Who {did} {work.title}?",), said.made, 1)
    elif noun.startswith("The ") and not any(title == noun[4:] for title, _ in context.alone):
        yield from ask(key, (f"Who {did} {noun[4:]}?",), said.made, 1)
    right = aliases[work.artist]
    wrong = aliases[_another(context.artists, work.artist, key)]
    if said.shared:
        return
    yield from ask(
        key, (one_of((f"Did {right} {said.to_do} {noun}?", f"Is {noun} by {right}?"), key),), f"Yes, {said.made}", 1
    )
    yield from ask(
        key, (one_of((f"Did {wrong} {said.to_do} {noun}?", f"Is {noun} by {wrong}?"), key),), f"No, {said.made}", 1
    )


def _another(artists: Sequence[str], artist: str, key: str) -> str:
    """One of the artists, by hash, who is not the given one."""
    place = digest(key) % len(artists)
    return artists[place] if artists[place] != artist else artists[place - 1]


def _year(said: _Said) -> Iterator[Phrase]:
    name, was, done = said.name, said.was, said.done
    if not said.when:
        return
    yield from ask(
        said.fact("year"),
        (
            f"When {was} {name} {done}?", f"What year {was} {name} {done}?", f"In which year {was} {name} {done}?",
            f"When {was} {name} made?", f"What is the date of {name}?", f"How old {said.be} {name}?",
            f"Can you tell me when {name} {was} {done}?",
        ),
        said.when,
        4,
    )  # fmt: skip


def _location(said: _Said) -> Iterator[Phrase]:
    name, be = said.name, said.be
    if not said.where:
        return
    questions = [f"Where {be} {name}?", f"Where can I see {name}?", f"Where {be} {name} now?"]
    if said.work.kind != "building":
        questions += [
            f"Which museum or place has {name}?", f"In which city {be} {name}?", f"Where {be} {name} kept?",
            f"Can you tell me where {name} {be}?",
        ]  # fmt: skip
    yield from ask(said.fact("location"), questions, said.where, 4)


def _material(said: _Said) -> Iterator[Phrase]:
    name, be = said.name, said.be
    yield from ask(
        said.fact("medium"),
        (
            f"What {be} {name} made of?", f"What is the medium of {name}?", f"Which materials are used in {name}?",
            f"What medium is used in {name}?",
        ),
        f"The medium of {name} is {said.work.medium}.",
        2,
    )  # fmt: skip
    if said.work.movement:
        style = grammar.movement(said.work.movement)
        yield from ask(
            said.fact("movement"),
            (
                f"Which movement {said.do} {name} belong to?", f"What style {be} {name}?",
                f"Which art movement {be} {name} part of?", f"What kind of art {be} {name}?",
            ),
            f"{said.start} {'are works' if said.plural else 'is a work'} of {style}.",
            2,
        )  # fmt: skip


def _subject(said: _Said, context: Context) -> Iterator[Phrase]:
    work, name = said.work, said.name
    if not said.shown:
        return
    if work.kind == "building":
        questions = (f"What {said.do} {name} look like?", f"Describe {name}.", f"What can I see at {name}?")
        yield from ask(said.fact("depicts"), questions, said.shown, 3)
        return
    yield from ask(
        said.fact("depicts"),
        (
            f"What {said.do} {name} show?", f"What can I see in {name}?", f"What is the subject of {name}?",
            f"What {said.be} {name} about?", f"Describe {name}.", f"What is shown in {name}?",
            f"Can you tell me what {name} {'show' if said.plural else 'shows'}?",
        ),
        said.shown,
        4,
    )  # fmt: skip
    if work.depicts in context.depicted:
        reverse = f"Which {work.kind} shows {work.depicts}?", f"Name a work of art that shows {work.depicts}."
        yield from ask(said.fact("depicts"), reverse, said.shown, 1)


def _about(said: _Said) -> Iterator[Phrase]:
    work, name = said.work, said.name
    kind = f"{work.kind}s" if said.plural else f"{grammar.article(work.kind)} {work.kind}"
    if work.artist and not said.shared:
        key, answer = all_of(said.fact("artist"), said.fact("kind")), f"{said.start} {said.be} {kind} by {work.artist}."
    else:
        key, answer = said.fact("kind"), f"{said.start} {said.be} {kind}."
    questions = (f"What {said.be} {name}?", f"What kind of work {said.be} {name}?", f"Do you know {name}?")
    yield from ask(key, questions, answer, 2)
    stated = {
        said.fact("artist"): grammar.surname(work.artist) if work.artist else "",
        said.fact("year"): str(abs(work.year)) if work.year is not None else "",
        said.fact("location"): work.location or "",
        said.fact("medium"): work.medium,
        said.fact("depicts"): work.depicts or "",
        said.fact("movement"): work.movement or "",
    }
    yield from ask(
        facts_in(work.prose, said.fact("about"), stated),
        (
            f"Tell me about {name}.", f"What do you know about {name}?", f"Can you tell me about {name}?",
            f"Tell me something about {name}.", f"Please tell me more about {name}.",
        ),
        work.prose,
        2,
    )  # fmt: skip


def _follow_ups(said: _Said) -> Iterator[Phrase]:
    """Questions that leave the work unsaid, after one that names it."""
    if not said.work.artist or said.shared:
        return
    first = (f"Who {said.did} {said.noun}?", said.made)
    it = "they" if said.plural else "it"
    asked = {
        "year": (said.when, (f"When {said.was} {it} {said.done}?", "When?", "In which year?")),
        "location": (
            said.where,
            (f"Where {said.be} {it} now?", "Where?", f"Where can I see {'them' if said.plural else it}?"),
        ),
        "depicts": (said.shown, (f"What {said.do} {it} show?", f"What can I see in {'them' if said.plural else it}?")),
    }
    known = [attribute for attribute, (answer, _) in asked.items() if answer]
    for attribute in choose(known, 2, said.fact("follow-up")):
        answer, questions = asked[attribute]
        key = all_of(said.fact("artist"), said.fact(attribute))
        yield chat(key, *first, one_of(questions, key), answer)
