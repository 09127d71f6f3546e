"""How much slower training and answers become when other programs keep the cores busy.

    python benchmarks/contention.py --part model1 --part model2 --part serving --out docs/benchmarks-contention.md

- Model 1 and Model 2: steps of the real demo trainings, each way in a process of its own.
- serving: both answers of five testers who ask at once, from `python app.py` through its page's own protocol.
- ours: as the commands and the app do it. OpenMP's own: its threads wait as they do by default, spinning for
  milliseconds; their number is fixed, in serving as many for Model 2's batches as there are cores.

A busy program is a loop without a pause, bound to one core. The kernel shares a core between sessions first and between
the programs of a session then (autogroups, or the control groups of a desktop), so busy programs of our own session, of
one other (a compiler in another window) and of one other each (two programs of a desktop) are told apart. With n of the
last kind on n cores the fair share of any program is a third of the machine; else it is half.

Turns alternate within a run. `--keep FILE` adds to what earlier runs have measured, and the report is of all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from benchmarks import serving
from benchmarks.outputs import own_file, write
from benchmarks.serving import Child, Ours

TESTERS = 5
CALM = 0.15  # cores: a turn counts in which programs that are not of the benchmark use less
LONG_SPIN = "300000"  # GNU OpenMP's default, said aloud so that ours leaves it alone
LOADS = {
    "quiet": "nothing else",
    "same": "every core busy, our session",
    "other": "every core busy, one other session",
    "each": "every core busy, a session for each",
    "one": "one core busy, another session",
}
BUSY = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
parent = os.getppid()
while os.getppid() == parent:  # ends with the benchmark
    for _ in range(100_000):
        pass
"""
LEADER = """
import subprocess, sys
for process in [subprocess.Popen([sys.executable, "-c", sys.argv[1], core]) for core in sys.argv[2:]]:
    process.wait()
"""
AS_BEFORE = """
from training.inference.engines import llama_cpp
parameters = llama_cpp.LlamaCpp._parameters
def all_cores(self, *arguments):
    found = parameters(self, *arguments)
    if self.path.stat().st_size >= llama_cpp.SMALL_BYTES:
        found.cpuparams_batch.n_threads = {cores}
    return found
llama_cpp.LlamaCpp._parameters = all_cores
sys.exit("""


@contextlib.contextmanager
def busy(load: str) -> Iterator[None]:
    """Other programs, while the block runs."""
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))]
    if load == "other":
        commands = [[sys.executable, "-c", LEADER, BUSY, *cores]]
    else:
        cores = {"quiet": [], "one": cores[:1]}.get(load, cores)
        commands = [[sys.executable, "-c", BUSY, core] for core in cores]
    programs = [subprocess.Popen(command, start_new_session=load != "same") for command in commands]
    try:
        if programs:
            time.sleep(0.5)
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()
        if programs:
            time.sleep(0.3)  # those of a leader see that it is gone


def foreign_seconds() -> float:
    """Processor seconds that programs have used so far which this benchmark has not started."""
    total = sum(core.user + core.nice + core.system for core in psutil.cpu_times(percpu=True))
    mine = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            mine += sum(process.cpu_times()[:4])
    return total - mine


def undisturbed(turn: Callable[[], Any]) -> Any:
    """What a turn gives in which other programs have used next to nothing; asked again and again where they do."""
    while True:
        before, begun = foreign_seconds(), time.monotonic()
        found = turn()
        used = (foreign_seconds() - before) / (time.monotonic() - begun)
        if used < CALM:
            return found
        print(f"  once more: other programs used {used:.1f} cores", flush=True)
        time.sleep(2)


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def steps(pipe: Any, model: str, follow: bool, folder: str) -> None:
    """A training that takes steps for as many seconds as it is told, two at least; what each took."""
    from training.common.progress import Progress
    from training.hardware.threads import FreeCores
    from training.loop.resume import TrainingStates
    from training.runs import model1, model2
    from training.settings.model1 import PROFILES as PROFILES1
    from training.settings.model2 import PROFILES as PROFILES2

    command: Any = model1 if model == "model1" else model2
    profiles: Any = PROFILES1 if model == "model1" else PROFILES2
    options = replace(profiles["demo"], max_steps=1_000_000, max_seconds=None)
    out = Path(folder)
    trainer = command.set_up(options, ("core",), out, Progress(), TrainingStates(out, {})).trainer
    trainer.cores = FreeCores(follow=follow)
    trainer.progress = Quiet()
    for _ in range(3):
        trainer._advance(time.monotonic())
    pipe.send("loaded")
    while seconds := pipe.recv():
        took: list[float] = []
        begun = time.monotonic()
        while time.monotonic() - begun < seconds or len(took) < 2:
            started = time.monotonic()
            trainer._advance(started)
            took.append(time.monotonic() - started)
        pipe.send((took, trainer.cores.threads))


