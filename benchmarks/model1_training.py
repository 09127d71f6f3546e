"""Model 1's training against transformers' Trainer, litgpt and the coursework's way: same rows, same shapes, one run.

    python benchmarks/model1_training.py --data FOLDER --speed --out docs/benchmarks-model1.md
    python benchmarks/model1_training.py --data FOLDER --quality 240 --seeds 3 --out docs/benchmarks-model1.md

Each measurement is a process of its own (`model1_ways.py`), so that its peak memory is its own, and the ways take
turns. Every result is appended to `--results` as it comes; the same command goes on after the last one, and the report
is written from that file. litgpt pins older versions of what Model 2 needs and so wants an environment of its own:

    python -m venv FOLDER && FOLDER/bin/pip install litgpt==0.5.13 torch==2.13.0
    python benchmarks/model1_training.py ... --with litgpt --litgpt-python FOLDER/bin/python
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from model1_report import report
from model1_ways import Job, read_rows, write_rows

from benchmarks.outputs import Results, own_file, write
from training.data.dataset import load_dataset
from training.data.documents import Documents, tokenise
from training.hardware.compute import choose_compute
from training.loop.flops import training_flops_per_token
from training.models.tokenizer import CHAT_FORM, train_tokenizer
from training.models.transformer import ModernTransformer
from training.settings.model1 import PROFILES

LITGPT_MISSING = (
    "litgpt cannot be imported by {python}; make an environment for it (python -m venv FOLDER && FOLDER/bin/pip "
    "install litgpt==0.5.13 torch==2.13.0) and name it: --litgpt-python FOLDER/bin/python"
)


@dataclass(frozen=True)
class Case:
    """A size with the rows that a step takes of it."""

    shape: dict[str, Any]
    seq_len: int
    batch_size: int
    steps: int
    ours: dict[str, Any]


def _shape(vocab_size: int, dim: int, n_layers: int, n_heads: int, n_kv_heads: int, ffn_dim: int) -> dict[str, Any]:
    return {
        "vocab_size": vocab_size, "dim": dim, "n_layers": n_layers, "n_heads": n_heads, "n_kv_heads": n_kv_heads,
        "ffn_dim": ffn_dim, "max_seq_len": 512, "tie_embeddings": True,
    }  # fmt: skip


# Muon's work for a step does not depend on its tokens. The profile `seed` takes 131,072 of them a step, which is out of
# reach here: its speed is measured with AdamW like the others', and Muon's seconds are told beside it.
CASES = {
    "6M": Case(_shape(4096, 320, 4, 5, 1, 1024), 256, 8, 24, {}),
    "19M": Case(_shape(4096, 512, 6, 8, 4, 1408), 256, 8, 10, {}),
    "286M": Case(PROFILES["seed"].model_config() | {"dropout": 0.0}, 512, 2, 3, {"optimizer": "adamw", "dropout": 0.0}),
}
QUALITY = {"learning_rate": 4e-3, "adamw_learning_rate": 1e-2, "compile": "true"}
"""Settings of ours at equal time; all else are the demo profile's. litgpt compiles too."""
TRAINER_SETTINGS: dict[str, dict[str, Any]] = {
    "trainer": {},
    "trainer (eager)": {"attention": "eager"},
    "trainer (compiled)": {"compile": True},
}
RATES = (4e-3, 2e-3, 1e-3, 8e-3)
"""Of the others' AdamW at equal time: the first for the choice of settings, all with the settings chosen."""


