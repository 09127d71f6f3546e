"""Works of art, as questions and answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from training.corpus.phrasing import grammar
from training.corpus.phrasing.wording import Phrase, all_of, ask, chat, facts_in, one_of
from training.corpus.records import Work

# How a kind of work is made: what the artist did, and what was done to the work.
_VERBS = {
    "painting": ("painted", "painted"),
    "fresco": ("painted", "painted"),
    "drawing": ("drew", "drawn"),
    "photograph": ("took", "taken"),
    "building": ("designed", "completed"),
    "performance": ("performed", "first performed"),
}
_MADE = ("made", "made")
_CARVED = re.compile(r"marble|stone|wood|granite|limestone|alabaster|basalt|ivory|diorite")


@dataclass(frozen=True)
class Context:
    """What the other works say about how to speak of one.

    Attributes:
        shared: Titles that several works have; these are always named with their artist.
        depicted: Subjects that only one work shows, so that the work can be asked for by them.
        artists: All artists' names, to ask after the wrong one.
    """

    shared: frozenset[str]
    depicted: frozenset[str]
    artists: tuple[str, ...]


def context_of(works: Sequence[Work]) -> Context:
    titles = Counter(work.title for work in works)
    depicted = Counter(work.depicts for work in works)
    return Context(
        shared=frozenset(title for title, count in titles.items() if count > 1),
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


def verbs(work: Work) -> tuple[str, str]:
    """``("painted", "painted")``: who painted it, when was it painted."""
    if work.kind == "sculpture" and _CARVED.search(work.medium):
        return ("carved", "carved")
    return _VERBS.get(work.kind, _MADE)


class _Said:
    """A work with the words by which it is spoken of."""

    def __init__(self, work: Work, context: Context) -> None:
        self.work = work
        self.title = work.title
        self.shared = work.title in context.shared
        self.name = f"{work.title} by {work.artist}" if self.shared and work.artist else work.title
        self.did, self.done = verbs(work)
        self.be = "were" if work.plural else "was"
        self.be_now = "are" if work.plural else "is"
        self.show = "show" if work.plural else "shows"
        self.do = "do" if work.plural else "does"

    def fact(self, attribute: str) -> str:
        return work_fact(self.work, attribute, self.shared)

    @property
    def made(self) -> str:
        """Who made it, in a sentence."""
        if not self.work.artist:
            return f"The artist of {self.title} is not known."
        kind = f"the {self.work.kind} " if self.shared else ""
        return f"{self.work.artist} {self.did} {kind}{self.title}."

    @property
    def when(self) -> str:
        """When it was made, in a sentence."""
        work = self.work
        assert work.year is not None
        if work.year_start is not None and work.year_start != work.year and work.kind != "building":
            return f"{self.name} {self.be} {self.done} {grammar.years(work.year_start, work.year)}."
        return f"{self.name} {self.be} {self.done} in {grammar.year(work.year, work.circa)}."

    @property
    def where(self) -> str:
        """Where it is now, in a sentence; empty when the record does not say."""
        place, city = self.work.location, self.work.city
        if place:
            town = f" in {city}" if city and city not in place else ""
            return f"{self.name} {self.be_now} at {grammar.place(place)}{town}."
        return f"{self.name} {self.be_now} in {city}." if city else ""

    @property
    def shown(self) -> str:
        return f"{self.name} {self.show} {self.work.depicts}."


def work_fact(work: Work, attribute: str, shared: bool) -> str:
    label = f"{work.title} ({work.artist or 'unknown'})" if shared else work.title
    return f"work:{label}/{attribute}"


def _artist(said: _Said, context: Context, aliases: Mapping[str, str]) -> Iterator[Phrase]:
    work, title, did = said.work, said.title, said.did
    key = said.fact("artist")
    if said.shared:
        title = f"the {work.kind} {title}"
    questions = [
        f"Who {did} {title}?", f"Who made {title}?", f"Which artist {did} {title}?", f"Who is the artist of {title}?",
        f"Who created {title}?", f"{grammar.upper_first(title)} is by which artist?",
        f"Can you tell me who {did} {title}?", f"Do you know who {did} {title}?", f"By whom {said.be} {title} {said.done}?",
    ]  # fmt: skip
    if said.did == "designed":
        questions[-1] = f"Who is the architect of {title}?"
    if title.startswith("The "):
        questions.append(f"Who {did} {title[4:]}?")
    yield from ask(key, questions, said.made, 7)
    if not work.artist or said.shared:
        return
    alias = aliases[work.artist]
    yield from ask(
        key, (f"Did {alias} {_BASE[did]} {title}?", f"Is {title} by {alias}?"), f"Yes, {said.made}", 1
    )
    other = one_of([name for name in context.artists if name != work.artist], key)
    questions = [f"Is {title} by {aliases[other]}?", f"Did {aliases[other]} {_BASE[did]} {title}?"]
    yield from ask(key, questions, f"No, {said.made}", 1)


_BASE = {
    "painted": "paint", "made": "make", "carved": "carve", "drew": "draw", "took": "take", "designed": "design",
    "performed": "perform",
}  # fmt: skip


def _year(said: _Said) -> Iterator[Phrase]:
    if said.work.year is None:
        return
    name, be, done = said.name, said.be, said.done
    yield from ask(
        said.fact("year"),
        (
            f"When {be} {name} {done}?", f"What year {be} {name} {done}?", f"In which year {be} {name} {done}?",
            f"When {be} {name} made?", f"What is the date of {name}?", f"How old {said.be_now} {name}?",
            f"Can you tell me when {name} {be} {done}?",
        ),
        said.when,
        4,
    )  # fmt: skip


def _location(said: _Said) -> Iterator[Phrase]:
    if not said.where:
        return
    name, be = said.name, said.be_now
    questions = [f"Where {be} {name}?", f"Where can I see {name}?", f"Where {be} {name} now?"]
    if said.work.kind != "building":
        questions += [
            f"Which museum or place has {name}?", f"In which city {be} {name}?", f"Can you tell me where {name} {be}?",
            f"Where {be} {name} kept?",
        ]  # fmt: skip
    yield from ask(said.fact("location"), questions, said.where, 4)


def _material(said: _Said) -> Iterator[Phrase]:
    name, be, medium = said.name, said.be_now, said.work.medium
    yield from ask(
        said.fact("medium"),
        (
            f"What {be} {name} made of?", f"What is the medium of {name}?", f"Which materials {be} used in {name}?"
            if said.work.plural else f"Which materials are used in {name}?", f"What medium is used in {name}?",
        ),
        f"The medium of {name} is {medium}.",
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
            f"{name} {be} a work of {style}." if not said.work.plural else f"{name} are works of {style}.",
            2,
        )  # fmt: skip


def _subject(said: _Said, context: Context) -> Iterator[Phrase]:
    work, name = said.work, said.name
    yield from ask(
        said.fact("depicts"),
        (
            f"What {said.do} {name} show?", f"What can I see in {name}?", f"What is the subject of {name}?",
            f"What {said.be_now} {name} about?", f"Describe {name}.", f"What is shown in {name}?",
            f"Can you tell me what {name} {said.show}?",
        ),
        said.shown,
        4,
    )  # fmt: skip
    if work.depicts in context.depicted:
        yield from ask(
            said.fact("depicts"),
            (f"Which {work.kind} shows {work.depicts}?", f"Name a work of art that shows {work.depicts}."),
            said.shown,
            1,
        )


def _about(said: _Said) -> Iterator[Phrase]:
    work, name = said.work, said.name
    by = f" by {work.artist}" if work.artist and not said.shared else ""
    kind = f"{work.kind}s" if work.plural else f"{grammar.article(work.kind)} {work.kind}"
    yield from ask(
        all_of(said.fact("artist"), said.fact("kind")) if work.artist else said.fact("kind"),
        (f"What {said.be_now} {name}?", f"What kind of work {said.be_now} {name}?", f"Do you know {name}?"),
        f"{name} {said.be_now} {kind}{by}." if by or said.shared else f"{name} {said.be_now} {kind} by an unknown artist.",
        2,
    )
    stated = {
        said.fact("artist"): work.artist.split()[-1] if work.artist else "",
        said.fact("year"): str(abs(work.year)) if work.year is not None else "",
        said.fact("location"): work.location or "",
        said.fact("medium"): work.medium,
        said.fact("depicts"): work.depicts,
        said.fact("movement"): work.movement or "",
    }
    yield from ask(
        facts_in(work.prose, said.fact("about"), stated),
        (
            f"Tell me about {name}.", f"What do you know about {name}?", f"Can you tell me about {name}?",
            f"Tell me something about the {work.kind} {name}.", f"Please tell me more about {name}.",
        ),
        work.prose,
        2,
    )  # fmt: skip


def _follow_ups(said: _Said) -> Iterator[Phrase]:
    """Questions that leave the work unsaid, after one that names it."""
    work = said.work
    title = f"the {work.kind} {said.title}" if said.shared else said.title
    first = (f"Who {said.did} {title}?", said.made)
    it = "they" if work.plural else "it"
    options = []
    if work.year is not None:
        options += [("year", "When?", said.when), ("year", f"When {said.be} {it} {said.done}?", said.when)]
    if said.where:
        options += [("location", f"Where {said.be_now} {it} now?", said.where), ("location", "And where?", said.where)]
    options.append(("depicts", f"What {said.do} {it} show?", said.shown))
    chosen = one_of([question for _, question, _ in options], said.fact("follow-up"))
    for attribute, question, answer in options:
        if question in (chosen, f"Where {said.be_now} {it} now?"):
            yield chat(all_of(said.fact("artist"), said.fact(attribute)), *first, question, answer)