class Quiet:
    """A progress that shows nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: None


def trainings(model: str, folder: Path, both: bool) -> dict[str, Child]:
    ways = {}
    for name, follow, values in (("ours", True, {}), ("OpenMP's own", False, {"GOMP_SPINCOUNT": LONG_SPIN})):
        if name != "ours" and not both:
            continue
        out = folder / name.replace(" ", "-")
        with environment(**values):
            ways[name] = Child(name, steps, model, follow, str(out))
    return ways


def measure_training(model: str, arguments: argparse.Namespace, keep: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ways = trainings(model, Path(folder), bool(arguments.loads_before))
        try:
            for _ in range(arguments.rounds):
                for load in arguments.loads:
                    for name, way in ways.items():
                        if name != "ours" and load not in arguments.loads_before:
                            continue
                        with busy(load):
                            took, threads = undisturbed(partial(way.run, arguments.seconds))
                        note(keep, arguments.keep, model, name, load, took)
                        print(
                            f"{model}, {name}, {load}: {statistics.median(took):.3f} s, {threads} threads", flush=True
                        )
        finally:
            for way in ways.values():
                way.close()


def measure_serving(arguments: argparse.Namespace, keep: dict[str, Any]) -> None:
    ggufs = [folder / "model.gguf" for folder in (arguments.model1, arguments.model2)]
    plain = serving.SERVE
    before = plain.replace("sys.exit(", AS_BEFORE.replace("{cores}", str(os.cpu_count())))
    with contextlib.ExitStack() as stack:
        ways = {}
        for name, script, values in (("ours", plain, {}), ("OpenMP's own", before, {"GOMP_SPINCOUNT": LONG_SPIN})):
            if name != "ours" and not arguments.loads_before:
                continue
            serving.SERVE = script
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            with environment(**values):
                ways[name] = Ours(*ggufs, arguments.tokens, folder)
            stack.callback(ways[name].close)
            ways[name].run(1)
        for _ in range(arguments.rounds):
            for load in arguments.loads:
                for name, way in ways.items():
                    if name != "ours" and load not in arguments.loads_before:
                        continue
                    with busy(load):
                        took, _ = undisturbed(partial(way.run, TESTERS))
                    note(keep, arguments.keep, "serving", name, load, took)
                    print(f"serving, {name}, {load}: {statistics.median(took):.2f} s", flush=True)


def note(keep: dict[str, Any], file: Path | None, part: str, way: str, load: str, took: list[float]) -> None:
    """Add a turn's times, and write all so far, so that nothing is lost when the benchmark is stopped."""
    keep.setdefault(part, {}).setdefault(way, {}).setdefault(load, []).extend(took)
    write(file, json.dumps(keep))


def report(keep: dict[str, Any], arguments: argparse.Namespace) -> str:
    """The tables as Markdown."""
    titles = {
        "model1": "A step of Model 1's training",
        "model2": "A step of Model 2's training",
        "serving": f"Both answers of five testers, {arguments.tokens} tokens each",
    }
    kept = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS")
    flags = " ".join(f"{key}={os.environ[key]}" for key in kept if key in os.environ)
    lines = [
        "# Beside other programs", "",
        f"Measured on {time.strftime('%Y-%m-%d')} with `benchmarks/contention.py`: {os.cpu_count()} cores, medians, in "
        f"brackets how many times the quiet median of the same way{f'; with {flags}' if flags else ''}. The aim: at "
        "most 2.5 with every core busy, and at most 1.05 times OpenMP's own when quiet.", "",
    ]  # fmt: skip
    for part, title in titles.items():
        if part not in keep:
            continue
        ways = keep[part]
        lines += [f"## {title}", "", "| beside | " + " | ".join(ways) + " |", "|---|" + "---|" * len(ways)]
        for load, words in LOADS.items():
            cells = []
            for found in ways.values():
                if not found.get(load):
                    cells.append("")
                    continue
                median = statistics.median(found[load])
                ratio = median / statistics.median(found["quiet"])
                cells.append(
                    f"{median:.2f} s" + (f" ({ratio:.2f})" if load != "quiet" else "") + f", n={len(found[load])}"
                )
            lines.append(f"| {words} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join([*lines, (__doc__ or "").split("\n\n", 2)[2]])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", action="append", choices=("model1", "model2", "serving"), help="default: all")
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=list(LOADS))
    parser.add_argument("--loads-before", nargs="*", choices=LOADS, default=["quiet", "same"], help="of OpenMP's own")
    parser.add_argument("--seconds", type=float, default=6.0, help="of a turn of training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer")
    parser.add_argument("--model1", type=Path, default=serving.ROOT / "checkpoints/art_ai_model")
    parser.add_argument("--model2", type=Path, default=serving.ROOT / "checkpoints/model2_pretrained")
    parser.add_argument("--keep", type=own_file, help="a JSON file to which the measurements are added")
    parser.add_argument("--out", type=own_file, help="write the report there")
    arguments = parser.parse_args()
    parts = arguments.part or ["model1", "model2", "serving"]
    for folder in (arguments.model1, arguments.model2) if "serving" in parts else ():
        if not (folder / "model.gguf").exists():
            parser.error(
                f"{folder}/model.gguf: not there; train both models first (make app), or name --model1, --model2"
            )
    keep: dict[str, Any] = json.loads(arguments.keep.read_text()) if arguments.keep and arguments.keep.exists() else {}
    for part in parts:
        if part == "serving":
            measure_serving(arguments, keep)
        else:
            measure_training(part, arguments, keep)
    text = report(keep, arguments)
    write(arguments.out, text)
    print(text)


if __name__ == "__main__":
    main()
