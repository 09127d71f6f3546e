"""The embedded corpus: records of checked facts, phrased as questions and answers. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from training.corpus.phrasing import ai_literacy, art, conversation
from training.corpus.phrasing.wording import Phrase
from training.corpus.records import Records, read_records
from training.corpus.sample import Sample, sample_id

LICENCE = "MIT"

# Source name -> its area and what phrases its records.
_SOURCES: dict[str, tuple[str, Callable[[Records], Iterator[Phrase]]]] = {
    "art": ("art", art.phrases),
    "ai-literacy": ("ai", ai_literacy.phrases),
    "conversation": ("conversation", conversation.phrases),
}

SOURCES = tuple(_SOURCES)


@cache
def samples(source: str) -> tuple[Sample, ...]:
    """The distinct samples of one embedded source, the same ones in the same order on every machine."""
    area, phrases = _SOURCES[source]
    found: dict[str, Sample] = {}
    for phrase in phrases(records()):
        identity = sample_id(source, phrase.messages)
        found.setdefault(identity, Sample(identity, source, area, phrase.fact, phrase.messages, LICENCE))
    return tuple(found.values())


@cache
def records() -> Records:
    """The records behind the embedded sources."""
    return read_records()
