"""Artists, as questions and answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from training.corpus.phrasing import grammar
from training.corpus.phrasing.context import Context, is_common_word, names_something_else
from training.corpus.phrasing.names import NAMES
from training.corpus.phrasing.spoken import makers, spoken_title, work_fact
from training.corpus.phrasing.wording import Phrase, all_of, ask, chat, facts_in, one_of
from training.corpus.records import Artist, Work
from training.corpus.sample import digest

# People born before this are spoken of in the past even when the record has no year of death.
_LIVING_SINCE = 1925
# Nobody asks whether somebody who was born before this is alive.
_PERHAPS_ALIVE_SINCE = 1890
_NAMESAKES, _PEOPLES = frozenset(NAMES["namesakes"]), frozenset(NAMES["peoples"])
# What architects do besides, which is no material.
_NO_MATERIALS = re.compile(r"\b(design|painting|drawing|furniture|writing|sculpture|architecture)\b")
_FAMOUS_WORK = 2
"""The least fame of a work that is named among the most famous ones of its maker."""


def phrases(artist: Artist, works: Sequence[Work], context: Context) -> Iterator[Phrase]:
    """Everything that is asked about one artist, with the works by him or her, the best known first."""
    for phrase in _phrases(artist, works, context, context.short[artist.name]):
        yield _disambiguated(phrase, artist) if artist.name in _NAMESAKES else phrase


def _phrases(artist: Artist, works: Sequence[Work], context: Context, alias: str) -> Iterator[Phrase]:
    yield from _who(artist, alias)
    yield from _life(artist, alias)
    yield from _death(artist, alias)
    yield from _style(artist, alias, context)
    yield from _works(artist, works, context, alias)
    yield from _about(artist, alias)
    yield from _follow_ups(artist, context)


def _disambiguated(phrase: Phrase, artist: Artist) -> Phrase:
    """The question with the occupation before the name: "When was the sculptor George Segal born?"."""
    first, *others = phrase.messages
    bare = re.compile(rf"(?<!the artist )(?<!the {artist.occupation} )({re.escape(artist.name)})", re.IGNORECASE)
    asked = bare.sub(rf"the {artist.occupation} \1", first.content)
    return Phrase(phrase.fact, (first._replace(content=asked), *others))


def fact(artist: Artist, attribute: str) -> str:
    return f"artist:{artist.name}/{attribute}"


def was(artist: Artist) -> str:
    """``is`` for the living and ``was`` for the dead, ``are`` and ``were`` for pairs and groups."""
    living = artist.died is None and (artist.as_of is not None or (artist.born or 0) >= _LIVING_SINCE)
    return ("are" if artist.plural else "is") if living else ("were" if artist.plural else "was")


def _described(artist: Artist) -> str:
    said = f"{artist.nationality} {artist.occupation or 'artist'}"
    return said if artist.plural else f"{grammar.article(said)} {said}"


def _who(artist: Artist, alias: str) -> Iterator[Phrase]:
    name, be, now = artist.name, was(artist), "are" if artist.plural else "is"
    yield from ask(
        all_of(fact(artist, "nationality"), fact(artist, "known_for")),
        (
            f"Who {be} {name}?", f"Who {be} {alias}?", f"Who {be} the artist {name}?", f"Do you know {name}?",
            f"Have you heard of {alias}?", f"Can you tell me who {name} {be}?", f"Please tell me who {alias} {be}.",
        ),
        f"{name} {be} {_described(artist)} known for {artist.known_for}.",
        5,
    )  # fmt: skip
    yield from ask(
        fact(artist, "known_for"),
        (
            f"What {be} {name} known for?", f"What {be} {alias} famous for?", f"Why {be} {name} famous?",
            f"What made {alias} well known?", f"Can you tell me what {alias} {be} known for?",
        ),
        f"{name} {be} known for {artist.known_for}.",
        4,
    )  # fmt: skip
    today = one_of((f"What {now} {alias} known for?", f"Why {now} {alias} important?"), name)
    yield from ask(fact(artist, "known_for"), (today,), f"{name} {now} known for {artist.known_for}.", 1)
    yield from ask(
        fact(artist, "known_for"),
        (
            f"Which artist {be} known for {artist.known_for}?",
            f"Who {be} known for {artist.known_for}?",
            f"Name the artist known for {artist.known_for}.",
        ),
        f"{name} {be} known for {artist.known_for}.",
        2,
    )


def _life(artist: Artist, alias: str) -> Iterator[Phrase]:
    name, be = artist.name, was(artist)
    if artist.born is None and not artist.plural:
        questions = (f"When was {name} born?", f"What is the birth year of {name}?")
        yield from ask(fact(artist, "born"), questions, f"I do not know when {name} was born.", 1)
    elif artist.born is not None:
        born = grammar.year(artist.born, artist.born_circa)
        yield from ask(
            fact(artist, "born"),
            (
                f"When was {name} born?", f"When was {alias} born?",
                f"In which year was {name} born?", f"What year was {alias} born?",
                f"What is the birth year of {name}?", f"Can you tell me when {alias} was born?",
            ),
            f"{name} was born in {born}.",
            4,
        )  # fmt: skip
    if artist.birthplace:
        country = grammar.country(artist.country) if artist.country else ""
        home = f" in {country}" if country.startswith("the ") else f", {country}" if country else ""
        yield from ask(
            fact(artist, "birthplace"),
            (
                f"Where was {name} born?", f"Where was {alias} born?", f"What is the birthplace of {name}?",
                f"In which city or town was {alias} born?",
                f"Where {'do' if artist.plural else 'does' if be == 'is' else 'did'} {alias} come from?",
                *([f"In which country was {name} born?"] if home else []),
            ),
            f"{name} was born in {artist.birthplace}{home}.",
            3,
        )  # fmt: skip
    elif not artist.plural and artist.country is None:
        questions = (f"Where was {name} born?", f"What is the birthplace of {name}?")
        yield from ask(fact(artist, "birthplace"), questions, f"I do not know where {name} was born.", 1)
    if artist.nationality in _PEOPLES:
        return
    yield from ask(
        fact(artist, "nationality"),
        (
            f"What nationality {be} {name}?", f"What {be} the nationality of {alias}?",
            f"What nationality {be} the {artist.occupation or 'artist'} {name}?",
        ),
        f"{name} {be} {grammar.of_nationality(artist.nationality)}.",
        3,
    )  # fmt: skip


def _death(artist: Artist, alias: str) -> Iterator[Phrase]:
    name, born = artist.name, artist.born
    if artist.died is None:
        if artist.as_of is not None and not artist.plural:
            alive = f"As of {artist.as_of} {name} is alive."
            yield from ask(fact(artist, "died"), (f"When did {name} die?", f"In which year did {name} die?"), alive, 1)
            yield from ask(fact(artist, "died"), (f"Is {name} still alive?", f"Is {name} alive?"), f"Yes. {alive}", 1)
        return
    died = grammar.year(artist.died, artist.died_circa)
    yield from ask(
        fact(artist, "died"),
        (
            f"When did {name} die?", f"When did {alias} die?", f"In which year did {name} die?",
            f"What year did {alias} die?", f"Until when did {alias} live?",
        ),
        f"{name} died in {died}.",
        3,
    )  # fmt: skip
    if born is None:
        return
    if born >= _PERHAPS_ALIVE_SINCE and digest(name) % 5 < 2:
        questions = (f"Is {name} still alive?", f"Is {name} alive?")
        yield from ask(fact(artist, "died"), questions, f"No. {name} died in {died}.", 1)
    yield from ask(
        all_of(fact(artist, "born"), fact(artist, "died")),
        (
            f"When did {name} live?", f"When did {alias} live?", f"What are the dates of {name}?",
            f"In which years did {alias} live?",
        ),
        f"{name} lived from {grammar.year(born, artist.born_circa)} to {died}.",
        2,
    )  # fmt: skip


def _style(artist: Artist, alias: str, context: Context) -> Iterator[Phrase]:
    name, be = artist.name, was(artist)
    did, worked = {"is": ("does", "works"), "are": ("do", "work")}.get(be, ("did", "worked"))
    if artist.movements:
        yield from ask(
            fact(artist, "movement"),
            (
                f"Which movement {be} {name} part of?", f"Which art movement {did} {alias} belong to?",
                f"What art movement {be} {alias} associated with?", *(
                    () if _is_of_people(artist.movements[0], context)
                    else (
                        f"What style of art {did} {name} make?", f"What kind of art {did} {alias} make?",
                        f"Which style {be} {name} known for?",
                    )
                ),
            ),
            _movement(artist, context),
            4,
        )  # fmt: skip
    worked_in = f"What {did} {name} work in?", f"What {did} {alias} work in?"
    built_of = () if _NO_MATERIALS.search(" ".join(artist.media)) else (f"What materials {did} {name} use?",)
    materials = (*built_of, *worked_in)
    media = (
        f"Which medium {did} {name} use?", f"What {did} {alias} work in?", f"What media {did} {name} work in?",
        f"What materials or media {did} {alias} use?",
    )  # fmt: skip
    yield from ask(
        fact(artist, "media"),
        materials if "architect" in (artist.occupation or "") else media,
        f"{name} {worked} {_in_and_with(artist)}.",
        2,
    )  # fmt: skip
    for other in artist.related[:1]:
        key = fact(artist, f"related:{other}")
        liked = (f"Who else should I look at if I like {alias}?", f"I like {alias}. Who else might I like?")
        yield from ask(key, liked, f"If you like {name}, you could look at {other}.", 2)


def _is_of_people(movement: str, context: Context) -> bool:
    """Whether a movement is a group or a school, which is no kind of art that somebody makes."""
    return context.is_group(movement) or re.search(r"\b(school|group|society)\b", movement, re.IGNORECASE) is not None


def _in_and_with(artist: Artist) -> str:
    """``in drawing and video, and with used clothes``: one works in a medium and with things."""
    media = f"in {grammar.join(artist.media)}"
    if not artist.materials:
        return media
    return f"{media}{',' if len(artist.media) > 1 else ''} and with {grammar.join(artist.materials)}"


def _movement(artist: Artist, context: Context) -> str:
    named: list[str] = []
    for style in artist.movements:
        if not any(part.endswith(f" {style}") for part in named):  # "the Flemish Baroque and the Baroque" are not two
            named.append(style)
    styles = grammar.join([context.movement(style) for style in named])
    return f"{artist.name} {was(artist)} associated with {styles}."


def _works(artist: Artist, works: Sequence[Work], context: Context, alias: str) -> Iterator[Phrase]:
    if not works:
        return
    name = artist.name
    yield from ask(
        _made(works[:1], context),
        (f"Name a work by {name}.", f"Tell me a work of art by {alias}.", f"What is a work by {alias}?"),
        _listed(works[:1], name),
        2,
    )
    if len(works) > 1:
        yield from ask(
            _made(works[:3], context),
            (f"Which works did {name} make?", f"What are some works by {alias}?", f"Name some works by {alias}."),
            _listed(works[:3], name),
            2,
        )
    famous = [work for work in works if work.fame >= _FAMOUS_WORK][:4]
    if len(famous) > 1:
        questions = (f"What are the most famous works by {name}?", f"Name famous works by {alias}.")
        yield from ask(_made(famous, context), questions, _listed(famous, name), 1)
    elif famous:
        questions = (f"What is a famous work by {name}?", f"Name a famous work by {alias}.")
        answer = f"A famous work by {name} is {spoken_title(famous[0])}."
        yield from ask(_made(famous, context), questions, answer, 1)


def _made(works: Sequence[Work], context: Context) -> str:
    """The facts that a list of an artist's works states."""
    return all_of(*(work_fact(work, "artist", work.title in context.shared) for work in works))


