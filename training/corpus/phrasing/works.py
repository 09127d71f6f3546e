"""Works of art, as questions and answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from training.corpus.phrasing import grammar
from training.corpus.phrasing.context import Context, is_common_word, is_generic, names_something_else, verb_of
from training.corpus.phrasing.wording import Phrase, all_of, ask, chat, choose, facts_in, one_of
from training.corpus.records import Work
from training.corpus.sample import digest

# How a work is made: what the artist did, to do it, and what was done to the work.
_VERBS = {
    "made": ("made", "make", "made"),
    "painted": ("painted", "paint", "painted"),
    "carved": ("carved", "carve", "carved"),
    "cast": ("cast", "cast", "cast"),
    "modelled": ("modelled", "model", "modelled"),
    "drew": ("drew", "draw", "drawn"),
    "took": ("took", "take", "taken"),
    "printed": ("printed", "print", "printed"),
    "designed": ("designed", "design", "completed"),
    "built": ("built", "build", "completed"),
    "wove": ("wove", "weave", "woven"),
    "sewed": ("sewed", "sew", "sewn"),
    "directed": ("directed", "direct", "finished"),
    "performed": ("performed", "perform", "first performed"),
    "assembled": ("assembled", "assemble", "assembled"),
    "wrote": ("wrote", "write", "written"),
    "founded": ("founded", "found", "founded"),
}
_BUILT = frozenset(("building", "bridge", "monument", "square"))
# Kinds that stay where they are, so that a date of checking says nothing.
_FIXED = _BUILT | {"garden", "earthwork", "mural", "fresco", "mosaic", "stained glass"}
# Kinds of which is told what can be seen there, or what house or tower they are.
_PLACES = frozenset(("building", "square", "garden"))
_PLACE_ITSELF = re.compile(
    r"an? [^.]*?\b(?:school|house|skyscraper|pyramid|temple|arena|hall|shrine|church|tomb|museum|chapel|park)\b"
)
_ASKED_WITHOUT_ARTICLE = 3
"""The fame from which a title is known without its article."""
_FEW = 4
"""Makers with one verb, below which the wrong one is taken from all who made something."""
# A list, a number or a plural: what consists of it is not it.
_PARTS = re.compile(r"(?!an? |the (?!pieces))|.*, an? ")
_SERIES = re.compile(r"an? (series|cycle|set|group|pair|suite)\b")
_MAKERS = {"workshop of": "the workshop of", "circle of": "an artist close to", "follower of": "a follower of"}


def phrases(work: Work, context: Context) -> Iterator[Phrase]:
    """Everything that is asked about one work."""
    said = _Said(work, context)
    yield from _artist(said, context)
    yield from _year(said)
    yield from _location(said)
    yield from _material(said, context)
    yield from _subject(said, context)
    yield from _about(said)
    yield from _follow_ups(said)


class _Said:
    """A work with the words by which it is spoken of."""

    def __init__(self, work: Work, context: Context) -> None:
        self.work = work
        self.shared = work.title in context.shared
        self.did, self.to_do, self.done = _VERBS[verb_of(work)]
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
        if work.several:  # casts and copies are alike, and no year tells them apart
            alike = work.several in ("casts", "copies") or work.year is None
            name = "one of them" if alike else f"the one of {grammar.year(work.year or 0, work.circa)}"
        checked = f"As of {as_of} {name}" if place and as_of and work.kind not in _FIXED else grammar.upper_first(name)
        return f"{self.among}{checked} {self.be} {self.at}." if self.at else ""

    @property
    def is_what_it_shows(self) -> bool:
        """Whether a place is the house or the tower that is described, and not something that is seen at it."""
        return self.work.itself or (
            self.work.kind in _PLACES and _PLACE_ITSELF.match(self.work.depicts or "") is not None
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
        if self.work.kind in _PLACES and not self.is_what_it_shows:
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
        return work.kind
    return several[1] if several[1] in ("series", "cycle") else f"{several[1]} of {grammar.plural(work.kind)}"


def spoken_title(work: Work) -> str:
    """The title inside a sentence: ``the Mona Lisa`` if the record's own prose says so, ``The Starry Night``."""
    if work.title.startswith("The "):
        return grammar.lower_first(work.title) if work.kind in _BUILT else work.title
    return f"the {work.title}" if re.search(rf"\b[Tt]he {re.escape(work.title)}\b", work.prose) else work.title


