"""Closed-book accuracy: of each question's options the likeliest answer counts as the model's.

Every option is scored as the model's whole answer, in its own chat form and without the token that ends a turn. An
option's score is its log likelihood divided by its bytes: by the sum alone short options win, and tokens differ from
model to model (the harness calls these ``acc_bytes`` and ``acc``, arXiv:2405.14782). Beside the accuracy stand lines
that need no model: chance, always the longest option, always the option that the training texts hold most often.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.corpus.sample import Message
from training.evaluation.contamination import Exposure
from training.evaluation.intervals import mean_interval
from training.evaluation.items import VERDICTS, Benchmark, Item
from training.evaluation.subjects import Subject


@dataclass(frozen=True)
class Choice:
    """A model's choice among the options of an item, by log likelihood a byte and by log likelihood."""

    item: Item
    by_bytes: int
    raw: int

    @property
    def is_right(self) -> bool:
        return self.by_bytes == self.item.answer_index

    @property
    def is_right_raw(self) -> bool:
        return self.raw == self.item.answer_index


def choose(subject: Subject, items: Sequence[Item]) -> list[Choice]:
    """What a model chooses; of options that are equally likely the first, as in the harness.

    Raises:
        Unavailable: a server that gives no likelihoods, or a model whose losses are not numbers.
    """
    pairs = [([Message("user", item.question)], option) for item in items for option in item.options]
    found = iter(subject.loglikelihoods(pairs))
    choices = []
    for item in items:
        log_p = np.array([-next(found).nats for _ in item.options])
        # A verdict is scored whole: by the byte, the longer "Yes." would win whatever is asked.
        sizes = np.array([1 if item.options == VERDICTS else len(option.encode()) for option in item.options])
        choices.append(Choice(item, int(np.argmax(log_p / sizes)), int(np.argmax(log_p))))
    return choices


def measure(subject: Subject, benchmark: Benchmark, exposure: Exposure | None = None) -> dict[str, Any]:
    """Accuracy of a model on a benchmark, as an entry of ``knowledge`` in ``evaluation.json``.

    Args:
        exposure: what the model's training has told of the items. Without it groups are those of the benchmark, no
            item is known to be contaminated, and ``most_frequent_option`` is null.

    Contaminated items are left out of everything but ``contaminated`` and ``items``. An accuracy over no items is null.
    """
    choices = choose(subject, benchmark.items)
    tainted = [choice for choice in choices if exposure and exposure.is_contaminated(choice.item)]
    names = {choice.item.id for choice in tainted}
    clean = [choice for choice in choices if choice.item.id not in names]

    def group_of(choice: Choice) -> str | None:
        return exposure.group(choice.item) if exposure else choice.item.group

    def accuracy(chosen: Sequence[Choice], by: Callable[[Choice], bool] = lambda c: c.is_right) -> Any:
        return mean_interval([by(choice) for choice in chosen]).as_dict() if chosen else None

    def parts(key: str, of: Callable[[Choice], str | None], chosen: Iterable[Choice]) -> list[dict[str, Any]]:
        return [
            {key: name, "n": len(part), "accuracy": accuracy(part), "chance": _mean(c.item.chance for c in part)}
            for name, part in _grouped(chosen, of).items()
        ]

    groups = parts("group", group_of, clean)
    for group in groups:
        group["kinds"] = parts("kind", lambda c: c.item.kind, (c for c in clean if group_of(c) == group["group"]))
    return {
        "benchmark": benchmark.name,
        "path": None if benchmark.path is None else str(benchmark.path),
        "sha256": benchmark.sha256,
        "n": len(clean),
        "accuracy": accuracy(clean),
        "accuracy_raw": accuracy(clean, lambda choice: choice.is_right_raw),
        "chance": _mean(choice.item.chance for choice in clean),
        "longest_option": _mean(longest_option(choice.item) for choice in clean),
        "most_frequent_option": _mean(most_frequent_option(c.item, exposure) for c in clean) if exposure else None,
        "groups": groups,
        "kinds": parts("kind", lambda choice: choice.item.kind, clean),
        "contaminated": {
            "n": len(tainted),
            "ids": [choice.item.id for choice in tainted],
            "accuracy": accuracy(tainted),
            "is_known": exposure is not None,
        },
        "items": [
            {"id": c.item.id, "group": group_of(c), "answer": c.item.answer_index, "chosen": c.by_bytes, "raw": c.raw}
            for c in choices
        ],
    }


def longest_option(item: Item) -> float:
    """How often always choosing the option with the most bytes is right; the longest ones share it."""
    return _always([len(option.encode()) for option in item.options], item.answer_index)


def most_frequent_option(item: Item, exposure: Exposure) -> float:
    """How often the option whose value stands in the most training texts is right; the most frequent ones share it."""
    return _always([exposure.counts.get(value, 0) for value in item.values or item.options], item.answer_index)


def _always(sizes: Sequence[int], answer: int) -> float:
    largest = max(sizes)
    return (sizes[answer] == largest) / sizes.count(largest)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _grouped(choices: Iterable[Choice], key: Callable[[Choice], Hashable]) -> dict[Any, list[Choice]]:
    """By a property of theirs, in order of its name, without those that lack it."""
    groups: dict[Any, list[Choice]] = {}
    for choice in choices:
        if (name := key(choice)) is not None:
            groups.setdefault(name, []).append(choice)
    return dict(sorted(groups.items()))
