"""What has to be right before a training begins, and whether it is another than the one in its folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from training.common.checkpoint_folder import FILES, FOLDERS, RESUME, report_in
from training.common.files import MANIFEST, foreign, print_of, refusal, sign, sign_folder, unwritable
from training.common.options import OptionsError
from training.common.progress import Progress
from training.corpus import CorpusError, data_around, in_the_way, notes, sources
from training.data.prepare import data_key
from training.loop.resume import BASE_FILES, Start, TrainingStates
from training.models.bases import files_of
from training.reporting.report import REPORT_KEYS
from training.reporting.tracking import tracking_problems
from training.settings.common import TrainingOptions
from training.settings.model2 import Model2Options

Options = TypeVar("Options", bound=TrainingOptions)


def configuration(options: TrainingOptions, data: Sequence[str]) -> dict[str, Any]:
    """What a run is, for its report and to be compared on resume."""
    return asdict(options) | {"data": list(data)}


def compared(options: TrainingOptions, data: Sequence[str]) -> dict[str, Any]:
    """The same with the files of the base, which decide as much."""
    return configuration(options, data) | (base_files(options.base) if isinstance(options, Model2Options) else {})


def base_files(base: str) -> dict[str, dict[str, str]]:
    """The files of a base with their hashes, for the settings of a run; nothing where none are here yet."""
    return {BASE_FILES: found} if (found := files_of(base)) else {}


def begin(
    options: Options, data: Sequence[str], out: Path, start: Start, room: Callable[[Options, Path], list[str]]
) -> TrainingStates:
    """Check everything that can be checked before any work, and open the run's states.

    Args:
        room: what stands against a model of these settings, of which each alone is possible: its base, too little
            memory or disk.

    Raises:
        OptionsError: every problem at once.
    """
    states = check(options, data, out, start, room)
    if start == "restart":
        states.remove()
    return states


def check(
    options: Options, data: Sequence[str], out: Path, start: Start, room: Callable[[Options, Path], list[str]]
) -> TrainingStates:
    """The checks of ``begin`` alone."""
    states = TrainingStates(out, compared(options, data), options.keep_checkpoints)
    own, of_data = [*options.problems(), *stripped()], data_problems(data)
    problems = [*own, *of_data, *tracking_problems(options.report_to, out), *states.problems(start)]
    cannot = unwritable(out, (*FOLDERS, RESUME))
    problems += cannot
    if not cannot:
        adopt_old_run(out)
    if names := foreign(out, FILES, FOLDERS):
        problems.append(refusal(out, names))
    problems += another_model(options, out, states.saved_config())
    if not of_data and (folder := data_around(out, data)):
        problems.append(in_the_way(out, folder))
    problems += [] if own else room(options, out)
    if problems:
        raise OptionsError(problems)
    if os.environ.get("RANK", "0") == "0":  # of several processes the first tells it
        for note in (*options.notes(), *notes(data)):
            print(f"note: {note}", file=sys.stderr)
    return states


def stripped() -> list[str]:
    """What stands against a training where Python leaves docstrings out: transformers reads its own as it begins."""
    if sys.flags.optimize < 2:
        return []
    return ["Python runs without docstrings, which transformers needs; leave -OO and PYTHONOPTIMIZE=2 out"]


def another_model(options: TrainingOptions, out: Path, unfinished: Mapping[str, Any]) -> list[str]:
    """What stands against a training of this model where the other one's is: it would take the place of its files."""
    mine = "Model 2" if isinstance(options, Model2Options) else "Model 1"
    finished = str((report_in(out) or {}).get("model", "")).replace("model", "Model ")
    begun = next((model for model, key in (("Model 1", "n_layers"), ("Model 2", "base")) if key in unfinished), "")
    other = next((model for model in (begun, finished) if model not in ("", mine)), None)
    return [f"{out} is the folder of {other}, of which {mine} would lose files; name another --out"] if other else []


def adopt_old_run(out: Path) -> None:
    """Note the files of a run as ours that was made before any were noted."""
    report = report_in(out)
    if (out / MANIFEST).exists() or report is None or not report.keys() >= set(REPORT_KEYS):
        return

    def is_known(path: Path) -> bool:
        if path.name == "README.md":
            return "one of the two models of Diptych" in path.read_text(encoding="utf-8", errors="replace")
        return path.suffix in (".json", ".safetensors", ".model", ".jinja", ".txt")

    files = [out / name for name in FILES if (out / name).is_file() and (name != "README.md" or is_known(out / name))]
    sign(out, {path.name: print_of(path) for path in files})
    for name, kind in FOLDERS.items():
        if (out / name).is_dir() and all(is_known(path) for path in (out / name).rglob("*")):
            sign_folder(out / name, kind)


def is_finished(options: TrainingOptions, data: Sequence[str], out: Path, progress: Progress) -> bool:
    """Whether the folder holds the result of this very run, with nothing left to go on with; of another finished run
    it is said what has changed."""
    states = TrainingStates(out, compared(options, data))
    changed = None if states.steps() or data_problems(data) else states.finished(key_of(options, data))
    if changed:
        progress.say(f"{out} holds a finished run, but {', '.join(changed)}; training anew")
    return changed == []


def key_of(options: TrainingOptions, data: Sequence[str]) -> str:
    """A hash of what the data hold: names, weights, sizes and times of files."""
    return data_key(list(data), options.max_rows_per_source)


def data_problems(data: Sequence[str]) -> list[str]:
    """The names and paths that stand for no data."""
    problems = []
    for name in data:
        try:
            sources((name,))
        except CorpusError as error:
            problems.append(str(error))
    return problems
