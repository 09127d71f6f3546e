"""Works of art, as questions and answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from training.corpus.phrasing import grammar
from training.corpus.phrasing.context import Context, is_generic, names_something_else, verb_of
from training.corpus.phrasing.spoken import BUILT, FIXED, PLACES, VERBS, Spoken, called, makers, one, work_fact
from training.corpus.phrasing.wording import Phrase, all_of, ask, chat, choose, facts_in, one_of
from training.corpus.records import Work
from training.corpus.sample import digest

_ASKED_WITHOUT_ARTICLE = 3
"""The fame from which a title is known without its article."""
_OTHERS = re.compile(
    r"\b(versions?|several|more than one|copies|series|twice|title of|belongs to a group|"
    r"one of (his |her |the |about )?\w+ (views|pictures|paintings|landscapes|panels))\b"
)
"""How prose says that a work is one of several."""
_FEW = 4
"""Makers with one verb, below which the wrong one is taken from all who made something."""


def phrases(work: Work, context: Context) -> Iterator[Phrase]:
    """Everything that is asked about one work."""
    said = Spoken(work, context)
    yield from _artist(said, context)
    yield from _year(said)
    yield from _location(said)
    yield from _material(said, context)
    yield from _subject(said, context)
    yield from _about(said)
    yield from _follow_ups(said)


def shared_title_phrases(title: str, works: Sequence[Work]) -> Iterator[Phrase]:
    """Who made a work, asked by a title that several works have."""
    artists = list(dict.fromkeys(makers(work) for work in works if work.artist))
    if len(artists) < 2:
        return
    verbs = {verb_of(work) for work in works}
    did = VERBS[verbs.pop()][0] if len(verbs) == 1 else "made"
    yield from ask(
        all_of(*(work_fact(work, "artist", shared=True) for work in works)),
        (f"Who {did} {title}?", f"Who made {title}?", f"Who is the artist of {title}?", f"Which artist made {title}?"),
        f"{grammar.upper_first(grammar.join(artists))} each made a work called {title}.",
        4,
    )


def _artist(said: Spoken, context: Context) -> Iterator[Phrase]:
    work, noun, did = said.work, said.noun, said.did
    key = said.fact("artist")
    if (work.title, work.kind) not in context.alone:
        return  # asked together by shared_title_phrases
    if not work.artist:
        questions = (f"Who {did} {noun}?", f"Who is the artist of {noun}?")
        # A building without a named designer is not asked for one; the record's prose may name several.
        if work.kind not in BUILT:
            yield from ask(key, questions, f"I do not know who {did} {noun}.", 1)
        return
    if names_something_else(work):  # "Who made Relativity?"
        asked = f"Who made {noun}?", f"Who is the artist of {noun}?", f"Which artist made {noun}?"
        several = said.among.strip() if work.several == "pictures" else ""
        yield from ask(key, asked, several or f"{grammar.upper_first(noun)} {said.be} by {said.by}.", 3)
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


def _artist_by_place(said: Spoken) -> Iterator[Phrase]:
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


def _by(said: Spoken) -> str:
    """What was done by the makers, for a work that was completed by others."""
    return "designed" if said.did == "designed" else said.done


def _right_and_wrong(said: Spoken, context: Context, key: str) -> Iterator[Phrase]:
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


def _year(said: Spoken) -> Iterator[Phrase]:
    name, was, done = said.name, said.was, said.done
    if not said.when:
        return
    yield from ask(
        _of_one(said, said.fact("year"), said.when),
        (
            f"When {was} {name} {done}?", f"What year {was} {name} {done}?", f"In which year {was} {name} {done}?",
            f"When {was} {name} made?", f"What is the date of {name}?", f"Can you tell me when {name} {was} {done}?",
        ),
        said.when,
        4,
    )  # fmt: skip


def _location(said: Spoken) -> Iterator[Phrase]:
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
    elif work.kind not in FIXED and work.location:
        questions += [
            f"Which museum or place has {name}?", f"Where {be} {name} kept?", f"Can you tell me where {name} {be}?",
            *([f"In which city {be} {name}?"] if work.city else []),
        ]  # fmt: skip
    yield from ask(said.fact("location"), questions, said.where, 4)


def _material(said: Spoken, context: Context) -> Iterator[Phrase]:
    name, be, work = said.name, said.be, said.work
    is_one, are = ("was", "were") if work.gone else ("is", "are")
    if work.kind in BUILT:
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
    yield from ask(_of_one(said, said.fact("medium"), answer), questions, answer, 2)
    if work.movement:
        yield from _movement(said, context, work.movement)


def _movement(said: Spoken, context: Context, movement: str) -> Iterator[Phrase]:
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


def _subject(said: Spoken, context: Context) -> Iterator[Phrase]:
    work, name = said.work, said.name
    if not said.shown:
        return
    key = _of_one(said, said.fact("depicts"), said.shown)
    if work.itself:
        questions = f"What {said.do} {name} look like?", f"Describe {name}.", f"What {said.be} {name} like?"
        yield from ask(key, questions, said.shown, 3)
        if work.depicts in context.depicted:
            asked = f"Name a work of art that {said.shows} {work.depicts}."
            yield from ask(key, (asked,), said.shown, 1)
        return
    if work.kind in PLACES:
        seen_there = () if said.is_what_it_shows else (f"What can I see at {name}?",)
        questions = (f"What {said.do} {name} look like?", f"Describe {name}.", *seen_there)
        yield from ask(key, questions, said.shown, 3)
        return
    yield from ask(
        key,
        (
            f"What {said.do} {name} show?", f"What can I see in {name}?", f"What is the subject of {name}?",
            f"What {said.be} {name} about?", f"Describe {name}.", f"What is shown in {name}?",
            f"Can you tell me what {name} {said.show}?",
        ),
        said.shown,
        4,
    )  # fmt: skip
    if work.depicts in context.depicted and not re.search(r"\bthe (artist|painter|sculptor)\b", work.depicts):
        shows = "showed" if work.gone else "shows"
        kind = "work of art" if work.form or said.plural else work.kind
        reverse = f"Name {one(kind)} that {shows} {work.depicts}.", f"Name a work of art that {shows} {work.depicts}."
        yield from ask(key, reverse, said.shown, 1)


def _about(said: Spoken) -> Iterator[Phrase]:
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
        # "the painting Flag ... is a painting"
        if name.startswith(f"the {called(work)} ") and work.year is not None:
            key, what = all_of(key, said.fact("year")), f"from {grammar.year(work.year, work.circa)}"
        answer = f"{said.among}{grammar.upper_first(said.the_one)} {said.be} {what}."
        key = _of_one(said, key, answer)
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
        facts_in(_prose(said), said.fact("about"), stated),
        (
            f"Tell me about {name}.", f"What do you know about {name}?", f"Can you tell me about {name}?",
            f"Tell me something about {name}.", f"Please tell me more about {name}.",
        ),
        _prose(said),
        2,
    )  # fmt: skip


def _of_one(said: Spoken, key: str, sentence: str) -> str:
    """The facts of a sentence on one of several works: it may say where that one is, and whose all of them are."""
    if not said.work.several:
        return key
    stated = {said.fact("location"): said.work.location or ""}
    if not said.shared:  # else every question names the maker
        stated[said.fact("artist")] = said.work.artist
    return facts_in(sentence, key, stated)


def _prose(said: Spoken) -> str:
    """What is told of a work, after that there are others of its name, unless it says so itself."""
    work, prose = said.work, said.work.prose
    if not work.several or work.several == "casts" or _OTHERS.search(prose):
        return prose
    spoken_of = re.compile(rf"^([Tt]he )?{re.escape(work.title)}(?= [a-z])")
    return f"{said.among}{spoken_of.sub(grammar.upper_first(said.the_one), prose)}"


def _follow_ups(said: Spoken) -> Iterator[Phrase]:
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
            if said.work.kind in PLACES or said.work.itself
            else (f"What {said.do} {it} show?", f"What can I see in {them}?"),
        ),
    }
    known = [attribute for attribute, (answer, _) in asked.items() if answer]
    for attribute in choose(known, 2, said.fact("follow-up")):
        answer, questions = asked[attribute]
        key = all_of(said.fact("artist"), said.fact(attribute))
        yield chat(key, *first, one_of(questions, key), answer)
