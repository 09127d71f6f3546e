"""What more seconds and more parameters are worth to Model 1, and what that foretells for the full size.

    python benchmarks/scaling.py --data FOLDER --work FOLDER --out docs/benchmarks-scaling.md

Trains the largest of `SHAPES` for the longest of `--minutes`; the shorter ones are branches of that run, whose rate
falls from a state that it saved on its way, as it would have fallen in a run of that length (Hägele et al. 2024,
https://arxiv.org/abs/2405.18392). The smaller shapes are trained for the shortest of them, all at the same time, each
with its share of the cores. To all of it
L(N, D) = E + A / N^alpha + B / D^beta is fitted (Hoffmann et al. 2022, https://arxiv.org/abs/2203.15556), with N in
parameters and D in passes over the data, and read off at the full size. Each run is noted as it ends, and the same
command goes on after the last one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from scipy.optimize import nnls

from benchmarks.outputs import Results, lines, own_file, write
from training.common.checkpoint_folder import METRICS, RESUME, report_in
from training.common.files import replace_text
from training.common.workers import usable_cores
from training.loop.resume import TrainingStates

ROOT = Path(__file__).resolve().parents[1]
SHAPES = {
    "1.1M": "dim=128 n_heads=2 n_kv_heads=1 ffn_dim=256",
    "2.1M": "dim=192 n_heads=3 n_kv_heads=1 ffn_dim=384",
    "3.3M": "dim=256 n_heads=4 n_kv_heads=1 ffn_dim=512",
}
"""From small to large. Two cores without bf16 give the last one about five tokens a parameter in 90 minutes."""
SETTINGS = (
    *("n_layers=4", "vocab_size=4096", "seq_len=256", "batch_size=16", "micro_batch_size=16", "epochs=1000"),
    *("target_bits_per_byte=none", "usable_bits_per_byte=none", "compile=false", "save_seconds=20", "decay=0.2"),
    *("max_held_out=1000", "sample_tokens=48", "patience=100"),
)
LONGEST_EVALUATIONS = 10
DECAY = 0.2
FULL_SIZE = 285_762_560
FULL_EPOCHS = 5.0
"""Those of the profile `seed`."""
ALPHA, BETA = (0.30, 0.40), (0.25, 0.40)
"""Exponents that others found on far more text: 0.34 and 0.28 (Hoffmann et al.), 0.35 and 0.37 for the same runs
(Besiroglu et al. 2024, https://arxiv.org/abs/2404.10102). Five runs cannot tell them, so they are drawn from here."""
NOISE = 0.012
"""Standard deviation of a run's bits per byte over seeds, of docs/benchmarks-model1.md's runs of 240 s."""


class Point(NamedTuple):
    """A run: its parameters, its passes over the data, and its held-out bits per byte."""

    parameters: int
    epochs: float
    bits_per_byte: float


class Foretold(NamedTuple):
    """Bits per byte of a run: the median of the draws and 95% of them; and 95% of E, which no size goes below."""

    middle: float
    low: float
    high: float
    irreducible: tuple[float, float]


def main() -> None:
    arguments = _parser().parse_args()
    minutes = sorted(arguments.minutes)
    results = Results(arguments.work / "runs.jsonl", {"data": str(arguments.data), "settings": arguments.set})
    *smaller, largest = SHAPES
    results.get({"size": largest, "minutes": minutes[-1]}, lambda: _longest(arguments, largest, minutes))
    for length in minutes[:-1]:
        results.get({"size": largest, "minutes": length}, lambda length=length: _branch(arguments, largest, length))
    noted = [row["size"] for row in results.rows if row["minutes"] == minutes[0]]
    started = {size: _short(arguments, size, minutes[0]) for size in smaller if size not in noted}
    for size, process in started.items():
        key = {"size": size, "minutes": minutes[0]}
        results.get(key, lambda size=size, process=process: _ended(process, _folder(arguments, size, minutes[0])))
    text = report(results.rows)
    write(arguments.out, text)
    print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["open"], metavar="SOURCE", help="as for a training (open)")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="where the models and logs are")
    parser.add_argument("--minutes", nargs="+", type=float, default=[5.0, 20.0, 90.0], metavar="N", help="(5 20 90)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another setting of all runs")
    parser.add_argument("--out", type=own_file, metavar="FILE", help="write the report as Markdown")
    return parser