def work_fact(work: Work, attribute: str, shared: bool) -> str:
    label = f"{work.title} ({work.artist or 'unknown'})" if shared else work.title
    return f"work:{label}/{attribute}"


def shared_title_phrases(title: str, works: Sequence[Work]) -> Iterator[Phrase]:
    """Who made a work, asked by a title that several works have."""
    artists = list(dict.fromkeys(makers(work) for work in works if work.artist))
    if len(artists) < 2:
        return
    verbs = {verb_of(work) for work in works}
    did = _VERBS[verbs.pop()][0] if len(verbs) == 1 else "made"
    yield from ask(
        all_of(*(work_fact(work, "artist", shared=True) for work in works)),
        (f"Who {did} {title}?", f"Who made {title}?", f"Who is the artist of {title}?", f"Which artist made {title}?"),
        f"{grammar.upper_first(grammar.join(artists))} each made a work called {title}.",
        4,
    )


def _artist(said: _Said, context: Context) -> Iterator[Phrase]:
    work, noun, did = said.work, said.noun, said.did
    key = said.fact("artist")
    if (work.title, work.kind) not in context.alone:
        return  # asked together by shared_title_phrases
    if not work.artist:
        questions = (f"Who {did} {noun}?", f"Who is the artist of {noun}?")
        # A building without a named designer is not asked for one; the record's prose may name several.
        if work.kind not in _BUILT:
            yield from ask(key, questions, f"I do not know who {did} {noun}.", 1)
        return
    if names_something_else(work):  # "Who made Relativity?"
        asked = f"Who made {noun}?", f"Who is the artist of {noun}?", f"Which artist made {noun}?"
        yield from ask(key, asked, f"{grammar.upper_first(noun)} {said.be} by {said.by}.", 3)
        return
    if is_generic(work):  # "Who painted Self-Portrait?" means no one work
        yield from _artist_by_place(said)
        return
    by_whom = (
        f"Who is the architect of {noun}?" if work.kind == "building" else f"By whom {said.was} {noun} {_by(said)}?"
    )
    yield from ask(
        key,
        (
            f"Who {did} {noun}?", f"Who made {noun}?", f"Which artist {did} {noun}?", f"Who is the artist of {noun}?",
            f"Who created {noun}?", f"{grammar.upper_first(noun)} {said.be} by which artist?",
            f"Can you tell me who {did} {noun}?", f"Do you know who {did} {noun}?", by_whom,
        ),
        said.made,
        7,
    )  # fmt: skip
    if said.shared:
        return
    # "Who painted Starry Night?" people ask, "Who painted Sistine Chapel ceiling?" they do not
    if (
        work.fame >= _ASKED_WITHOUT_ARTICLE
        and noun.startswith("The ")
        and " " in noun[4:]
        and not any(title == noun[4:] for title, _ in context.alone)
    ):
        yield from ask(key, (f"Who {did} {noun[4:]}?",), said.made, 1)
    if not work.attribution:
        yield from _right_and_wrong(said, context, key)


def _artist_by_place(said: _Said) -> Iterator[Phrase]:
    """Who made a work with a title of many, asked by the museum or the town that has it."""
    work, place = said.work, said.at
    if not place or (said.museum is not None and said.museum.closed):
        return
    noun = f"{said.noun if said.did == 'took' else said.title} {place}"
    # "Girodet painted The Entombment of Atala at the Louvre" would say where he stood
    by = f"attributed to {work.artist}" if work.attribution == "attributed to" else f"by {said.by}"
    made = f"{grammar.upper_first(noun)} {said.be} {by}."
    questions = f"Who {said.did} {noun}?", f"Who made {noun}?", f"Which artist {said.did} {noun}?"
    yield from ask(said.fact("artist"), questions, made, 3)


def _by(said: _Said) -> str:
    """What was done by the makers, for a work that was completed by others."""
    return "designed" if said.did == "designed" else said.done


