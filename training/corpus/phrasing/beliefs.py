"""Beliefs about artificial intelligence, true and false ones in equal number, each answered with its reason.

Were all of them false, a model would learn to deny whatever it is asked.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from training.corpus.phrasing import grammar
from training.corpus.phrasing.wording import FIELD_OF, Phrase, all_of, ask
from training.corpus.records import Concept
from training.corpus.sample import digest

_WORDINGS = 3


@dataclass(frozen=True)
class _Belief:
    fact: str
    text: str
    answer: str

    def phrases(self) -> Iterator[Phrase]:
        said = self.text.rstrip(".")
        name = self.fact.partition(":")[2].partition("/")[0]
        proper = name[:1].isupper() and said.startswith(name)
        inside = said if proper else grammar.lower_first(said)
        yield from ask(
            self.fact,
            (
                f"Is it true that {inside}?", f"I heard that {inside}. Is that right?",
                f"Some people say that {inside}. Are they right?", f"{said}, right?",
            ),
            self.answer,
            _WORDINGS,
        )  # fmt: skip


def phrases(concepts: Sequence[Concept]) -> Iterator[Phrase]:
    """For each concept one belief that is so and one that is not.

    Those that the record names come first. Where it names none, both are made in one form: another name for the
    concept where it has one, or else a definition, its own or that of another concept.
    """
    named = {concept.name: concept for concept in concepts}
    alike: defaultdict[tuple[str, str], list[Concept]] = defaultdict(list)
    for concept in concepts:
        if not is_topic(concept):
            alike[concept.area, _verb(concept)].append(concept)
    for concept in concepts:
        near = [named[name] for name in concept.related if name in named and not is_topic(named[name])]
        far = [other for other in alike[concept.area, _verb(concept)] if not _linked(concept, other)]
        false = _false(concept, near, sorted(far, key=lambda other: digest(f"{concept.name} {other.name}")))
        if false is not None and (not is_topic(concept) or {concept.truth, concept.misconception} != {None}):
            yield from _true(concept).phrases()
            yield from false.phrases()


def _true(concept: Concept) -> _Belief:
    if concept.truth and concept.truth_reason:
        return _Belief(f"concept:{concept.name}/truth", concept.truth, f"Yes. {concept.truth_reason}")
    first, _, reason = (concept.correction or "").partition(". ")
    if reason and _opens_with_name(concept, first):
        return _Belief(f"concept:{concept.name}/misconception", f"{first}.", f"Yes. {reason}")
    if concept.aliases:
        return _Belief(_key(concept, "name"), _is_a_name(concept.aliases[0], concept), f"Yes. {concept.definition}")
    subject, example = grammar.subject(concept.name, concept.definition)[0], concept.example
    reason = "" if grammar.is_one_thing(subject, example) else "Here is an example. "
    answer = f"Yes. {reason}{grammar.without_pronoun(example, subject)}"
    return _Belief(_key(concept, "example"), concept.definition, answer)


def _false(concept: Concept, near: Sequence[Concept], far: Sequence[Concept]) -> _Belief | None:
    """An idea close to the concept is not the same, but what defines it may well be true of the concept."""
    if concept.misconception and concept.correction:
        return _Belief(f"concept:{concept.name}/misconception", concept.misconception, f"No. {concept.correction}")
    if concept.opposite:
        return _Belief(f"concept:{concept.name}/truth", concept.opposite, f"No. {concept.truth_reason}")
    no = f"No. {concept.definition}"
    if concept.aliases:
        return _Belief(_key(concept, "name"), _is_a_name(near[0].name, concept), no) if near else None
    own = _parts(concept)
    for other in far:
        match = _parts(other)
        if own is not None and match is not None and not _names(concept, match["rest"]):
            return _Belief(_key(concept, "other"), f"{own['subject']} {own['verb']} {match['rest']}", no)
    return None


def _key(concept: Concept, aspect: str) -> str:
    return all_of(f"concept:{concept.name}/definition", f"concept:{concept.name}/{aspect}")


def _is_a_name(name: str, concept: Concept) -> str:
    # Significance, for one, has another meaning outside of statistics.
    field = grammar.upper_first(FIELD_OF.get(name, "").strip())
    the = f"{field} the" if field else "The"
    return f"{the} term {name} is another name for {grammar.subject(concept.name, concept.definition)[0]}."


@cache  # as below
def _parts(concept: Concept) -> re.Match[str] | None:
    """A definition as the concept, its verb and the rest; none where it has another verb, such as "means"."""
    named = rf"(?P<subject>(An? |The )?{re.escape(concept.name)}(, [^.]*?,)?) (?P<verb>is|are) (?P<rest>.+)"
    return re.match(named, concept.definition, re.IGNORECASE)


def _verb(concept: Concept) -> str:
    match = _parts(concept)
    return match["verb"] if match else ""


def is_topic(concept: Concept) -> bool:
    """A field of questions, such as copyright and AI, is neither a law nor another name for one."""
    return re.search(r"\b(is|are) the (topic|question) ", concept.definition) is not None


def _linked(concept: Concept, other: Concept) -> bool:
    return concept is other or other.name in concept.related or concept.name in other.related


def _opens_with_name(concept: Concept, sentence: str) -> bool:
    return _opening(concept.name).match(sentence) is not None


@cache  # a pattern for each name is more than `re` keeps
def _opening(name: str) -> re.Pattern[str]:
    return re.compile(rf"(An? |The )?{re.escape(name)}\b", re.IGNORECASE)


def _names(concept: Concept, text: str) -> bool:
    return any(name.lower() in text.lower() for name in (concept.name, *concept.aliases))