# -- the runs --------------------------------------------------------------------------------------------------------


def _folder(arguments: argparse.Namespace, size: str, minutes: float) -> Path:
    return Path(arguments.work / f"{size}-{minutes:g}min")


def _log(out: Path) -> Path:
    return out.with_name(f"{out.name}.log")


def _start(
    arguments: argparse.Namespace,
    size: str,
    minutes: float,
    evaluations: int,
    *more: str,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """A training in a process of its own, its log beside its folder."""
    out = _folder(arguments, size, minutes)
    out.parent.mkdir(parents=True, exist_ok=True)
    settings = (*SETTINGS, *SHAPES[size].split(), *arguments.set, f"max_seconds={minutes * 60:g}")
    command = [sys.executable, "training/train_art_ai_model.py", "--out", str(out), "--data", *arguments.data, *more]
    for setting in (*settings, f"evaluations={evaluations}"):
        command += ["--set", setting]
    with _log(out).open("ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=os.environ | dict(environment or {}), stdout=log, stderr=subprocess.STDOUT
        )


def _ended(process: subprocess.Popen[bytes], out: Path) -> dict[str, Any]:
    """What a finished training measured of itself."""
    if process.wait():
        raise SystemExit(f"the training in {out} ended with {process.returncode}; see {_log(out)}")
    found = report_in(out)
    assert found is not None
    return {"folder": str(out), "report": found}


def _short(arguments: argparse.Namespace, size: str, minutes: float) -> subprocess.Popen[bytes]:
    threads = max(1, usable_cores() // (len(SHAPES) - 1))
    return _start(arguments, size, minutes, 1, "--resume", environment={"OMP_NUM_THREADS": str(threads)})


def _longest(arguments: argparse.Namespace, size: str, minutes: Sequence[float]) -> dict[str, Any]:
    """The longest run, with a copy of the state at which the rate of each shorter one would begin to fall."""
    out = _folder(arguments, size, minutes[-1])
    waiting = [length for length in minutes[:-1] if not _folder(arguments, size, length).exists()]
    process = _start(arguments, size, minutes[-1], LONGEST_EVALUATIONS, "--resume")
    while process.poll() is None:
        time.sleep(2)
        if waiting and _seconds_of_newest(out) >= (1 - DECAY) * waiting[0] * 60:
            _copy(out, _folder(arguments, size, waiting[0]))
            waiting.pop(0)
    return _ended(process, out)


def _seconds_of_newest(out: Path) -> float:
    """How long a run had been under way when its newest state was saved; 0 without one."""
    states = TrainingStates(out, {})
    state = states.newest() if states.steps() else None
    return float(state["outcome"]["wall_seconds"]) if state else 0.0


def _copy(out: Path, to: Path) -> None:
    """The folder of a run that goes on meanwhile, with its newest state."""
    newest = TrainingStates(out, {}).steps()[-1]

    def others(folder: str, names: list[str]) -> set[str]:
        older = {name for name in names if name.startswith("step-") and name != f"step-{newest:08d}"}
        return older | {name for name in names if ".partial" in name}

    partial = to.with_name(f"{to.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(out, partial, ignore=others)
    partial.rename(to)


def _branch(arguments: argparse.Namespace, size: str, minutes: float) -> dict[str, Any]:
    """A shorter run: from the state that the longest one saved, under a nearer limit and without scores on the way."""
    out = _folder(arguments, size, minutes)
    config = TrainingStates(out, {}).saved_config() | {"max_seconds": minutes * 60, "evaluations": 1}
    replace_text(out / RESUME / "run.json", json.dumps(config, indent=2) + "\n")
    return _ended(_start(arguments, size, minutes, 1, "--resume"), out)


# -- the fit ---------------------------------------------------------------------------------------------------------


def foretell(points: Sequence[Point], parameters: float, epochs: float, draws: int = 1000, seed: int = 0) -> Foretold:
    """Bits per byte of a run of any size, from L(N, D) = E + A / N^alpha + B / D^beta.

    Exponents are drawn from `ALPHA` and `BETA` and scores from a normal distribution of width `NOISE` around what was
    measured; E, A and B follow by least squares, none of them negative. So the interval holds what the runs leave open,
    not whether the law holds so far out.
    """
    generator = np.random.default_rng(seed)
    size, passes, score = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    found = []
    for _ in range(draws):
        alpha, beta = generator.uniform(*ALPHA), generator.uniform(*BETA)
        columns = np.stack([np.ones_like(size), (size / parameters) ** -alpha, (passes / epochs) ** -beta], axis=1)
        coefficients, _ = nnls(columns, score + generator.normal(0, NOISE, len(points)))
        found.append((coefficients.sum(), coefficients[0]))
    full, floor = np.array(found).T
    low, middle, high = np.quantile(full, (0.025, 0.5, 0.975))
    return Foretold(float(middle), float(low), float(high), tuple(map(float, np.quantile(floor, (0.025, 0.975)))))


# -- the report ------------------------------------------------------------------------------------------------------


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """The runs, the course of the longest one, and what they foretell."""
    longest = max(rows, key=lambda row: float(row["minutes"]))
    points = [Point(*(row["report"][key] for key in ("parameters", "epochs", "val_bits_per_byte"))) for row in rows]
    found = foretell(points, FULL_SIZE, FULL_EPOCHS)
    of_it = longest["report"]
    head = ("parameters", "minutes", "steps", "tokens", "passes", "tokens a parameter", "bits per byte", "perplexity")
    return "\n\n".join(
        (
            "# What more seconds and more parameters are worth to Model 1",
            f"Written by `benchmarks/scaling.py`. {of_it['device']}, {of_it['dtype']}; {of_it['samples']:,} training "
            "samples. The shorter runs of the largest shape are branches of its longest one.",
            _table(head, [_of_run(row) for row in sorted(rows, key=lambda row: (row["size"], row["minutes"]))]),
            f"## The course of the run of {longest['minutes']:g} minutes",
            _course(Path(longest["folder"]) / METRICS),
            "## What it foretells",
            f"L(N, D) = E + A / N^alpha + B / D^beta, with alpha from {ALPHA[0]} to {ALPHA[1]}, beta from {BETA[0]} to "
            f"{BETA[1]}, and scores that vary by {NOISE} from seed to seed: a model of {FULL_SIZE:,} parameters after "
            f"{FULL_EPOCHS:g} passes would score **{found.middle:.2f} bits per byte, 95% from {found.low:.2f} to "
            f"{found.high:.2f}**. E, which no size and no number of passes goes below, lies between "
            f"{found.irreducible[0]:.2f} and {found.irreducible[1]:.2f}.",
        )
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _of_run(row: Mapping[str, Any]) -> list[str]:
    found = row["report"]
    return [
        f"{found['parameters']:,}",
        f"{row['minutes']:g}",
        f"{found['steps']:,}",
        f"{found['tokens']:,}",
        f"{found['epochs']:.2f}",
        f"{found['tokens'] / found['parameters']:.1f}",
        f"{found['val_bits_per_byte']:.3f}",
        f"{found['val_perplexity']:.2f}",
    ]


def _course(metrics: Path) -> str:
    """The scores on the way, with what the model answered to the first of its fixed questions."""
    rows = [row for row in map(json.loads, lines(metrics)) if "val_bits_per_byte" in row]
    return _table(
        ("minutes", "step", "bits per byte", next(iter(rows[-1]["answers"]))),
        [[*_of_score(row), _one_line(next(iter(row["answers"].values())))] for row in rows],
    )


def _of_score(row: Mapping[str, Any]) -> list[str]:
    return [f"{row['seconds'] / 60:.0f}", f"{row['step']:,}", f"{row['val_bits_per_byte']:.3f}"]


def _one_line(answer: str) -> str:
    return " ".join(answer.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
