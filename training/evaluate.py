"""Measure trained models: held-out text, facts, answers and cost.

    python -m training.evaluate
    python -m training.evaluate --benchmark my_questions.jsonl --json results.json
    python -m training.evaluate mine=checkpoints/my_model/art_ai_best.pt gpt2=openai-community/gpt2 --parts held-out

Without names it measures the two checkpoints that the training commands write. A model is a `.pt`, a checkpoint folder,
a `.gguf`, an id of the Hub, or `openai:BASE_URL#MODEL`. What was measured before is taken from the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from training.common.checkpoint_folder import CHECKPOINTS, FINAL, MODEL1_FOLDER, MODEL2_FOLDER, PT, TRAINING
from training.common.cli import OneLineParser, run_command
from training.common.config import add_config, as_typed
from training.common.files import check_file, replace_text, unwritable
from training.common.options import MOST, OptionsError
from training.common.workers import usable_cores
from training.evaluation.intervals import DRAWS
from training.evaluation.measurements import PARTS, Measurements, Settings
from training.evaluation.summary_table import table

DEFAULT_MODELS = {"model1": MODEL1_FOLDER / PT, "model2": MODEL2_FOLDER / FINAL}
DEFAULT_FILE = CHECKPOINTS / "evaluation.json"
VERSION = 1
LIMIT = 200
"""Held-out samples of each kind, and questions of each benchmark: with these the demo pair takes two minutes at most on
two cores."""


def parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m training.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "models", nargs="*", metavar="[NAME=]SPEC", help="models to measure (default: the two checkpoints)"
    )
    parser.add_argument(
        "--data",
        nargs="+",
        metavar="SOURCE",
        help="data whose held-out part is scored (default: what the models were trained on, else core)",
    )
    parser.add_argument(
        "--benchmark",
        nargs="+",
        default=[],
        metavar="FILE",
        help="JSON lines with question, options and answer_index, besides the facts of the embedded corpus",
    )
    parser.add_argument(
        "--tasks", nargs="+", default=[], metavar="TASK", help="tasks of lm-evaluation-harness, by their names there"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, metavar="PART", help=f"only some of: {', '.join(PARTS)} (default: all)"
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=LIMIT,
        metavar="N",
        help=f"held-out samples of each kind and questions of each benchmark, 0 for all (default: {LIMIT})",
    )
    parser.add_argument("--no-cache", action="store_true", help="measure everything again")
    parser.add_argument(
        "--json",
        type=os.path.expanduser,
        default=str(DEFAULT_FILE),
        metavar="FILE",
        help="where the results are written; - prints them (default: checkpoints/evaluation.json)",
    )
    add_config(parser)
    return parser


def named(specs: Sequence[str]) -> list[tuple[str | None, str]]:
    """Each ``[NAME=]SPEC`` as its name, if it has one, and the rest."""
    found: list[tuple[str | None, str]] = []
    for spec in specs:
        match = re.fullmatch(r"([\w.-]+)=(.+)", spec)
        found.append((match[1], match[2]) if match and not Path(spec).exists() else (None, spec))
    return found


def chosen_models(specs: Sequence[str]) -> tuple[list[tuple[str | None, str]], list[dict[str, str]]]:
    """The models to measure, and which of the two checkpoints are absent.

    Raises:
        OptionsError: when neither checkpoint is there.
    """
    if specs:
        return named(specs), []
    models: list[tuple[str | None, str]] = []
    absent = []
    for name, path in DEFAULT_MODELS.items():
        shown = as_typed(path)
        if path.exists():
            models.append((name, shown))
        else:
            absent.append({"model": name, "part": "everything", "reason": f"{shown} does not exist; train it first"})
    if not models:
        places = " nor ".join(map(as_typed, DEFAULT_MODELS.values()))
        raise OptionsError([f"neither {places} exists; train both {TRAINING}, or name others"])
    return models, absent


def settings_of(arguments: argparse.Namespace) -> Settings:
    """What is measured, checked. Raises OptionsError: every problem at once."""
    problems = []
    if not 0 <= arguments.limit <= MOST:
        problems.append(f"--limit {arguments.limit} must be at least 1 and at most {MOST}, or 0 for all")
    parts = tuple(arguments.parts or (part for part in PARTS if part != "tasks" or arguments.tasks))
    if "tasks" in parts and not arguments.tasks:
        problems.append("--parts tasks needs --tasks TASK; name one, such as arc_easy")
    if arguments.tasks and "tasks" not in parts:
        problems.append("--tasks is for the part tasks; add it to --parts, or leave --tasks out")
    if arguments.json != "-" and Path(arguments.json).is_dir():
        problems.append(f"--json {arguments.json} is a folder; name a file, or - to print")
    if problems:
        raise OptionsError(problems)
    return Settings(
        data=None if arguments.data is None else tuple(arguments.data),
        benchmarks=tuple(arguments.benchmark),
        tasks=tuple(arguments.tasks),
        parts=parts,
        limit=arguments.limit or None,
        use_cache=not arguments.no_cache,
    )


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file() and (match := re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text(encoding="utf-8"))):
        processor = match[1].strip()
    memory = psutil.virtual_memory().total
    return {
        "processor": processor,
        "cores": usable_cores(),
        "memory_bytes": memory,
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
    }


def run(arguments: argparse.Namespace) -> None:
    settings = settings_of(arguments)
    if arguments.json != "-":
        check_file(Path(arguments.json), "an evaluation")
        if shut := unwritable(Path(arguments.json).parent):  # told before it measures for minutes
            raise OptionsError(shut)
    models, absent = chosen_models(arguments.models)
    here = machine()
    measurements = Measurements(models, settings, here)
    for entry in absent:
        print(f"{entry['model']} is absent: {entry['reason']}", file=sys.stderr)
    results = {
        "version": VERSION,
        "made_at": datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "machine": here,
        "settings": measurements.described() | {"bootstrap_draws": DRAWS},
        **measurements.run(),
        "missing": absent,
    }
    text = json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if arguments.json == "-":
        print(text, end="")
        print(table(results), file=sys.stderr)
        return
    replace_text(Path(arguments.json), text, "an evaluation")
    print(table(results))
    from training.evaluation import model_card

    for path in model_card.update_cards(results):
        print(f"written: {path}", file=sys.stderr)
    print(f"written: {arguments.json}", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    return run_command(run, parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