def child(job: Job, python: str) -> dict[str, Any]:
    """Run one way in a process of its own; an error is a result too, with the last line that it printed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        path.write_text(json.dumps(asdict(job)), encoding="utf-8")
        script = Path(__file__).with_name("model1_ways.py")
        limit = 600 + 2 * (job.seconds or 0)
        try:
            done = subprocess.run(
                [python, str(script), str(path)], capture_output=True, text=True, errors="replace", timeout=limit
            )
        except subprocess.TimeoutExpired:
            return {"error": f"not done after {limit:.0f} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    return dict(json.loads(lines[-1]))


def prepare(arguments: argparse.Namespace) -> dict[str, Path]:
    """The tokenised rows, made once for a folder of data: all of them, and those of questions and answers."""
    work = arguments.results.parent
    work.mkdir(parents=True, exist_ok=True)
    key = sha256(repr((arguments.data, arguments.max_rows_per_source)).encode()).hexdigest()[:12]
    paths = {rows: work / f"{rows}-{key}.npz" for rows in ("all", "qa")}
    if not all(path.is_file() for path in paths.values()):
        dataset = load_dataset(arguments.data, arguments.max_rows_per_source, 1500)
        with tempfile.TemporaryDirectory() as folder:
            texts = (message.content for sample in dataset.train for message in sample.messages)
            encode = train_tokenizer(texts, 4096, Path(folder) / "tokenizer.model").encode_batch

            def documents(samples: list[Any]) -> Documents:
                return tokenise(samples, encode, CHAT_FORM, "everything")

            held_out = documents(dataset.validation)
            write_rows(paths["all"], documents(dataset.train), held_out)
            chats = [sample for sample in dataset.train if any(m.role == "assistant" for m in sample.messages)]
            write_rows(paths["qa"], documents(chats), held_out)
    return paths


def gemm_peak() -> float:
    """Floating-point operations a second of the fastest of some matrix products in the format that training uses."""
    dtype, best = choose_compute().dtype, 0.0
    for m, k, n in ((2048, 256, 1408), (2048, 1024, 4096), (4096, 1024, 1024)):
        a, b = torch.randn(m, k, dtype=dtype), torch.randn(n, k, dtype=dtype)
        for _ in range(8):
            start = time.perf_counter()
            torch.nn.functional.linear(a, b)
            best = max(best, 2 * m * k * n / (time.perf_counter() - start))
    return best


def flops_a_token(case: Case) -> float:
    """Of forward and backward, as the training's report counts them."""
    with torch.device("meta"):
        return training_flops_per_token(ModernTransformer(**case.shape), case.seq_len)


def speed_jobs(arguments: argparse.Namespace, paths: dict[str, Path]) -> Iterator[tuple[dict[str, Any], Job]]:
    """The measurements of speed, round by round, the ways taking turns."""
    for round_number in range(1, arguments.rounds + 1):
        for size in arguments.sizes:
            case = CASES[size]
            job = Job("ours", case.shape, str(paths["all"]), case.seq_len, case.batch_size, steps=case.steps)
            if arguments.quick:
                job = replace(job, steps=2)
            key = {"kind": "speed", "size": size, "rows": "all", "round": round_number}
            yield key | {"way": "ours"}, replace(job, options=case.ours)
            if not arguments.quick:  # as litgpt is; long runs do so by themselves where it pays
                compiled = case.ours | {"compile": "true"}
                yield key | {"way": "ours (compiled)"}, replace(job, options=compiled)
                if "optimizer" not in case.ours:  # the others'
                    options = compiled | {"optimizer": "adamw"}
                    yield key | {"way": "ours (AdamW, compiled)"}, replace(job, options=options)
            for way, options in TRAINER_SETTINGS.items():
                if way == "trainer" or not arguments.quick:
                    yield key | {"way": way}, replace(job, way="trainer", options=options)
            for way in arguments.extra:
                yield key | {"way": way}, replace(job, way=way)
            if size == "6M":
                key = {"kind": "speed", "size": size, "rows": "qa", "way": "ours", "round": round_number}
                yield key, replace(job, rows=str(paths["qa"]))
                padded = replace(
                    job, way="coursework", rows=str(paths["qa"]), seq_len=512, steps=min(job.steps or 4, 4)
                )
                yield key | {"way": "coursework"}, padded


def interpreter(way: str, arguments: argparse.Namespace) -> str:
    """The Python that has what a way needs."""
    return str(arguments.litgpt_python) if way == "litgpt" else sys.executable


def tuned(job: Job, way: str, arguments: argparse.Namespace, results: Results) -> dict[str, Any]:
    """Settings and rate of another's way: the best after ``--tune`` seconds, first of its settings, then of rates."""

    def bits(rate: float, options: dict[str, Any]) -> float:
        key = {"kind": "tuning", "way": way, "learning_rate": rate, "options": options, "time": arguments.tune}
        trial = replace(job, way=way, seconds=arguments.tune, learning_rate=rate, options=options)
        found = results.get(key, lambda: child(trial, interpreter(way, arguments)))
        return min(found["bits_per_byte"].values()) if "error" not in found else math.inf

    candidates = list(TRAINER_SETTINGS.values()) if way == "trainer" else [{}]
    options = min(candidates, key=lambda options: bits(RATES[0], options))
    return {"options": options, "learning_rate": min(RATES, key=lambda rate: bits(rate, options))}


