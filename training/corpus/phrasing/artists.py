"""Artists, as questions and answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from training.corpus.phrasing import grammar
from training.corpus.phrasing.wording import Phrase, all_of, ask, chat, facts_in
from training.corpus.phrasing.works import spoken_title, work_fact
from training.corpus.records import Artist, Work

# The first medium that matches says what to call the artist.
_OCCUPATIONS = (
    (re.compile(r"paint|fresco|tempera|watercolour|gouache|ink|miniature"), "painter"),
    (re.compile(r"sculpt|bronze|marble|carving|readymade"), "sculptor"),
    (re.compile(r"photograph|daguerreotype|cyanotype|calotype"), "photographer"),
    (re.compile(r"quilt|textile art|weaving"), "textile artist"),
    (re.compile(r"design|furniture|stained glass"), "designer"),
    (re.compile(r"print|engraving|woodcut|etching|lithograph"), "printmaker"),
    (re.compile(r"architecture"), "architect"),
    (re.compile(r"performance"), "performance artist"),
    (re.compile(r"installation"), "installation artist"),
    (re.compile(r"video"), "video artist"),
)
# Those whose birth is not known are taken to be alive if they belong to one of these.
_PRESENT_MOVEMENTS = frozenset(("Contemporary art", "Street art", "Digital art", "Feminist art"))
# People born before this are spoken of in the past even when the record has no year of death.
_LIVING_SINCE = 1925


def phrases(artist: Artist, works: Sequence[Work], shared: frozenset[str], alias: str) -> Iterator[Phrase]:
    """Everything that is asked about one artist.

    ``shared`` are the titles that works of several artists have; ``alias`` is the short name if no other has it.
    """
    yield from _who(artist, alias)
    yield from _life(artist, alias)
    yield from _style(artist, alias)
    yield from _works(artist, works, shared, alias)
    yield from _about(artist, alias)
    yield from _follow_ups(artist)


def aliases(artists: Sequence[Artist]) -> Mapping[str, str]:
    """The short name of each artist, or the full one where two share the short one or it says too little."""
    short = {artist.name: grammar.surname(artist.name) for artist in artists}
    counts = Counter(short.values())
    return {
        artist.name: short[artist.name] if _can_shorten(artist) and counts[short[artist.name]] == 1 else artist.name
        for artist in artists
    }


def fact(artist: Artist, attribute: str) -> str:
    return f"artist:{artist.name}/{attribute}"


def occupation(artist: Artist) -> str:
    """``painter``, ``painter and sculptor``; ``artist`` when the media do not say."""
    found: dict[str, None] = {}
    for medium in artist.media:
        found.update(dict.fromkeys([name for pattern, name in _OCCUPATIONS if pattern.search(medium)][:1]))
    return grammar.join(list(found)[:2]) if found else "artist"


def was(artist: Artist) -> str:
    """``is`` for the living and ``was`` for the dead."""
    recent = artist.born >= _LIVING_SINCE if artist.born else not _PRESENT_MOVEMENTS.isdisjoint(artist.movements)
    return "is" if artist.died is None and recent else "was"


def _can_shorten(artist: Artist) -> bool:
    return artist.nationality not in ("Chinese", "Korean")  # their family name comes first


def _described(artist: Artist) -> str:
    return f"{grammar.article(artist.nationality)} {artist.nationality} {occupation(artist)}"


def _who(artist: Artist, alias: str) -> Iterator[Phrase]:
    name, be = artist.name, was(artist)
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
            f"What is {alias} known for?", f"Why is {alias} important?",
        ),
        f"{name} {be} known for {artist.known_for}.",
        5,
    )  # fmt: skip
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
    if artist.born is not None:
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
        home = f", {grammar.country(artist.country)}" if artist.country else ""
        yield from ask(
            fact(artist, "birthplace"),
            (
                f"Where was {name} born?", f"Where was {alias} born?", f"What is the birthplace of {name}?",
                f"In which town was {alias} born?", f"Where did {alias} come from?",
            ),
            f"{name} was born in {artist.birthplace}{home}.",
            3,
        )  # fmt: skip
    if artist.died is not None:
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
        if artist.born is not None:
            yield from ask(
                all_of(fact(artist, "born"), fact(artist, "died")),
                (
                    f"When did {name} live?", f"When did {alias} live?", f"What are the dates of {name}?",
                    f"In which years did {alias} live?",
                ),
                f"{name} lived from {born} to {died}.",
                2,
            )  # fmt: skip
    yield from ask(
        fact(artist, "nationality"),
        (
            f"What nationality {be} {name}?", f"What {be} the nationality of {alias}?",
            f"Which country {be} {alias} from?", f"What nationality {be} the artist {alias}?",
        ),
        f"{name} {be} {artist.nationality}.",
        3,
    )  # fmt: skip


def _style(artist: Artist, alias: str) -> Iterator[Phrase]:
    name, be = artist.name, was(artist)
    did, worked = ("does", "works") if be == "is" else ("did", "worked")
    if artist.movements:
        yield from ask(
            fact(artist, "movement"),
            (
                f"Which movement {be} {name} part of?", f"Which art movement {did} {alias} belong to?",
                f"What style of art {did} {name} make?", f"What art movement {be} {alias} associated with?",
                f"What kind of art {did} {alias} make?", f"Which style {be} {name} known for?",
            ),
            _movement(artist),
            4,
        )  # fmt: skip
    media = grammar.join(artist.media)
    yield from ask(
        fact(artist, "media"),
        (
            f"Which medium {did} {name} use?", f"What {did} {alias} work in?", f"What media {did} {name} work in?",
            f"What materials or media {did} {alias} use?",
        ),
        f"{name} {worked} in {media}.",
        2,
    )  # fmt: skip
    for other in artist.related[:1]:
        yield from ask(
            fact(artist, f"related:{other}"),
            (
                f"Which artist is linked with {name}?", f"Name an artist connected with {alias}.",
                f"Who else should I look at if I like {alias}?", f"I like {alias}. Who else might I like?",
            ),
            f"If you like {name}, you could look at {other}.",
            2,
        )  # fmt: skip


def _movement(artist: Artist) -> str:
    styles = grammar.join([grammar.movement(style) for style in artist.movements])
    return f"{artist.name} {was(artist)} associated with {styles}."


def _works(artist: Artist, works: Sequence[Work], shared: frozenset[str], alias: str) -> Iterator[Phrase]:
    if not works:
        return
    name = artist.name
    titles = [spoken_title(work) for work in works[:3]]
    said = f"{grammar.join(titles)} {'is a work' if len(titles) == 1 else 'are works'} by {name}."
    yield from ask(
        all_of(*(work_fact(work, "artist", work.title in shared) for work in works[:3])),
        (
            f"Name a work by {name}.", f"What did {alias} make?", f"Which works did {name} make?",
            f"What are some works by {alias}?", f"Tell me a work of art by {alias}.", f"Name some works by {alias}.",
            f"What are the most famous works by {alias}?",
        ),
        grammar.upper_first(said),
        4,
    )  # fmt: skip


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


def _follow_ups(artist: Artist) -> Iterator[Phrase]:
    name, be = artist.name, was(artist)
    who = (f"Who {be} {name}?", f"{name} {be} {_described(artist)} known for {artist.known_for}.")
    told = (fact(artist, "nationality"), fact(artist, "known_for"))
    if artist.born is not None:
        answer = f"{name} was born in {grammar.year(artist.born, artist.born_circa)}."
        yield chat(all_of(*told, fact(artist, "born")), *who, "When was the artist born?", answer)
    if artist.movements:
        yield chat(all_of(*told, fact(artist, "movement")), *who, "Which movement?", _movement(artist))
