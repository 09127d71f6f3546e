"""Multiple choice with our scorer against lm-evaluation-harness's own model for transformers, on the same items.

    python benchmarks/evaluation.py
    python benchmarks/evaluation.py --model checkpoints/art_ai_model/hf --benchmark my_questions.jsonl --out report.md
    python benchmarks/evaluation.py --quick

Both have the same weights in memory, in fp32, and are given the same items in the same chat form. The ways take turns,
in another order each round, so that a machine that slows down slows all of them. The harness runs with several batch
sizes and is compared at its fastest. It is an error if any item is answered differently.
"""

from __future__ import annotations

import argparse
import logging
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.outputs import own_file, write
from training.evaluation import harness
from training.evaluation.items import Benchmark, embedded_benchmark, load_benchmark
from training.evaluation.multiple_choice import choose
from training.evaluation.opening import open_subject

DEFAULT_MODEL = Path(__file__).resolve().parents[1] / "checkpoints" / "model2_pretrained" / "final"
TARGET = 2.0
WARM_UP = 4
"""Items that each way is given before the clock runs."""

Choices = list[tuple[int, int]]
"""Of each item the option chosen by log likelihood a byte, and by log likelihood."""


@dataclass
class Way:
    """One way to answer the items, with the seconds of each round by the clock and of the processor."""

    name: str
    answer: Callable[[Sequence[int]], Choices]
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def our_way(folder: Path, benchmark: Benchmark) -> Way:
    """What ``training.evaluate`` does."""
    subject: Any = open_subject(str(folder))
    assert subject.parameters, "loads the weights"

    def answer(numbers: Sequence[int]) -> Choices:
        return [(c.by_bytes, c.raw) for c in choose(subject, [benchmark.items[i] for i in numbers])]

    return Way("ours", answer)


def harness_ways(folder: Path, benchmark: Benchmark, tasks: harness.Tasks, batch_sizes: Sequence[int]) -> list[Way]:
    """What ``lm_eval --model hf`` does, with each batch size."""
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=batch_sizes[0])
    ((name, task),) = tasks.ours["tasks"].items()
    places = {row["id"]: at for at, row in enumerate(task.dataset["test"])}

    def answer(numbers: Sequence[int], batch_size: int) -> Choices:
        model.batch_size_per_gpu = batch_size
        chosen = {name: [places[benchmark.items[i].id] for i in numbers]}
        results = harness.run(model, tasks.ours, as_chat=True, samples=chosen, bootstrap_iters=0)
        found = {}
        for sample in results["samples"][name]:
            log_p = np.array([response[0][0] for response in sample["resps"]])
            sizes = np.array([len(option.encode()) for option in sample["doc"]["options"]])
            found[sample["doc"]["id"]] = (int(np.argmax(log_p / sizes)), int(np.argmax(log_p)))
        return [found[benchmark.items[i].id] for i in numbers]

    def way(batch_size: int) -> Way:
        return Way(f"lm-evaluation-harness, batches of {batch_size}", lambda numbers: answer(numbers, batch_size))

    return [way(batch_size) for batch_size in batch_sizes]


def run(ways: Sequence[Way], n_items: int, rounds: int) -> None:
    """Every way in every round.

    Raises:
        SystemExit: a way has answered an item differently.
    """
    for way in ways:
        way.answer(range(min(WARM_UP, n_items)))
    expected = None
    for number in range(rounds):
        turn = number % len(ways)
        for way in [*ways[turn:], *ways[:turn]]:
            clock, processor = time.perf_counter(), time.process_time()
            choices = way.answer(range(n_items))
            way.seconds.append(time.perf_counter() - clock)
            way.processor.append(time.process_time() - processor)
            print(f"round {number + 1}: {way.name}: {way.seconds[-1]:.1f} s", file=sys.stderr, flush=True)
            expected = choices if expected is None else expected
            differ = [i for i, (one, other) in enumerate(zip(choices, expected, strict=True)) if one != other]
            if differ:
                raise SystemExit(f"{way.name}: items {differ[:10]} are answered differently; the figures are worthless")


def report(ways: Sequence[Way], benchmark: Benchmark, folder: Path, threads: int) -> str:
    """The table and the ratio, as Markdown."""
    n, options = len(benchmark.items), sum(len(item.options) for item in benchmark.items)
    lines = [
        "# Multiple choice: ours and lm-evaluation-harness",
        "",
        f"{n} items of `{benchmark.name}` ({options} options), `{folder.name}`, {len(ways[0].seconds)} rounds, "
        f"{threads} threads, {platform.machine()}; lm-eval {version('lm-eval')}, transformers "
        f"{version('transformers')}, torch {version('torch')}. Every item was answered alike in every way.",
        "",
        "| way | seconds (median) | least–most | processor seconds | items/s |",
        "|---|---|---|---|---|",
    ]
    for way in ways:
        median = statistics.median(way.seconds)
        lines.append(
            f"| {way.name} | {median:.2f} | {min(way.seconds):.2f}–{max(way.seconds):.2f} | "
            f"{statistics.median(way.processor):.2f} | {n / median:.1f} |"
        )
    ours, *others = ways
    fastest = min(others, key=lambda way: statistics.median(way.seconds))
    by_clock = [theirs / own for theirs, own in zip(fastest.seconds, ours.seconds, strict=True)]
    by_processor = [theirs / own for theirs, own in zip(fastest.processor, ours.processor, strict=True)]
    ratio = statistics.median(by_clock)
    lines += [
        "",
        f"Ours is {ratio:.2f} times as fast as {fastest.name}, its fastest (least {min(by_clock):.2f}, most "
        f"{max(by_clock):.2f} of {len(by_clock)} rounds; by processor time {statistics.median(by_processor):.2f}). The "
        f"target of {TARGET:g} is {'met' if ratio >= TARGET else 'missed'}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a Hugging Face folder (default: Model 2's)")
    parser.add_argument("--benchmark", type=Path, help="a file of items (default: facts of the embedded corpus)")
    parser.add_argument("--items", type=int, default=100, help="how many, chosen by hash (default: 100)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 16, 64], help="of the harness")
    parser.add_argument("--threads", type=int, help="of PyTorch (default: its own choice)")
    parser.add_argument("--quick", action="store_true", help="12 items, two rounds, one batch size")
    parser.add_argument("--out", type=own_file, help="where the report is written as well")
    arguments = parser.parse_args()
    if not (arguments.model / "config.json").is_file():
        parser.error(f"{arguments.model} is no Hugging Face folder; train the model first, or name one with --model")
    if arguments.quick:
        arguments.items, arguments.rounds, arguments.batch_sizes = 12, 2, [16]
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    logging.disable(logging.WARNING)
    tasks = harness.load_tasks(["diptych_file" if arguments.benchmark else "diptych_embedded"], arguments.benchmark)
    whole = load_benchmark(arguments.benchmark) if arguments.benchmark else embedded_benchmark()
    benchmark = whole.limited(arguments.items)
    ways = [our_way(arguments.model, benchmark)]
    ways += harness_ways(arguments.model, benchmark, tasks, arguments.batch_sizes)
    run(ways, len(benchmark.items), arguments.rounds)
    text = report(ways, benchmark, arguments.model, torch.get_num_threads())
    print(text)
    write(arguments.out, text)


if __name__ == "__main__":
    main()