def _right_and_wrong(said: _Said, context: Context, key: str) -> Iterator[Phrase]:
    """Whether its maker made it, and whether another artist did: as many questions with yes as with no."""
    work, noun = said.work, said.noun
    right = said.by if work.also_by else context.short[work.artist]
    alike = context.makers[verb_of(work)]
    other = _another(alike if len(alike) >= _FEW else context.makers["made"], (work.artist, *work.also_by), key)
    for name, answer in ((right, "Yes"), (context.short[other], "No")):
        question = one_of((f"Did {name} {said.to_do} {noun}?", f"{said.be.capitalize()} {noun} by {name}?"), key)
        yield from ask(key, (question,), f"{answer}, {grammar.mid_sentence(said.made, said.by)}", 1)


def _another(artists: Sequence[str], own: Sequence[str], key: str) -> str:
    """One of the artists, by hash, who is none of its own."""
    place = digest(key) % len(artists)
    return next(name for name in (*artists[place:], *artists) if name not in own)


def _year(said: _Said) -> Iterator[Phrase]:
    name, was, done = said.name, said.was, said.done
    if not said.when:
        return
    yield from ask(
        said.fact("year"),
        (
            f"When {was} {name} {done}?", f"What year {was} {name} {done}?", f"In which year {was} {name} {done}?",
            f"When {was} {name} made?", f"What is the date of {name}?", f"Can you tell me when {name} {was} {done}?",
        ),
        said.when,
        4,
    )  # fmt: skip


def _location(said: _Said) -> Iterator[Phrase]:
    name, be, work = said.name, said.now, said.work
    if not said.where:
        if work.kind == "painting" and not said.shared and not said.plural:  # several are in several places
            unknown = (f"Where {be} {name}?", f"Which museum has {name}?")
            yield from ask(said.fact("location"), unknown, f"I do not know where {name} {be} kept.", 1)
        return
    questions = [f"Where {be} {name}?", f"Where can I see {name}?", f"Where {be} {name} now?"]
    if work.gone:
        questions.append(f"What became of {name}?")
    elif said.museum is not None and said.museum.closed:
        questions = [f"Where can I see {name}?", f"Which museum has {name}?", f"Where {be} {name}?"]
    elif work.kind not in _FIXED and work.location:
        questions += [
            f"Which museum or place has {name}?", f"Where {be} {name} kept?", f"Can you tell me where {name} {be}?",
            *([f"In which city {be} {name}?"] if work.city else []),
        ]  # fmt: skip
    yield from ask(said.fact("location"), questions, said.where, 4)


def _material(said: _Said, context: Context) -> Iterator[Phrase]:
    name, be, work = said.name, said.be, said.work
    is_one, are = ("was", "were") if work.gone else ("is", "are")
    if work.kind in _BUILT:
        questions: Sequence[str] = (f"What {be} {name} built of?", f"Which materials {be} {name} built of?")
        answer = f"{said.start} {be} built of {work.medium}."
    else:
        made_of = f"Which materials {are} used in {name}?", f"What {be} {name} made of?"
        questions = (
            f"What {is_one} the medium of {name}?", f"What medium {is_one} used in {name}?",
            *(() if work.medium.startswith(("a ", "an ")) else made_of),  # a woodblock print is no material
        )  # fmt: skip
        answer = f"The medium of {name} {is_one} {work.medium}."
        if work.several in ("versions", "pictures"):
            answer = f"{said.among}The medium of {said.the_one} {is_one} {work.medium}."
    yield from ask(said.fact("medium"), questions, answer, 2)
    if work.movement:
        yield from _movement(said, context, work.movement)


def _movement(said: _Said, context: Context, movement: str) -> Iterator[Phrase]:
    name, be, style = said.name, said.be, context.movement(movement)
    if context.is_group(movement):
        questions: Sequence[str] = (
            f"With which group of artists {be} {name} linked?", f"Which group did the maker of {name} belong to?",
        )  # fmt: skip
        answer = f"{said.start} {be} by a member of {style}."
        if said.work.also_by or said.shared:  # "No Woman, No Cry by Chris Ofili is by a member of ..."
            answer = f"{said.start} {be} linked with {style}."
    else:
        questions = (
            f"Which movement {said.do} {name} belong to?", f"What style {be} {name}?",
            f"Which art movement {be} {name} part of?", f"What kind of art {be} {name}?",
        )  # fmt: skip
        if movement == "Contemporary art":  # the art of a time and no movement
            questions = (f"What kind of art {be} {name}?",)
        answer = f"{said.start} {be} {'works' if said.plural else 'a work'} of {style}."
    yield from ask(said.fact("movement"), questions, answer, 2)