def _listed(works: Sequence[Work], name: str) -> str:
    """That these are works by an artist, whose titles are quoted where they could be read as something else: in a list
    with a comma, a semicolon or "and", and a work with the name of what it shows."""
    told_apart = "[,;] | and " if len(works) > 1 else "^$"
    quoted = any(
        re.search(told_apart, work.title) or names_something_else(work) or is_common_word(work) for work in works
    )
    titles = [f'"{work.title}"' if quoted else spoken_title(work) for work in works]
    one, gone = len(titles) == 1 and not works[0].plural, all(work.gone for work in works)
    be = ("was" if gone else "is") if one else ("were" if gone else "are")
    by = makers(works[0]) if len({makers(work) for work in works}) == 1 else name  # who made them jointly is not cut
    return grammar.upper_first(f"{_joined(titles)} {be} {'a work' if one else 'works'} by {by}.")


def _joined(titles: Sequence[str]) -> str:
    """Titles with commas between them alone, for those that hold one stand in quotation marks."""
    return " and ".join(filter(None, (", ".join(titles[:-1]), titles[-1])))


def _about(artist: Artist, alias: str) -> Iterator[Phrase]:
    stated = {
        fact(artist, "born"): str(artist.born or ""),
        fact(artist, "died"): str(artist.died or ""),
        fact(artist, "birthplace"): artist.birthplace or "",
        fact(artist, "nationality"): artist.nationality,
        fact(artist, "movement"): artist.movements[0] if artist.movements else "",
    }
    yield from ask(
        facts_in(artist.prose, fact(artist, "about"), stated),
        (
            f"Tell me about {artist.name}.", f"Tell me about {alias}.", f"What do you know about {artist.name}?",
            f"Can you tell me something about {alias}?", f"Please tell me about the artist {artist.name}.",
        ),
        artist.prose,
        2,
    )  # fmt: skip


def _follow_ups(artist: Artist, context: Context) -> Iterator[Phrase]:
    name, be = artist.name, was(artist)
    who = (f"Who {be} {name}?", f"{name} {be} {_described(artist)} known for {artist.known_for}.")
    facts = (fact(artist, "nationality"), fact(artist, "known_for"))
    if artist.born is not None:
        answer = f"{name} was born in {grammar.year(artist.born, artist.born_circa)}."
        yield chat(all_of(*facts, fact(artist, "born")), *who, "When was the artist born?", answer)
    if artist.movements:
        yield chat(all_of(*facts, fact(artist, "movement")), *who, "Which movement?", _movement(artist, context))
