"""What the two training commands share: their arguments, the way from checks to files, and what is printed."""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import psutil

from training.common.checkpoint_folder import CURVES, FINAL, FOLDERS, RESUME, TRAINED_ON, check_apart
from training.common.cli import OneLineParser, contained, stoppable
from training.common.config import add_config, add_settings
from training.common.files import (
    check_file,
    place,
    remove_file,
    remove_folder,
)
from training.common.locks import held
from training.common.options import OptionsError, with_settings
from training.common.progress import Progress
from training.data.dataset import TokenisedDataset
from training.data.documents import Documents
from training.evaluation.model_card import write_cards
from training.hardware.compute import Compute, choose_compute
from training.loop.distributed import World
from training.loop.learning_rate_finder import PICTURE, find_learning_rate
from training.loop.outcome import run_report
from training.loop.plan import DEVICES
from training.loop.resume import StateError, TrainingStates
from training.loop.trainer import Trainer
from training.reporting.report import draw_curves, write_report
from training.reporting.tracking import tracking
from training.reporting.verdict import ending, in_words, is_cut_short, score_of, shortfall
from training.runs.checks import begin, check, configuration, is_finished, key_of
from training.settings.common import RENAMED, TrainingOptions

Options = TypeVar("Options", bound=TrainingOptions)

DEMO_QUESTIONS = ("What is Impressionism?", "Who painted Guernica?", "What is a neural network?", "Hello!")
SAMPLE_QUESTIONS = DEMO_QUESTIONS[:2]
"""Asked at each evaluation; all of them at the end."""

DEFAULT_DATA = {"demo": ("core",), "seed": ("open",)}
"""Two minutes are enough for the core of the embedded corpus: of all of it the demo's model learned no fact exactly. A
model of full size would see the whole of it a hundred times before it had seen enough text."""


