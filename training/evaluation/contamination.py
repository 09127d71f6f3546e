"""What a training has told of a benchmark's items: their facts, how often their options, and questions word for word.

An item whose question was trained on, with its answer, shows what a model repeats, not what it knows; such items are
named and reported apart. Samples are those that a training wrote down; of one that wrote none, as none did before
2026-11-29, those that its report says it was given, cleaned and split by the same rules.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from training.corpus import stream
from training.corpus.sample import Sample, digest
from training.corpus.turns import normalised_question as normalised
from training.data.dataset import split_samples, spread_over_facts
from training.evaluation.items import SEEN, UNSEEN, Benchmark, Item

_WORD = re.compile(r"\w+")


def training_samples(config: Mapping[str, Any], trained_on: Path | None = None) -> Iterator[Sample]:
    """The samples that a run was given, each once.

    Args:
        config: of its training report.
        trained_on: its file of that name.

    Raises:
        CorpusError: data that is no longer where it was, in one line.
    """
    data, max_rows = config.get("data") or ("embedded",), config.get("max_rows_per_source")
    if trained_on is not None:
        wanted = set(np.fromfile(trained_on, np.uint64).tolist())
        return (sample for sample in stream(data, max_rows) if _taken(digest(sample.id), wanted))
    found = split_samples(data, max_rows)
    train = (sample for sample, split in found if split == "train")
    limit = config.get("max_samples")
    return train if limit is None else iter(spread_over_facts(list(train), limit))


def _taken(key: int, wanted: set[int]) -> bool:
    """Whether a key is wanted; then it is so no more."""
    if key not in wanted:
        return False
    wanted.remove(key)
    return True


@dataclass(frozen=True)
class Exposure:
    """What the training samples of a run have of some benchmarks."""

    facts: frozenset[str] = frozenset()  # facts of the embedded corpus that they state
    questions: frozenset[str] = frozenset()  # normalised questions of items that they ask too
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of each value among the options, how many training texts hold it, word for word."""

    def is_contaminated(self, item: Item) -> bool:
        """Whether the item's question was trained on, whatever its case and marks."""
        return normalised(item.question) in self.questions

    def group(self, item: Item) -> str | None:
        """The item's group for this run: a fact of the embedded corpus is seen where a training sample states it."""
        if not item.facts:
            return item.group
        return SEEN if self.facts.issuperset(item.facts) else UNSEEN


def exposure(benchmarks: Sequence[Benchmark], samples: Iterable[Sample]) -> Exposure:
    """One pass over the training samples, whatever the number of benchmarks."""
    items = [item for benchmark in benchmarks for item in benchmark.items]
    wanted = {normalised(item.question) for item in items}
    wanted_facts = {fact for item in items for fact in item.facts}
    phrases = _Phrases(value for item in items for value in item.values)
    facts: set[str] = set()
    questions: set[str] = set()
    counts: Counter[tuple[str, ...]] = Counter()
    for sample in samples:
        facts |= wanted_facts.intersection(sample.facts)
        # Only first questions: later ones leave unsaid what they are about.
        if sample.messages[0].role == "user" and (asked := normalised(sample.messages[0].content)) in wanted:
            questions.add(asked)
        counts.update(phrases.found(sample.answer))
    return Exposure(frozenset(facts), frozenset(questions), {value: counts[_key(value)] for value in phrases.values})


class _Phrases:
    """Many phrases that are looked for in many texts at once, by their first word."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = frozenset(values)
        self._by_first: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        for value in self.values:
            if words := _key(value):
                self._by_first[words[0]].add(words)

    def found(self, text: str) -> set[tuple[str, ...]]:
        """Which phrases a text holds, each once."""
        words = _key(text)
        return {
            phrase
            for at, word in enumerate(words)
            for phrase in self._by_first.get(word, ())
            if words[at : at + len(phrase)] == phrase
        }


def _key(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))