def _subject(said: _Said, context: Context) -> Iterator[Phrase]:
    work, name = said.work, said.name
    if not said.shown:
        return
    if work.itself:
        questions = f"What {said.do} {name} look like?", f"Describe {name}.", f"What {said.be} {name} like?"
        yield from ask(said.fact("depicts"), questions, said.shown, 3)
        if work.depicts in context.depicted:
            asked = f"Which work of art {said.shows} {work.depicts}?"
            yield from ask(said.fact("depicts"), (asked,), said.shown, 1)
        return
    if work.kind in _PLACES:
        seen_there = () if said.is_what_it_shows else (f"What can I see at {name}?",)
        questions = (f"What {said.do} {name} look like?", f"Describe {name}.", *seen_there)
        yield from ask(said.fact("depicts"), questions, said.shown, 3)
        return
    yield from ask(
        said.fact("depicts"),
        (
            f"What {said.do} {name} show?", f"What can I see in {name}?", f"What is the subject of {name}?",
            f"What {said.be} {name} about?", f"Describe {name}.", f"What is shown in {name}?",
            f"Can you tell me what {name} {said.show}?",
        ),
        said.shown,
        4,
    )  # fmt: skip
    if work.depicts in context.depicted:
        kind = "work" if work.form or said.plural else work.kind
        shows = "showed" if work.gone else "shows"
        reverse = f"Which {kind} {shows} {work.depicts}?", f"Name a work of art that {shows} {work.depicts}."
        yield from ask(said.fact("depicts"), reverse, said.shown, 1)


def _about(said: _Said) -> Iterator[Phrase]:
    work, name = said.work, said.name
    if work.artist and not said.shared and work.attribution != "attributed to":
        key, answer = (
            all_of(said.fact("artist"), said.fact("kind")),
            # "large canvases for a restaurant by Mark Rothko" would speak of his restaurant
            f"{said.start} by {said.by} {said.be} {work.form}."
            if work.form
            else f"{said.start} {said.be} {said.what} by {said.by}.",
        )
    elif work.year is not None and said.shared:
        year = grammar.year(work.year, work.circa)
        key, answer = all_of(said.fact("kind"), said.fact("year")), f"{said.start} {said.be} {said.what} from {year}."
    else:
        key, answer = said.fact("kind"), f"{said.start} {said.be} {said.what}."
    if work.several and work.several != "casts":
        key, what = said.fact("kind"), said.what
        if (
            name.startswith(f"the {called(work)} ") and work.year is not None
        ):  # "of the painting Flag ... is a painting"
            key, what = all_of(key, said.fact("year")), f"from {grammar.year(work.year, work.circa)}"
        answer = f"{said.among}{grammar.upper_first(said.the_one)} {said.be} {what}."
    questions: tuple[str, ...] = f"What {said.be} {name}?", f"Do you know {name}?"
    if name.startswith(f"the {called(work)} "):  # named by its kind so that nobody takes it for something else
        answer = grammar.upper_first(answer.removeprefix(f"The {called(work)} "))
    else:
        questions = (*questions, f"What kind of work {said.be} {name}?")
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
    if not said.work.artist or said.shared or said.work.several:  # "it" would be one of several
        return
    first = (f"Who {said.did} {said.noun}?", said.made)
    it, them = ("they", "them") if said.plural else ("it", "it")
    closed = said.museum is not None and said.museum.closed
    asked = {
        "year": (said.when, (f"When {said.was} {it} {said.done}?", "When?", "In which year?")),
        "location": (
            said.where,
            (f"Where can I see {them}?",)
            if closed
            else (f"Where {said.now} {it} now?", "Where?", f"Where can I see {them}?"),
        ),
        "depicts": (
            said.shown,
            (f"What {said.do} {it} look like?", f"Describe {them}.")
            if said.work.kind in _PLACES or said.work.itself
            else (f"What {said.do} {it} show?", f"What can I see in {them}?"),
        ),
    }
    known = [attribute for attribute, (answer, _) in asked.items() if answer]
    for attribute in choose(known, 2, said.fact("follow-up")):
        answer, questions = asked[attribute]
        key = all_of(said.fact("artist"), said.fact(attribute))
        yield chat(key, *first, one_of(questions, key), answer)
