"""Our benchmarks as documents of lm-evaluation-harness, which loads this file by its path."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from training.evaluation.items import Benchmark, BenchmarkError, embedded_benchmark, load_benchmark

if TYPE_CHECKING:
    from datasets import Dataset


def embedded(**_: Any) -> dict[str, Dataset]:
    """Items about the embedded corpus; the harness passes its ``--metadata`` and ``--model_args``, unused here."""
    return {"test": documents(embedded_benchmark())}


def from_file(benchmark: str | None = None, **_: Any) -> dict[str, Dataset]:
    """The items of the file that ``--metadata '{"benchmark": "FILE.jsonl"}'`` names.

    Raises:
        BenchmarkError: none is named, or it cannot be used.
    """
    if benchmark is None:
        raise BenchmarkError('diptych_file needs a file; name it with --metadata \'{"benchmark": "FILE.jsonl"}\'')
    return {"test": documents(load_benchmark(benchmark))}


def documents(benchmark: Benchmark) -> Dataset:
    """One row for each item, in its order."""
    from datasets import Dataset

    return Dataset.from_list(
        [
            {
                "id": item.id,
                "question": item.question,
                "options": list(item.options),
                "answer_index": item.answer_index,
                "group": item.group or "",
                "kind": item.kind or "",
            }
            for item in benchmark.items
        ]
    )
