"""Concepts of artificial intelligence, as questions and answers."""

from __future__ import annotations

from collections.abc import Iterator

from training.corpus.phrasing.wording import Phrase, ask
from training.corpus.records import Records


def phrases(records: Records) -> Iterator[Phrase]:
    for concept in records.concepts:
        questions = (f"What is {concept.name}?", f"Define {concept.name}.", f"Can you explain {concept.name}?")
        yield from ask(f"concept:{concept.name}/definition", questions, (concept.definition,), 3)
