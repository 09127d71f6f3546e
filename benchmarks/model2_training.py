"""Fine-tuning of SmolLM2-135M: Diptych beside TRL's SFTTrainer and transformers' Trainer, alternating in one run.

    python benchmarks/model2_training.py --data FOLDER --seconds 60 --seeds 3 --out docs/benchmarks-model2.md

Every way fine-tunes all weights on the same question-and-answer rows in the same chat form, with the loss on answers:

- Diptych: packed rows, no attention across samples.
- SFTTrainer: best-fit packing without padding (`packing=True`, strategy `bfd`), its fused output layer.
- Trainer: one sample a row, padded to the longest of its batch.

Each measurement is a process of its own (`model2_ways.py`), so that its peak memory is its own; the ways take turns. A
pilot first finds the fastest settings of the other two on this machine. Every result is appended to `--results` as it
comes; the same command goes on after the last one, and the report is written from that file. With three seeds of 60
seconds it takes about 15 minutes on two cores; `--quick` shows within two that all works.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from model1_ways import write_rows
from model2_ways import CANDIDATES, Job

from benchmarks.outputs import Results, own_file, write
from training.data.dataset import load_dataset
from training.data.documents import tokenise
from training.hardware.compute import choose_compute
from training.models.bases import load_base

NAMES = {"ours": "Diptych", "sft": "TRL SFTTrainer, packed", "padded": "transformers Trainer, padded"}
SPEED_TARGETS = {"sft": 1.0, "padded": 2.0}
PILOT_SECONDS = 6.0

Row = dict[str, Any]


def prepare(arguments: argparse.Namespace) -> Path:
    """The tokenised questions and answers, made once for the same data."""
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    key = sha256(repr((arguments.data, arguments.max_rows_per_source, arguments.base)).encode()).hexdigest()[:12]
    path = arguments.results.parent / f"model2-{key}.npz"
    if not path.is_file():
        dataset = load_dataset(arguments.data, arguments.max_rows_per_source, 150)
        chats = [[s for s in samples if s.question] for samples in (dataset.train, dataset.validation)]
        if not all(chats):
            sys.exit(f"{' '.join(arguments.data)}: no questions to train on, or none held out; name more --data")
        base = load_base(arguments.base)
        documents = [tokenise(samples, base.encode_batch, base.chat_form(), "answers") for samples in chats]
        write_rows(path, *documents)
    return path


def child(job: Job, tuning: bool = False) -> Row:
    """Run one way in a process of its own; an error is a result too, with the last line that it printed."""
    script, limit = Path(__file__).with_name("model2_ways.py"), 900 + 2 * job.seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        path.write_text(json.dumps({"job": asdict(job), "tuning": tuning}), encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, script, path], capture_output=True, text=True, errors="replace", timeout=limit
            )
        except subprocess.TimeoutExpired:
            return {"error": f"not done after {limit:.0f} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    return dict(json.loads(lines[-1]))


def setting(job: Job) -> Row:
    """Of the whole report."""
    compute = choose_compute()
    return {
        "machine": f"{platform.machine()}, {compute.name}", "dtype": compute.dtype_name, "torch": torch.__version__,
        "tokens_a_step": job.seq_len * job.batch_size, "seq_len": job.seq_len,
    }  # fmt: skip


def jobs(job: Job, arguments: argparse.Namespace) -> Iterator[tuple[Row, Job]]:
    """The measurements, seed by seed, the ways taking turns."""
    for seed in range(1, arguments.seeds + 1):
        for way in arguments.ways:
            yield {"kind": "run", "way": way, "seed": seed, "time": job.seconds}, replace(job, way=way, seed=seed)


def measure(arguments: argparse.Namespace, results: Results) -> list[Row]:
    """Everything that is not in the results yet; all results on these rows."""
    job = Job("ours", str(prepare(arguments)), arguments.seconds, arguments.base)
    if arguments.quick:
        job = replace(job, batch_size=1)
    these = {"rows": Path(job.rows).stem}

    def found() -> list[Row]:
        return [row for row in results.rows if row["rows"] == these["rows"]]

    results.get(these | {"kind": "setting"}, lambda: setting(job))
    job = replace(job, bf16=_first(found(), "setting")["dtype"] == "bf16")
    results.get(these | {"kind": "base"}, lambda: child(replace(job, seconds=0)))
    for way in filter(CANDIDATES.__contains__, arguments.ways):
        pilot = replace(job, way=way, seconds=min(PILOT_SECONDS, job.seconds))
        results.get(these | {"kind": "pilot", "way": way}, lambda pilot=pilot: child(pilot, tuning=True))
    chosen = {row["way"]: row["settings"] for row in found() if row["kind"] == "pilot" and "settings" in row}
    for key, one in jobs(job, arguments):
        one = replace(one, settings=chosen.get(one.way, {}))
        results.get(these | key, lambda one=one: child(one))
    return found()


def _first(rows: list[Row], kind: str) -> Row:
    return next(row for row in rows if row["kind"] == kind)


def _spread(values: list[float], form: str) -> str:
    """The mean, and the least and largest where there are several."""
    mean = format(statistics.mean(values), form)
    return mean if len(values) == 1 else f"{mean} ({min(values):{form}} to {max(values):{form}})"


def report(rows: list[Row]) -> str:
    """All that was measured, and each target with how far it is."""
    about, failed = _first(rows, "setting"), [row for row in rows if "error" in row]
    runs: dict[str, list[Row]] = {}
    for row in rows:
        if row["kind"] == "run" and "error" not in row:
            runs.setdefault(row["way"], []).append(row)
    seconds = " and ".join(sorted({f"{row['time']:g}" for found in runs.values() for row in found}))
    parts = [
        "# Benchmarks of Model 2's fine-tuning",
        f"Written by `benchmarks/model2_training.py`. SmolLM2-135M, every weight, question-and-answer rows, about "
        f"{about['tokens_a_step']:,} tokens a step (packed in rows of {about['seq_len']}), {seconds} s of training "
        f"each, {about['machine']}, {about['dtype']}, PyTorch {about['torch']}. Mean, least and largest over seeds. "
        "Every measurement is a process of its own, the ways take turns, each one's learning rate follows the clock. "
        "A useful token is one of a sample, not padding.",
        _table(runs, rows),
        "\n".join(_targets(runs)),
        "\n".join(_pilots(rows)),
        "\n".join(f"- {row['kind']} {row.get('way', '')} failed: {row['error']}" for row in failed),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(runs: dict[str, list[Row]], rows: list[Row]) -> str:
    lines = [
        "| way | useful tokens/s | peak memory (GB) | held-out answers, bits per byte |",
        "|---|---|---|---|",
    ]
    lines += [f"| the base, untrained | | | {row['bits_per_byte']:.3f} |" for row in rows if row["kind"] == "base"]
    for way, found in runs.items():
        speed = _spread([row["useful_per_second"] for row in found], ",.0f")
        memory = _spread([row["peak_bytes"] / 1e9 for row in found], ".2f")
        bits = _spread([row["bits_per_byte"] for row in found], ".3f")
        lines.append(f"| {NAMES[way]} | {speed} | {memory} | {bits} |")
    return "\n".join(lines)


def _targets(runs: dict[str, list[Row]]) -> Iterator[str]:
    """Speed, memory and quality beside each of the others, by seed."""
    mine = {row["seed"]: row for row in runs.get("ours", [])}
    for way, least in SPEED_TARGETS.items():
        pairs = [(mine[row["seed"]], row) for row in runs.get(way, []) if row["seed"] in mine]
        if not pairs:
            continue
        speed = [our["useful_per_second"] / their["useful_per_second"] for our, their in pairs]
        memory = [our["peak_bytes"] / their["peak_bytes"] for our, their in pairs]
        bits = [our["bits_per_byte"] - their["bits_per_byte"] for our, their in pairs]
        for what, values, form, met in (
            (f"useful tokens/s, at least {least:g} times", speed, ".2f", statistics.mean(speed) >= least),
            ("peak memory, at most 1.00 times", memory, ".2f", statistics.mean(memory) <= 1),
            ("bits per byte, no more", bits, "+.3f", statistics.mean(bits) <= 0),
        ):
            yield f"- {NAMES[way]}: {what}: {_spread(values, form)}: {'met' if met else 'missed'}"


def _pilots(rows: list[Row]) -> Iterator[str]:
    """Which settings the others were given, and what else was tried."""
    for row in rows:
        if row["kind"] == "pilot" and "settings" in row:
            tried = ", ".join(f"{_words(t['settings'])} {t['useful_per_second']:,.0f}" for t in row["tried"])
            yield f"- {NAMES[row['way']]} was given {_words(row['settings'])}. Useful tokens/s in the pilot: {tried}."


def _words(settings: Row) -> str:
    rows = settings.get("accumulated", 1)
    return settings["attention"] + ("" if rows == 1 else " with a row at a time")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["embedded"], help="data sources, as for training")
    parser.add_argument("--base", default="smollm2-135m", help="a name, a folder or an id of the Hub")
    parser.add_argument("--seconds", type=float, default=60, help="of training for each measurement (default: 60)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--max-rows-per-source", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="a few short steps of each way, to see that all works")
    parser.add_argument("--results", type=own_file, default="logs/benchmarks/model2.jsonl")
    parser.add_argument("--out", type=own_file, help="the report, as Markdown")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.quick:
        arguments.seconds, arguments.seeds, arguments.max_rows_per_source = 3.0, 1, 40
    rows = measure(arguments, Results(arguments.results))
    text = report(rows)
    print(text)
    write(arguments.out, text)
    return 0 if not any("error" in row for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
