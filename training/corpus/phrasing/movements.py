"""Art movements, and terms of art, as questions and answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from training.corpus.phrasing import grammar
from training.corpus.phrasing.artists import was
from training.corpus.phrasing.context import Context
from training.corpus.phrasing.names import NAMES
from training.corpus.phrasing.spoken import called, makers, spoken_title, work_fact
from training.corpus.phrasing.wording import Phrase, all_of, ask, chat, facts_in
from training.corpus.records import Artist, Movement, Term, Work


def movement_phrases(
    movement: Movement, artists: Sequence[Artist], works: Sequence[Work], context: Context
) -> Iterator[Phrase]:
    """Everything that is asked about one movement, with its artists and works, the most typical ones first."""
    name = context.movement(movement.name)
    yield from _definition(movement, name)
    yield from _origin(movement, name, context)
    yield from _members(movement, name, artists)
    yield from _examples(movement, name, works, context)
    yield from _about_movement(movement, name)
    yield from _movement_follow_ups(movement, name, artists)


def _fact(movement: Movement, attribute: str) -> str:
    return f"movement:{movement.name}/{attribute}"


def _definition(movement: Movement, name: str) -> Iterator[Phrase]:
    be = "are" if movement.plural else "is"
    verb = grammar.subject(movement.name, movement.definition)[1]
    if movement.group and verb in ("was", "were"):
        be = verb
    # A group or a school has no meaning that one could ask for; a name in another language has one that is not told.
    named = movement.group or name.startswith(("the ", "De ", "Der ", "Die ", "Les "))
    meaning = f"What exactly {be} {name}?" if movement.plural or named else f"What does {name} mean{_in_art(name)}?"
    look = f"does the art of {name} look" if movement.group else f"{'do' if movement.plural else 'does'} {name} look"
    # Only what has ended is asked for in the past tense, if the answer speaks of it so.
    ended = (f"What {verb} {name}?",) if movement.end is not None and verb in ("was", "were") else ()
    field = _in_art(name)
    yield from ask(
        _fact(movement, "definition"),
        (
            f"What {be} {name}{field}?", *ended, f"Define {name}{field}.", f"Explain {name}{field}.",
            f"Can you explain what {name}{field} {be}?", f"What do you mean by {name}{field}?",
            _asked_what(movement, name, be, verb), f"Please tell me what {name}{field} {be}.", meaning,
            f"Describe {name}{field} in one sentence.",
        ),
        movement.definition,
        9,
    )  # fmt: skip
    yield from ask(
        _fact(movement, "features"),
        (
            f"What are the features of {name}?", f"What are the characteristics of {name}?",
            f"How can I recognise {name}?", f"What is typical of {name}?", f"What {look} like?",
            f"What makes {name} special?",
        ),
        f"Typical of {name} are {grammar.join(movement.features)}.",
        5,
    )  # fmt: skip


def _asked_what(movement: Movement, name: str, be: str, verb: str) -> str:
    """People are a group, and a school or a movement is no kind of art."""
    if movement.group:
        of_artists = re.search(r"\b(group|artists|painters)\b", movement.definition)  # the Bauhaus was a school
        group = f"What kind of group {verb} {name}?" if of_artists else f"What exactly {verb} {name}?"
        return f"Who {be} {name}?" if movement.plural else group
    of_people = re.search(r"\b(school|movement|society)\b", name, re.IGNORECASE)
    return f"What exactly {verb} {name}?" if of_people else f"What kind of art {be} {name}?"


def _origin(movement: Movement, name: str, context: Context) -> Iterator[Phrase]:
    said = grammar.upper_first(name)
    began = _began(movement, name)
    if not movement.things:
        start = grammar.year(movement.start, circa=True)
        starts = f"When {began}?", f"When did {name} start?"
        yield from ask(_fact(movement, "when"), starts, movement.when or f"{said} began in {start}.", 2)
    yield from ask(_fact(movement, "when"), _asked_when(movement, name), _when(movement, said), 2)
    do = "do" if movement.plural else "does"
    yield from ask(
        _fact(movement, "where"),
        (
            f"Where {began}?", *([] if movement.things else [f"Where did {name} start?"]),
            f"Where {do} {name} come from?", f"In which part of the world {began}?",
        ),
        _where(movement, said),
        4,
    )  # fmt: skip
    if movement.grew_from:
        led = "movements" if len(movement.grew_from) > 1 else "movement"
        roots = grammar.join([context.movement(root) for root in movement.grew_from])
        yield from ask(
            _fact(movement, "grew_from"),
            (
                f"What did {name} grow from?", f"What came before {name}?", f"Which {led} led to {name}?",
                f"What influenced {name}?",
            ),
            f"{said} grew from {roots}.",
            3,
        )  # fmt: skip


def _in_art(name: str) -> str:
    """`` in art`` after a name that literature, music or philosophy has as well; "the Nabis in art" nobody asks for."""
    return " in art" if name in NAMES["movements_elsewhere_too"] else ""


def _began(movement: Movement, name: str) -> str:
    """What is asked of a beginning: ``did Cubism begin``, ``were Chola bronzes first made``."""
    if movement.things:
        return f"{'were' if movement.plural else 'was'} {name} first made"
    return f"did {name} begin"


def _asked_when(movement: Movement, name: str) -> list[str]:
    be, ended = "were" if movement.plural else "was", movement.end is not None
    period = f"What is the period of {name}?"
    if movement.things:
        return [f"When {_began(movement, name)}?", period, *([f"In which period {be} {name} made?"] if ended else [])]
    if movement.group:
        return [f"When {be} {name} active?", f"In which years {be} {name} active?"] if ended else []
    return [period, *([f"When {be} {name}?", f"In which years did {name} flourish?"] if ended else [])]


def _when(movement: Movement, said: str) -> str:
    """When it began and ended: a style lasts, and the members of a group are active."""
    if movement.when:
        return movement.when
    start, be = grammar.year(movement.start, circa=True), "are" if movement.plural else "is"
    if movement.things and movement.end is None:
        return f"{said} {'were' if movement.plural else 'was'} first made in {start} and {be} still made today."
    if movement.end is None:
        return f"{said} began in {start} and {be} still {'active' if movement.group else 'alive today'}."
    lasted = f"{'were' if movement.plural else 'was'} active" if movement.group else "lasted"
    return f"{said} {lasted} from {start} to {grammar.year(movement.end, circa=True)}."


def _where(movement: Movement, said: str) -> str:
    began = f"{'were' if movement.plural else 'was'} first made" if movement.things else "began"
    return f"{said} {began} in {movement.region}."


def _members(movement: Movement, name: str, artists: Sequence[Artist]) -> Iterator[Phrase]:
    if not artists:
        return
    chosen = artists[:3]
    names = grammar.join([artist.name for artist in chosen])
    member = "member" if movement.group else "artist"
    if len(chosen) == 1:
        be, one = was(chosen[0]), _one_of(movement, name)
        yield from ask(
            f"artist:{chosen[0].name}/movement",
            (f"Name {one}.", f"Who {be} {one}?", f"Can you name {one}?", f"Do you know {one}?"),
            f"{names} {be} {one}.",
            3,
        )
        return
    yield from ask(
        all_of(*(f"artist:{artist.name}/movement" for artist in chosen)),
        (
            f"Who are the {member}s of {name}?" if movement.end is None else f"Who were the {member}s of {name}?",
            f"Which artists belonged to {name}?" if movement.end is not None else f"Which artists belong to {name}?",
            f"Name some {member}s of {name}.", f"Who are famous {member}s of {name}?", f"Name {member}s of {name}.",
        ),
        f"{member.capitalize()}s of {name} include {names}.",
        4,
    )  # fmt: skip


def _one_of(movement: Movement, name: str) -> str:
    """``an artist of the Baroque``, ``a member of the Young British Artists``."""
    return f"a member of {name}" if movement.group else f"an artist of {name}"


def _examples(movement: Movement, name: str, works: Sequence[Work], context: Context) -> Iterator[Phrase]:
    if not works:
        return
    work = works[0]
    title = f"the series {work.title}" if called(work) == "series" else spoken_title(work)
    said = f"{title} by {makers(work)}" if work.artist else title
    key = all_of(*(work_fact(work, aspect, work.title in context.shared) for aspect in ("movement", "artist")))
    if movement.group:
        questions: Sequence[str] = (
            f"Name a work by a member of {name}.", f"What is a work by a member of {name}?",
            f"Give me a work of art from {name}.",
        )  # fmt: skip
        answer = f"A work by a member of {name} is {said}."
    else:
        questions = (
            f"Name a work of {name}.", f"Give me an example of {name}.", f"What is an example of {name}?",
            f"Which work is typical of {name}?",
        )  # fmt: skip
        answer = f"An example of {name} {'are' if work.plural else 'is'} {said}."
    if work.plural:
        answer = f"{grammar.upper_first(title)} are typical works of {name}."
    yield from ask(key, questions, answer, 3)


def _about_movement(movement: Movement, name: str) -> Iterator[Phrase]:
    stated = {
        _fact(movement, "when"): str(abs(movement.start)),
        _fact(movement, "where"): movement.region,
        _fact(movement, "grew_from"): movement.grew_from[0] if movement.grew_from else "",
    }
    yield from ask(
        all_of(_fact(movement, "definition"), facts_in(movement.prose, _fact(movement, "about"), stated)),
        (
            f"Tell me about {name}{_in_art(name)}.", f"Can you tell me more about {name}{_in_art(name)}?",
            f"What should I know about {name}{_in_art(name)}?", f"What do you know about {name}{_in_art(name)}?",
        ),
        grammar.followed(movement.definition, name, movement.prose, movement.plural),
        3,
    )  # fmt: skip


def _movement_follow_ups(movement: Movement, name: str, artists: Sequence[Artist]) -> Iterator[Phrase]:
    first = (f"What {'are' if movement.plural else 'is'} {name}?", movement.definition)
    defined = _fact(movement, "definition")
    asked = f"Where {_began(movement, 'they' if movement.plural else 'it')}?"
    yield chat(all_of(defined, _fact(movement, "where")), *first, asked, _where(movement, grammar.upper_first(name)))
    if artists:
        artist = artists[0]
        answer = f"{artist.name} {was(artist)} {_one_of(movement, name)}."
        yield chat(all_of(defined, f"artist:{artist.name}/movement"), *first, "Name an artist.", answer)


def term_phrases(term: Term, suffix: str) -> Iterator[Phrase]:
    """Everything that is asked about one term. ``suffix`` tells it from the same word elsewhere: `` in art``."""
    subject, be = grammar.subject(term.name, term.definition)
    be, the_term = ("are", "the term ") if be in ("are", "were") else ("is", "")
    fact = f"term:{term.name}"
    yield from ask(
        f"{fact}/definition",
        (
            f"What {be} {subject}{suffix}?", f"What does {the_term}{term.name} mean{suffix}?",
            f"Explain the art term {term.name}.", f"Define {term.name}{suffix}.",
            f"Can you explain what {subject}{suffix} {be}?", f"What does the art term {term.name} mean?",
            f"What exactly {be} {subject}{suffix}?",
        ),
        term.definition,
        5,
    )  # fmt: skip
    yield from ask(
        f"{fact}/example",
        (
            f"Give me an example of {subject}{suffix}.", f"Can you name an example of {subject}{suffix}?",
            f"What is an example of {subject}{suffix}?",
        ),
        term.example,
        2,
    )  # fmt: skip
    yield from ask(
        all_of(f"{fact}/definition", f"{fact}/about"),
        (
            f"Tell me about {subject}{suffix}.", f"Tell me more about {subject}{suffix}.",
            f"What should I know about {subject}{suffix}?",
        ),
        grammar.followed(term.definition, subject, term.prose, be == "are"),
        2,
    )  # fmt: skip
    yield chat(
        all_of(f"{fact}/definition", f"{fact}/example"),
        f"What {be} {subject}{suffix}?",
        term.definition,
        "Can you give an example?",
        term.example,
    )