def build_parser(prog: str, description: str | None, profiles: Mapping[str, TrainingOptions], out: Path) -> Any:
    """The arguments that both commands have."""
    parser = OneLineParser(
        prog=prog,
        usage="%(prog)s [option ...]",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", choices=profiles, default="demo", help="a set of settings (default: demo)")
    parser.add_argument(
        "--data",
        nargs="+",
        metavar="SOURCE[=WEIGHT]",
        help=f"data sources, and how often an epoch sees each (default: {DEFAULT_DATA})",
    )
    parser.add_argument("--out", type=place, default=out, metavar="DIR", help="where everything is written")
    add_start(parser)
    parser.add_argument("--check", action="store_true", help="tell what stands against the run, and do nothing else")
    parser.add_argument("--plan", action="store_true", help="print what the run would need, and do nothing else")
    parser.add_argument("--plan-for", metavar="DEVICE", help=f"the same for another device: {', '.join(DEVICES)}")
    parser.add_argument(
        "--find-learning-rate", action="store_true", help="try rates in a short sweep and suggest one; trains nothing"
    )
    parser.add_argument(
        "--after", type=process_id, metavar="PID", help="prepare all, then wait until that process has ended"
    )
    parser.add_argument("--progress", type=place, metavar="FILE", help="keep the state of the run in FILE, as JSON")
    add_config(parser)
    add_settings(parser, profiles["demo"], "defaults of the profile demo")

    def effective(arguments: argparse.Namespace) -> Mapping[str, Any]:
        options, data = chosen(arguments, profiles)
        options.check()
        return configuration(options, data)

    parser.effective = effective
    return parser


def process_id(text: str) -> int:
    """The number of a process."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**31):
        raise argparse.ArgumentTypeError(f"{text!r} is no process; give its number, as ps lists them")
    return int(text)


def add_start(parser: argparse.ArgumentParser) -> None:
    """``--resume`` and ``--restart``: what becomes of an unfinished run."""
    start = parser.add_mutually_exclusive_group()
    start.set_defaults(start="new")
    for name, text in (
        ("resume", "go on with the unfinished run in --out, if there is one"),
        ("restart", "leave an unfinished run in --out behind and begin anew"),
    ):
        start.add_argument(f"--{name}", dest="start", action="store_const", const=name, help=text)


def chosen(arguments: argparse.Namespace, profiles: Mapping[str, Options]) -> tuple[Options, tuple[str, ...]]:
    """Settings and data of a run."""
    options = with_settings(profiles[arguments.profile], arguments.set, RENAMED)
    return options, tuple(map(one_spelling, arguments.data or DEFAULT_DATA[arguments.profile]))


def one_spelling(entry: str) -> str:
    """A source's path without `./` and the slash at its end, which make no other source of it."""
    path, equals, weight = entry.rpartition("=")
    if not equals or Path(entry).expanduser().exists():
        path, equals, weight = entry, "", ""
    return f"{os.path.normpath(path)}{equals}{weight}" if os.sep in path else entry


class TrainingCommand(ABC, Generic[Options]):
    """One of both trainings, from its arguments to what is printed at the end; each model says what is its own."""

    def __init__(self, arguments: argparse.Namespace, options: Options, data: tuple[str, ...]) -> None:
        self.arguments, self.options, self.data = arguments, options, data

    @abstractmethod
    def room_problems(self, options: Options, out: Path) -> list[str]:
        """As ``room`` of ``begin``."""

    @abstractmethod
    def set_up(self, options: Options, data: tuple[str, ...], out: Path, *more: Any) -> Run:
        """A run of options, data, a folder, progress, states and, where there are some, a state and other processes."""

    @abstractmethod
    def print_result(self, report: dict[str, Any]) -> None:
        """What the report says of this model beside its size and speed."""

    def settled(self) -> Options:
        """The options, with what a setting left open, such as a base that can be had."""
        return self.options

    def run(self) -> None:
        """Find a learning rate, or train and print what came of it; alone or as one of several processes."""
        arguments, data, out = self.arguments, self.data, self.arguments.out
        check_apart(arguments.progress, out)
        with World.join() as world, world.progress(arguments.progress) as progress:
            options = world.agree(self.settled() if world.is_first else self.options)
            if arguments.find_learning_rate:
                self._find_learning_rate(options, progress)
                return
            with held(out) if world.is_first else contextlib.nullcontext(True) as alone:
                if not alone:
                    raise OptionsError(
                        [f"{out} is in use by another training; wait for it, stop it, or name another --out"]
                    )
                if arguments.check:
                    check(options, data, out, arguments.start, self.room_problems)
                    return
                if world.agree(arguments.start == "resume" and is_finished(options, data, out, progress)):
                    print(
                        f"{out} holds this run already, finished; name another --out, or leave --resume out, to train "
                        "again"
                    )
                    return
                report = self._train(options, progress, world)
            if world.is_first:
                print(
                    f"{report['model'].replace('model', 'Model ')}: {report['parameters'] / 1e6:.1f}M parameters, "
                    f"{report['tokens']:,} tokens in {report['train_seconds']:.0f} s "
                    f"({report['tokens_per_second']:,.0f} tokens/s)"
                )
                contained("the model's answers are not shown", self.print_result, report)
                print(conclusion(report, out))
                progress.stage("done", f"written to {out}")

    def _find_learning_rate(self, options: Options, progress: Progress) -> None:
        arguments, out = self.arguments, self.arguments.out
        check_file(out / PICTURE)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            folder = Path(scratch)
            states = begin(options, self.data, folder, "new", self.room_problems)
            if not arguments.check:
                print(find_learning_rate(self.set_up(options, self.data, folder, progress, states).trainer, out))

    def _train(self, options: Options, progress: Progress, world: World) -> dict[str, Any]:
        start, data, out = self.arguments.start, self.data, self.arguments.out
        states = begin(options, data, out, start, self.room_problems)
        state = states.newest() if start == "resume" else None
        return train(  # which alone holds the run, and no state: their memory is free again for the answers
            after(self.arguments.after, self.set_up(options, data, out, progress, states, state, world)),
            options, out, progress, states, key_of(options, data), world,
        )  # fmt: skip


def after(process: int | None, run: Run) -> Run:
    """The run, once the process has ended: two trainings at once take longer than one after the other."""
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(process).wait()
    return run


def conclusion(report: Mapping[str, Any], out: Path) -> str:
    """How the training ended; where more of it would help, how to go on."""
    said = ending(report)
    if score := score_of(report):
        said += f": {score[1]:.3f} bits per byte on {in_words(score[0])}"
    if (target := report["config"]["target_bits_per_byte"]) is not None:
        said += f", its target is {target:g}"
    name = report["model"].replace("model", "Model ")
    weak = f"\n{name} {why}" if (why := shortfall(report)) else ""
    lacking = ", ".join(name for name, written in report.get("written", {}).items() if written is None)
    weak += (
        f"\nnot written, for the reason above: {lacking}; `python -m training.export {out}` makes hf and gguf"
        if lacking
        else ""
    )
    more = f"\nits state is kept in {out / RESUME}; go on with --resume" if is_cut_short(report) else ""
    return f"{said}{weak}{more}"


@dataclass(frozen=True)
class Result:
    """What a training made."""

    report: dict[str, Any]  # what it says of this model; what it says of every run is added
    exports: Mapping[str, Callable[[], Any]]
    """Other forms of the model by their names in the folder, each made of the one before."""
    title: str  # of the curves


class Run(Protocol):
    """A run that is ready to train."""

    @property
    def dataset(self) -> TokenisedDataset: ...

    @property
    def trainer(self) -> Trainer: ...

    def begin(self, progress: Progress) -> None:
        """What comes right before the training, and is tracked as it is."""

    def result(self, out: Path) -> Result:
        """What the training has made, once it is over."""
        ...


def train(
    run: Run, options: TrainingOptions, out: Path, progress: Progress, states: TrainingStates, key: str, world: World
) -> dict[str, Any]:
    """Train, save and export; returns the report that is also written to ``training_report.json``.

    Of several processes the first one writes; the others return an empty report.
    """
    trainer = run.trainer
    with tracking(options.report_to if world.is_first else "none", out, states.config) as listener:
        trainer.metrics.listener = listener
        run.begin(progress)
        with trainer.energy.measure(options.country):
            trainer.run()
    if not world.is_first:
        trainer.stand_by()
        return {}
    progress.stage("export", f"writing {out}")
    return finish(out, run, run.result(out), states, key)


def finish(out: Path, run: Run, result: Result, states: TrainingStates, key: str) -> dict[str, Any]:
    """Write all that comes beside a trained model, and forget its states unless it can go on: each part that fails is
    said, is None in the report, and costs nothing else. Returns the whole report.

    Where the model itself or the report cannot be written, the state of the run is kept: --resume writes them then.

    Args:
        key: of what the data held when the run began.

    Raises:
        StateError: ``final/`` could not be written.
    """
    report, exports = result.report, result.exports
    message = f"stopped while {out} was written: the trained weights are there, and nothing is half written"
    trainer = run.trainer
    with stoppable(message):
        with trainer.kept_unless_written():
            report |= run_report(
                trainer.outcome, trainer.outcome.best, run.dataset, trainer.compute, trainer.energy_used
            )
            report |= {"seed": states.config["seed"], "config": states.config}
            written = write_beside(out, exports, result.title)
            report |= {"written": written, "data_key": key}
            write_report(out, report)
            contained("data_card.json is not written", run.dataset.write_card, out)
            contained(f"{TRAINED_ON} is not written", run.dataset.write_trained_on, out)
            contained("README.md is not written", write_cards, out)
            if FINAL in exports and written[FINAL] is None:
                raise StateError(
                    f"{out / FINAL} is not written, for the reason above; make room and go on with --resume"
                )
        if not trainer.is_cut_short:
            states.remove()
        return report


def write_beside(out: Path, exports: Mapping[str, Callable[[], Any]], title: str) -> dict[str, str | None]:
    """Write other forms of a model, each made of the one before, and its curves. Returns the name of each that is
    written, else None."""
    written: dict[str, str | None] = {}
    lacking = ""
    for name, write in exports.items():
        written[name] = _part(out, name, write, lacking)
        lacking = lacking or ("" if written[name] else name)
    return written | {CURVES: _part(out, CURVES, lambda: draw_curves(out, title))}


def _part(out: Path, name: str, write: Callable[[], Any], lacking: str = "") -> str | None:
    """The name of what is written; None, and one line, where that fails. What an older run left under the name goes
    then: it is of another model, as whatever is made of it would be. ``lacking`` is what it would have been made of
    and is not there."""

    def named() -> str:
        if lacking:
            raise FileNotFoundError(f"it is made of {lacking}")
        write()
        return name

    done = contained(f"{name} is not written", named)
    if done is None and name in FOLDERS:
        contained(f"{name} of an older run stays", remove_folder, out / name, FOLDERS[name])
    elif done is None:
        contained(f"{name} of an older run stays", remove_file, out / name)
    return done


def compute_for(options: TrainingOptions, state: Mapping[str, Any] | None) -> Compute:
    """Device and number format; a run that goes on keeps its format, whatever a new measurement would choose."""
    if state is None or options.dtype != "auto":
        return choose_compute(options.dtype)
    return replace(choose_compute(state["dtype"]), reason="as before")


def describe_cuts(documents: Documents, seq_len: int) -> str:
    """What happens to samples that are longer than a row, for the line that announces the training."""
    longer = int((documents.lengths > seq_len).sum())
    if not longer:
        return ""
    return f"; {longer:,} of {len(documents):,} samples are longer than seq_len={seq_len} and are read in pieces"
