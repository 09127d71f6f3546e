"""Beliefs about artificial intelligence, true and false ones in equal number, each answered with its reason.

Were all of them false, a model would learn to deny whatever it is asked.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.corpus.phrasing import grammar
from training.corpus.phrasing.wording import Phrase, all_of, ask
from training.corpus.records import Concept
from training.corpus.sample import digest

_WORDINGS = 3
_DEFINITION = re.compile(r"(?P<subject>.+?) (?P<verb>is|are) (?P<rest>.+)")


@dataclass(frozen=True)
class _Belief:
    fact: str
    text: str
    answer: str

    def phrases(self) -> Iterator[Phrase]:
        said = self.text.rstrip(".")
        inside = grammar.lower_first(said)
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

    Those that the record names come first. Where it names none that is so, the first sentence of the correction serves
    if it can stand alone, or else the definition; where it names none that is not, the definition of another concept.
    """
    alike: defaultdict[tuple[str, str], list[Concept]] = defaultdict(list)
    for concept in concepts:
        alike[concept.area, _verb(concept)].append(concept)
    for concept in concepts:
        false = _false(concept, alike[concept.area, _verb(concept)])
        if false is not None:
            yield from _true(concept).phrases()
            yield from false.phrases()


def _true(concept: Concept) -> _Belief:
    if concept.truth and concept.truth_reason:
        return _Belief(f"concept:{concept.name}/truth", concept.truth, f"Yes. {concept.truth_reason}")
    first, _, reason = (concept.correction or "").partition(". ")
    if reason and _opens_with_name(concept, first):
        return _Belief(f"concept:{concept.name}/misconception", f"{first}.", f"Yes. {reason}")
    facts = all_of(f"concept:{concept.name}/definition", f"concept:{concept.name}/example")
    return _Belief(facts, concept.definition, f"Yes. Here is an example. {concept.example}")


def _false(concept: Concept, alike: Sequence[Concept]) -> _Belief | None:
    if concept.misconception and concept.correction:
        return _Belief(f"concept:{concept.name}/misconception", concept.misconception, f"No. {concept.correction}")
    own = _DEFINITION.match(concept.definition)
    key = f"concept:{concept.name}/definition"
    for other in sorted(alike, key=lambda other: digest(f"{concept.name} {other.name}")):
        others = _DEFINITION.match(other.definition)
        if other is concept or own is None or others is None or _names(concept, others["rest"]):
            continue
        return _Belief(key, f"{own['subject']} {own['verb']} {others['rest']}", f"No. {concept.definition}")
    return None


def _verb(concept: Concept) -> str:
    match = _DEFINITION.match(concept.definition)
    return match["verb"] if match else ""


def _opens_with_name(concept: Concept, sentence: str) -> bool:
    return re.match(rf"(An? |The )?{re.escape(concept.name)}\b", sentence, re.IGNORECASE) is not None


def _names(concept: Concept, text: str) -> bool:
    return any(name.lower() in text.lower() for name in (concept.name, *concept.aliases))
