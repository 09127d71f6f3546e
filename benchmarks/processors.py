"""What this CPU makes of both trainings, beside transformers' Trainer; one column a kind of CPU.

    python benchmarks/processors.py --data FOLDER                          # this CPU as it is
    python benchmarks/processors.py --data FOLDER --as avx2                # as one with AVX2 alone would be
    python benchmarks/processors.py --data FOLDER --as avx2-slow-mkl --out docs/benchmarks-processors.md

Every measurement is a process of its own, the ways take turns, and both sides train in the format that is the faster
on the CPU. `avx2` keeps oneDNN, PyTorch and, on an Intel, MKL from newer instructions; `avx2-slow-mkl` also lets
MKL take its slow path, which it does by itself on AMD's CPUs before Zen 4. Results are appended to `--results` as they
come, and the report is written from that file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import model1_training
import model2_training
import model2_ways
from model1_training import CASES, TRAINER_SETTINGS
from model1_ways import Job

from benchmarks.outputs import Results, own_file, write

AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
KINDS: dict[str, dict[str, str]] = {"native": {}, "avx2": AVX2, "avx2-slow-mkl": AVX2 | {"MKL_CBWR": "COMPATIBLE"}}
FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
OURS: dict[str, dict[str, Any]] = {
    "ours (AdamW)": {"optimizer": "adamw"},
    "ours (Muon)": {},
    "ours (AdamW, compiled)": {"optimizer": "adamw", "compile": "true"},
    "ours (Muon, compiled)": {"compile": "true"},
}
Row = dict[str, Any]


def cpu() -> Row:
    """The CPU, its instructions, and how fast one thread multiplies: GFLOPS of 1,024 x 384 x 896."""
    import torch

    from training.hardware.compute import choose_compute, cpu_seconds
    from training.hardware.products import fp32_products, onednn_linear

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    x, weight = torch.ones(1024, 384), torch.ones(896, 384)
    low = x.bfloat16(), weight.bfloat16()
    with torch.inference_mode():
        seconds = cpu_seconds(
            lambda: x @ weight.T, lambda: onednn_linear(x, weight), lambda: low[0][:256] @ low[1].T
        )  # fmt: skip
    gflops = [2e-9 * rows * 384 * 896 / s for rows, s in zip((1024, 1024, 256), seconds, strict=True)]
    chosen, compute = fp32_products(), choose_compute()
    return {
        "name": about.get("model name", "?"), "family": f"{about.get('cpu family')}/{about.get('model')}",
        "flags": [flag for flag in FLAGS if flag in about.get("flags", "").split()],
        "threads": torch.get_num_threads(), "torch": torch.__version__, "dtype": compute.dtype_name,
        "gflops": dict(zip(("fp32 by MKL", "fp32 by oneDNN", "bf16"), gflops, strict=True)),
        "onednn_for": [kind for kind, taken in vars(chosen).items() if taken],
    }  # fmt: skip


def model1_jobs(arguments: argparse.Namespace, rows: Path) -> Iterator[tuple[Row, Any]]:
    for number in range(1, arguments.rounds + 1):
        for size in arguments.sizes:
            case = CASES[size]
            job = Job("ours", case.shape, str(rows), case.seq_len, case.batch_size, steps=arguments.steps)
            ways = {name: replace(job, options=options) for name, options in OURS.items()}
            ways |= {name: replace(job, way="trainer", options=o) for name, o in TRAINER_SETTINGS.items()}
            for way, one in ways.items():
                yield (
                    {"what": size, "way": way, "round": number},
                    lambda one=one: model1_training.child(one, sys.executable),
                )


def model2_jobs(arguments: argparse.Namespace, rows: Path, dtype: str) -> Iterator[tuple[Row, Any]]:
    settings = {"ours": {}, "sft": {"attention": "sdpa", "accumulated": 4}, "padded": {"attention": "sdpa"}}
    for number in range(1, arguments.rounds + 1):
        for way, chosen in settings.items():
            job = model2_ways.Job(way, str(rows), arguments.seconds, bf16=dtype == "bf16", settings=chosen)
            yield (
                {"what": "SmolLM2-135M", "way": way, "round": number},
                lambda job=job: model2_training.child(job),
            )


def measure(arguments: argparse.Namespace, results: Results) -> None:
    kind, python = arguments.as_, [sys.executable, __file__, "--cpu"]
    os.environ.update(KINDS[kind])  # of the processes that measure, not of this one
    key = {"kind": kind}
    results.get(key | {"what": "cpu"}, lambda: json.loads(subprocess.check_output(python, text=True).splitlines()[-1]))
    dtype = next(row for row in results.rows if row["kind"] == kind and row["what"] == "cpu")["dtype"]
    rows = model1_training.prepare(arguments)["all"]
    for name, job in model1_jobs(arguments, rows):
        results.get(key | name, job)
    if arguments.seconds:
        chats = argparse.Namespace(
            **vars(arguments) | {"base": "smollm2-135m", "quick": False, "max_rows_per_source": 1000}
        )
        for name, job in model2_jobs(arguments, model2_training.prepare(chats), dtype):
            results.get(key | name, job)


def report(rows: list[Row]) -> str:
    """One column a kind of CPU."""
    kinds = [kind for kind in KINDS if any(row["kind"] == kind and row["what"] == "cpu" for row in rows)]
    cells: dict[str, list[str]] = {}
    for kind in kinds:
        for name, value in _column([row for row in rows if row["kind"] == kind]).items():
            cells.setdefault(name, ["-"] * len(kinds))[kinds.index(kind)] = value
    head = [["", *kinds], ["---"] * (len(kinds) + 1)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in [*head, *([n, *c] for n, c in cells.items())])
    return (
        "# Benchmarks of both trainings on two kinds of CPU\n\n"
        "Written by `benchmarks/processors.py`, which says what its columns are. Useful tokens a second are those of a "
        "row's text; medians of the rounds, every measurement a process of its own, the ways in turns, steps that "
        "compile or allocate first not counted. Steps of Model 1 have 2,048 tokens. Both sides train in the format of "
        f"the column.\n\n{table}\n"
    )


def _column(rows: list[Row]) -> dict[str, str]:
    about = next(row for row in rows if row["what"] == "cpu")
    column = {
        "CPU": f"{about['name']} ({about['family']}), {about['threads']} threads",
        "its instructions": ", ".join(about["flags"]),
        "kept from newer ones by": " ".join(f"{k}={v}" for k, v in KINDS[about["kind"]].items()) or "nothing",
        "format": about["dtype"],
        "fp32 products by oneDNN": ", ".join(about["onednn_for"]) or "none",
    } | {f"GFLOPS, one thread, {name}": f"{value:.0f}" for name, value in about["gflops"].items()}
    for what in ("6M", "19M", "SmolLM2-135M"):
        found: dict[str, list[float]] = {}
        for row in rows:
            if row["what"] == what and "error" not in row:
                found.setdefault(row["way"], []).append(row["useful_per_second"])
        speed = {way: statistics.median(values) for way, values in found.items()}
        column |= {f"{what}, {way}, tokens/s": f"{value:,.0f}" for way, value in speed.items()}
        others = [value for way, value in speed.items() if not way.startswith("ours")]
        for way in (way for way in speed if way.startswith("ours")):
            if others:
                column[f"{what}, {way}, times the fastest of the others"] = f"{speed[way] / max(others):.2f}"
            if "trainer" in speed:
                column[f"{what}, {way}, times the Trainer as it comes"] = f"{speed[way] / speed['trainer']:.2f}"
        if {"ours (AdamW)", "ours (Muon)"} <= speed.keys():
            column[f"{what}, Muon's share of a step"] = f"{1 - speed['ours (Muon)'] / speed['ours (AdamW)']:.0%}"
    return column


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["embedded"], help="data sources, as for training")
    parser.add_argument("--as", dest="as_", choices=KINDS, default="native", help="the kind of CPU (default: native)")
    parser.add_argument("--sizes", nargs="+", choices=["6M", "19M"], default=["6M", "19M"])
    parser.add_argument("--steps", type=int, default=8, help="of Model 1 that count (default: 8)")
    parser.add_argument("--seconds", type=float, default=20, help="of Model 2 for each way; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--max-rows-per-source", type=int, default=6000)
    parser.add_argument("--results", type=own_file, default="logs/benchmarks/processors.jsonl")
    parser.add_argument("--out", type=own_file, help="the report, as Markdown")
    parser.add_argument("--cpu", action="store_true", help="print what this CPU is, as JSON, and no more")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.cpu:
        print(json.dumps(cpu()))
        return 0
    results = Results(
        arguments.results, {f"asked_{name}": vars(arguments)[name] for name in ("data", "steps", "seconds")}
    )
    measure(arguments, results)
    text = report(results.rows)
    print(text)
    write(arguments.out, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