def quality_jobs(
    arguments: argparse.Namespace, paths: dict[str, Path], results: Results
) -> Iterator[tuple[dict[str, Any], Job]]:
    """Equal time for every way, seed by seed, after the others were tuned."""
    case = CASES["6M"]
    job = Job(
        "ours", case.shape, str(paths["all"]), case.seq_len, case.batch_size, seconds=arguments.quality,
        options=dict(QUALITY),
    )  # fmt: skip
    others = {way: tuned(job, way, arguments, results) for way in ("trainer", *arguments.extra)}
    changes = dict(setting.split("=", 1) for setting in arguments.set)
    own = {"options": QUALITY | {name: json.loads(value) for name, value in changes.items()}}
    for seed in range(1, arguments.seeds + 1):
        key = {"kind": "quality", "size": "6M", "seed": seed, "time": arguments.quality}
        named = ", ".join(["ours", *(f"{name}={value}" for name, value in changes.items())])
        yield key | {"way": named}, replace(job, seed=seed, **own)
        for way, settings in others.items():
            yield key | {"way": way} | settings, replace(job, way=way, seed=seed, **settings)


def measure_setting(arguments: argparse.Namespace, results: Results, paths: dict[str, Path]) -> None:
    """The machine's peak, the rows, and where a step of ours goes."""
    from model1_step import profile_step

    def setting() -> dict[str, Any]:
        train, held_out = read_rows(paths["all"])
        return {
            "machine": f"{platform.machine()}, {choose_compute().name}", "torch": torch.__version__,
            "documents": len(train), "held_out": len(held_out), "peak_flops": gemm_peak(),
            "flops_a_token": {size: flops_a_token(CASES[size]) for size in CASES},
            "targets": {"trainer": 1.25, "litgpt": 1.1, "coursework": 8.0, "bits_per_byte": 1.58},
        }  # fmt: skip

    results.get({"kind": "setting"}, setting)
    case = CASES["6M"]
    for size in arguments.sizes:
        if size != "286M":
            case = CASES[size]
            key = {"kind": "profile", "size": size}
            results.get(key, lambda case=case: {"parts": profile_step(case.shape, case.batch_size, case.seq_len)})


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="data sources, as for training")
    parser.add_argument("--speed", action="store_true", help="tokens a second and peak memory")
    parser.add_argument("--sizes", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument(
        "--rounds", type=int, default=2, help="how often each measurement of speed is made (default: 2)"
    )
    parser.add_argument("--quality", type=float, metavar="SECONDS", help="bits per byte after so many seconds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--tune", type=float, default=60, metavar="SECONDS",
        help="before --quality, for each setting and rate of the others' (default: 60)",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of ours for --quality"
    )
    parser.add_argument("--quick", action="store_true", help="a few steps of the smallest size, to see that all works")
    parser.add_argument("--with", dest="extra", action="append", default=[], choices=["litgpt"], help="a further way")
    parser.add_argument("--litgpt-python", default=sys.executable, help="the interpreter that has litgpt")
    parser.add_argument("--max-rows-per-source", type=int, default=6000)
    parser.add_argument("--results", type=own_file, default="logs/benchmarks/model1.jsonl")
    parser.add_argument("--out", type=own_file, help="the report, as Markdown")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if "litgpt" in arguments.extra:
        found = subprocess.run([arguments.litgpt_python, "-c", "import litgpt.pretrain"], capture_output=True)
        if found.returncode:
            print(LITGPT_MISSING.format(python=arguments.litgpt_python), file=sys.stderr)
            return 2
    if arguments.quick:
        arguments.sizes, arguments.rounds, arguments.seeds, arguments.speed = ["6M"], 1, 1, True
    paths = prepare(arguments)
    results = Results(arguments.results, {"data": paths["all"].stem, "quick": arguments.quick})
    measure_setting(arguments, results, paths)
    speed = speed_jobs(arguments, paths) if arguments.speed else ()
    quality = quality_jobs(arguments, paths, results) if arguments.quality else ()
    for key, job in chain(quality, speed):
        results.get(key, lambda job=job: child(job, interpreter(job.way, arguments)))
    text = report(results.rows)
    print(text)
    write(arguments.out, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
