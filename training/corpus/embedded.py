"""The embedded corpus: records of checked facts, phrased as questions and answers. Nothing is downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from training.corpus.phrasing import ai_literacy, art, conversation
from training.corpus.phrasing.context import context_of
from training.corpus.phrasing.spoken import work_fact
from training.corpus.phrasing.wording import Phrase
from training.corpus.records import FOLDER, Records, read_records
from training.corpus.sample import FACT_SEPARATOR, Sample, sample_id

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
        if identity not in found:
            reference = reference_of(phrase.fact)
            found[identity] = Sample(identity, source, area, phrase.fact, phrase.messages, LICENCE, reference)
    return tuple(found.values())


def reference_of(fact: str) -> str:
    """Where the records say that a fact, or several joined ones, can be looked up; empty where they do not say."""
    sources = _sources_of_records()
    found = (sources.get(one) or sources.get(_record_of(one), "") for one in fact.split(FACT_SEPARATOR))
    return "; ".join(dict.fromkeys(source for source in found if source))


def _record_of(fact: str) -> str:
    """The record that a fact is of: ``artist:Pablo Picasso`` of ``artist:Pablo Picasso/born``."""
    return fact.partition("/related:")[0] if "/related:" in fact else fact.rpartition("/")[0]


@cache
def _sources_of_records() -> dict[str, str]:
    """The source of each record under its label in facts, and that of each false belief under its fact."""
    found, shared = records(), context_of(records()).shared
    sources = {work_fact(work, "", work.title in shared)[:-1]: work.source for work in found.works}
    for kind in ("artist", "movement", "museum", "term", "concept"):
        sources.update({f"{kind}:{record.name}": record.source for record in getattr(found, f"{kind}s")})
    beliefs = {f"concept:{one.name}/misconception": one.misconception_source for one in found.concepts}
    return {fact: source for fact, source in (sources | beliefs).items() if source}


def is_of_records(source: str | Path) -> bool:
    """Whether a source is one of these, or the core of them."""
    return source == "core" or source in SOURCES


def records_sha256(folder: Path = FOLDER) -> str:
    """A hash of all records, whatever their files are called."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(folder.glob("*.toml")))).hexdigest()


@cache
def records() -> Records:
    """The records behind the embedded sources."""
    return read_records()
