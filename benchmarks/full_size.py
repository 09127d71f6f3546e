"""The whole path of the full-size Model 1 on one machine: from the repositories to a vote, with a kill in the middle.

    python benchmarks/full_size.py --work FOLDER --out docs/full-size.md
    python benchmarks/full_size.py --work FOLDER --steps 4 --set dim=64 --set n_layers=2 --opponent gpt2  # a quick look

Fetches and prepares `--data`, trains the seed profile for `--steps` steps of a few rows, kills the training with
SIGKILL in the middle and resumes it, evaluates the checkpoint, writes both exports again, compares the greedy tokens of
transformers and llama.cpp, draws a GGUF of GPT-2 XL's shape at random, and gives one vote between
the two in a real browser. Every stage is noted in FOLDER/stages.jsonl as it ends, and the same command goes on after
the last one. The full size needs about 11 GB of memory and 20 GB of disk.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from benchmarks.full_size_report import report
from benchmarks.outputs import append, lines, own_file, write
from training.common.options import with_settings
from training.settings.model1 import PROFILES, Model1Options

ROOT = Path(__file__).resolve().parents[1]
SMALLER = (
    *("batch_size=2", "micro_batch_size=1", "max_held_out=60", "evaluations=2", "compile=false"),
    *("save_seconds=none", "keep_checkpoints=1"),
)
"""What differs from the seed profile: fewer rows a step, and fewer held-out samples."""
QUESTIONS = ("Who painted Guernica?", "What is a neural network?", "Which museum has the Mona Lisa?", "Hello!")
LENGTH = 24
"""Tokens of each answer that is compared."""
LIMIT = 10
"""Held-out samples of each kind, and questions of each benchmark, in the evaluation."""
LOOK_SECONDS = 0.2
ANSWER_MS = 900_000


@dataclass(frozen=True)
class Run:
    """One benchmark: where everything is, and what the training is asked."""

    work: Path
    data: tuple[str, ...]
    steps: int
    settings: tuple[str, ...]
    evaluated_on: tuple[str, ...]
    opponent: str

    @property
    def model(self) -> Path:
        return self.work / "art_ai_model"

    @property
    def other(self) -> Path:
        return self.work / "opponent.gguf"

    @property
    def options(self) -> Model1Options:
        return with_settings(PROFILES["seed"], [*self.settings, f"max_steps={self.steps}"])

    @property
    def save_steps(self) -> int:
        """So that a state is there before the kill, and some steps are computed twice."""
        return max(1, self.steps // 3)


def main() -> None:
    arguments = _parser().parse_args()
    settings = (*SMALLER, *arguments.set)
    data, evaluated_on = tuple(arguments.data), tuple(arguments.evaluate_on or arguments.data)
    run = Run(arguments.work, data, arguments.steps, settings, evaluated_on, arguments.opponent)
    if arguments.stage:
        print(json.dumps(INSIDE[arguments.stage](run)))
        return
    noted = run.work / "stages.jsonl"
    found = {row["stage"]: row for row in map(json.loads, lines(noted))}
    asked = json.loads(json.dumps({name: value for name, value in vars(run).items() if name != "work"}))
    if others := [name for name, row in found.items() if row.get("asked", asked) != asked]:
        raise SystemExit(f"{noted}: {', '.join(others)} ran with other arguments; name another --work")
    for name, stage in STAGES.items():
        if name in found:
            continue
        print(f"{name} ...", file=sys.stderr, flush=True)
        row = {"stage": name, "asked": asked, **stage(run)}
        append(noted, row)
        found[name] = row
    text = report(found, " ".join(settings))
    write(arguments.out, text)
    print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="where the models and logs are")
    parser.add_argument("--data", nargs="+", default=["open"], metavar="SOURCE", help="as for a training (open)")
    parser.add_argument(
        "--evaluate-on", nargs="+", metavar="SOURCE", help="data of the evaluation, which reads them anew (as --data)"
    )
    parser.add_argument("--steps", type=int, default=12, metavar="N", help="optimizer steps (12); at least 4")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another setting of Model 1")
    parser.add_argument(
        "--opponent", default="gpt2-xl", metavar="BASE", help="whose shape with random weights (gpt2-xl)"
    )
    parser.add_argument("--out", type=own_file, metavar="FILE", help="write the report as Markdown")
    parser.add_argument("--stage", choices=INSIDE, help=argparse.SUPPRESS)
    return parser


# -- measuring a process ---------------------------------------------------------------------------------------------


class Watched:
    """A command in a process of its own: its seconds, those of processors, and the most memory that it and its children
    held at one time.

    A file that is mapped counts as far as it is in memory, as for the operating system.
    """

    def __init__(self, run: Run, name: str, command: Sequence[str | Path]) -> None:
        self.log = run.work / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.log.open("ab")
        self._started, self._used = time.monotonic(), _processor_seconds()
        self.process = subprocess.Popen(
            [sys.executable, *map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, stderr=self._file
        )
        self._watched = psutil.Process(self.process.pid)
        self.peak = 0

    def look(self) -> bool:
        """Note the memory; whether the process is still there."""
        held = 0
        with suppress(psutil.Error):
            for member in (self._watched, *self._watched.children(recursive=True)):
                with suppress(psutil.Error):
                    held += member.memory_info().rss
        self.peak = max(self.peak, held)
        time.sleep(LOOK_SECONDS)
        return self.process.poll() is None

    def ended(self) -> dict[str, Any]:
        """What was measured, once it has ended."""
        while self.look():
            pass
        assert self.process.stdout is not None
        self.output = self.process.stdout.read().decode()
        self._file.write(self.output.encode())
        self._file.close()
        seconds, used = time.monotonic() - self._started, _processor_seconds() - self._used
        return {"seconds": round(seconds, 1), "processor_seconds": round(used, 1), "peak_bytes": self.peak}


def _processor_seconds() -> float:
    """Of all ended processes that this one has started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _command(run: Run, name: str, command: Sequence[str | Path]) -> tuple[dict[str, Any], str]:
    """Run a command to its end; what was measured, and what it printed."""
    watched = Watched(run, name, command)
    measured = watched.ended()
    if watched.process.returncode:
        raise SystemExit(f"{name} failed; see {watched.log}")
    return measured, watched.output


def _inside(name: str) -> Callable[[Run], dict[str, Any]]:
    """A stage that is a function of this file, in a process of its own."""

    def stage(run: Run) -> dict[str, Any]:
        command = [__file__, "--stage", name, "--work", run.work, "--steps", str(run.steps), "--data", *run.data]
        command += ["--opponent", run.opponent, *(word for setting in run.settings for word in ("--set", setting))]
        measured, output = _command(run, name, command)
        return measured | json.loads(output.splitlines()[-1])

    return stage


def _together(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What was measured of processes one after the other."""
    kept = list(parts)
    sums = {name: round(sum(part[name] for part in kept), 1) for name in ("seconds", "processor_seconds")}
    return sums | {"peak_bytes": max(part["peak_bytes"] for part in kept)}


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


# -- the stages ------------------------------------------------------------------------------------------------------


def _fetch(run: Run) -> dict[str, Any]:
    from training.common.cache import cache_folder
    from training.corpus import repositories, weighted_sources

    names = [str(source) for source in weighted_sources(run.data) if source in repositories.SOURCES]
    repositories.fetch(names)
    folder = cache_folder() / "repositories"
    return {"sources": len(names), "disk": {"repositories": _bytes(folder) if folder.is_dir() else 0}}


def _prepare(run: Run) -> dict[str, Any]:
    from training.models.tokenizer import prepare_for_model1

    options = run.options
    limits = options.max_rows_per_source, options.max_held_out
    found = prepare_for_model1(run.data, options.vocab_size, options.loss_on, *limits)
    return {
        "parts": found.seconds,
        "reused": found.reused,
        "samples": found.cleaning.total_read,
        "documents": len(found.dataset.train),
        "tokens": len(found.dataset.train.tokens),
        "disk": {"prepared": _bytes(found.folder)},
    }


def _plan(run: Run) -> dict[str, Any]:
    from training.loop.plans import plan

    found = plan(run.options, 0)
    return {"memory": found.memory, "total": found.total, "device": found.device.name, "dtype": str(found.dtype)}


def _train(run: Run) -> dict[str, Any]:
    """The run in two lives, the first ended by SIGKILL in the middle of the step after some that were not saved."""
    from training.common.progress import read_state

    told = run.work / "progress.json"
    command = ["-m", "training.train_art_ai_model", "--profile", "seed", "--data", *run.data, "--out", run.model]
    command += ["--progress", told, "--max-steps", str(run.steps), "--set", f"save_steps={run.save_steps}"]
    command += [word for setting in run.settings for word in ("--set", setting)]
    kill_after = run.save_steps + max(1, run.save_steps // 2)

    lives, losses = [], []
    for life, extra in enumerate((["--restart"], ["--resume"])):
        told.unlink(missing_ok=True)
        watched = Watched(run, f"train-{life + 1}", [*command, *extra])
        seen: dict[int, float] = {}
        while watched.look():
            if (state := read_state(told)) is not None and state.loss is not None:
                seen[state.step] = state.loss
            if life == 0 and kill_after in seen:
                time.sleep(1.0)
                watched.process.send_signal(signal.SIGKILL)
                break
        lives.append(watched.ended() | {"killed": watched.process.poll() == -signal.SIGKILL})
        losses.append(seen)
        if life and watched.process.returncode:
            raise SystemExit(f"the training failed; see {watched.log}")
    if not lives[0]["killed"]:
        raise SystemExit("the training ended before it was killed; take more steps")
    facts = json.loads((run.model / "training_report.json").read_text())
    names = ("parameters", "steps", "tokens", "train_seconds", "peak_memory_bytes", "val_loss", "val_bits_per_byte")
    return {
        **_together(lives),
        "lives": lives,
        "losses": losses,
        "saved_at": run.save_steps,
        "killed_after": kill_after,
        "report": {name: facts[name] for name in names},
        "written": facts["written"],
        "disk": {path.name: _bytes(path) for path in sorted(run.model.iterdir()) if _bytes(path) > 1 << 20},
    }


def _evaluate(run: Run) -> dict[str, Any]:
    out = run.work / "evaluation.json"
    command = ["-m", "training.evaluate", f"model1={run.model / 'art_ai_best.pt'}", "--data", *run.evaluated_on]
    command += ["--limit", str(LIMIT), "--parts", "held-out", "knowledge", "--json", out]
    measured, _ = _command(run, "evaluate", command)
    found = json.loads(out.read_text())["models"]["model1"]
    return measured | {"data": run.evaluated_on} | {name: found[name] for name in ("held_out", "knowledge")}


def _export(run: Run) -> dict[str, Any]:
    """Both forms once more by their own command, whose seconds and memory are then those of the export alone."""
    forms = {"hf": run.model / "hf", "gguf": run.model / "model.gguf"}
    before = forms["gguf"].read_bytes()
    measured, _ = _command(run, "export", ["-m", "training.export", run.model / "art_ai_best.pt", "--to", "gguf"])
    return measured | {
        "as_the_training_wrote_it": forms["gguf"].read_bytes() == before,
        "disk": {name: _bytes(path) for name, path in forms.items()},
    }


def _answers(run: Run) -> dict[str, Any]:
    """Greedy tokens of the folder in transformers and of the GGUF in llama.cpp, from the same tokens of a prompt."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tests.training.llama_cpp import LlamaCpp

    tokenizer = AutoTokenizer.from_pretrained(run.model / "hf")
    model = AutoModelForCausalLM.from_pretrained(run.model / "hf", dtype=torch.float32)
    llama = LlamaCpp(run.model / "model.gguf")
    rows = []
    for question in QUESTIONS:
        chat = [{"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        theirs = llama.greedy(ids, LENGTH)
        with torch.inference_mode():
            asked = torch.tensor([ids])
            both = model.generate(
                asked, attention_mask=torch.ones_like(asked), do_sample=False, max_new_tokens=len(theirs)
            )
        ours = both[0, len(ids) :].tolist()
        rows.append({
            "question": question,
            "same_prompt": llama.tokenise(text, special=True) == ids,
            "transformers": ours,
            "llama.cpp": theirs,
            "text": tokenizer.decode(ours),
        })  # fmt: skip
    llama.close()
    return {"answers": rows}


def _opponent(run: Run) -> dict[str, Any]:
    """A GPT-2 of a base's shape as GGUF in 8 bits, its random weights drawn in 8 bits too, with SmolLM2's tokenizer: no
    number of it was ever longer, so it needs no more memory than its file."""
    import gguf
    import numpy as np
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training.common.progress import Progress
    from training.loop.plans import config_of
    from training.models.bases import CHAT_TEMPLATE, smollm2_folder
    from training.models.gguf_format import FAMILIES, FILE_TYPES
    from training.models.gguf_tokenizer import add_tokenizer

    config = config_of(run.opponent)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    family = FAMILIES["gpt2"]
    names = gguf.get_tensor_name_map(family.arch, config.n_layer)
    folder = smollm2_folder(Progress())
    writer = gguf.GGUFWriter(run.other, gguf.MODEL_ARCH_NAMES[family.arch], use_temp_file=True)
    writer.add_file_type(FILE_TYPES["q8_0"][1])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    family.parameters(writer, config)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT_TEMPLATE
    add_tokenizer(writer, tokenizer, config.vocab_size)
    draw = np.random.default_rng(1)
    for name, tensor in model.state_dict().items():
        if name.startswith("lm_head."):
            continue  # tied
        place = names.get_name(name, try_suffixes=(".weight", ".bias"))
        shape = family.convert(name, tensor, config).shape
        if len(shape) == 1 or place.startswith("position_embd"):
            fill = np.ones if "ln_" in name and name.endswith("weight") else np.zeros
            writer.add_tensor(place, fill(shape, np.float32))
        else:
            writer.add_tensor(place, _random_blocks(draw, shape), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return {"base": run.opponent, "parameters": model.num_parameters(), "disk": {"GGUF": _bytes(run.other)}}


def _random_blocks(draw: Any, shape: Sequence[int]) -> Any:
    """A matrix of Q8_0, blocks of a scale in fp16 and 32 numbers of 8 bits: evenly between -0.035 and 0.035, so that
    they deviate by 0.02, as in a GPT-2 before its training."""
    import numpy as np

    rows, width = shape
    blocks = np.empty((rows, width // 32, 34), np.uint8)
    blocks[..., :2] = np.array([0.035 / 127], np.float16).view(np.uint8)
    values = draw.integers(-127, 128, (rows, width // 32, 32), np.int8)
    blocks[..., 2:] = values.view(np.uint8)
    return blocks.reshape(rows, -1)


def _vote(run: Run) -> dict[str, Any]:
    """The app with both models, a tester in a real browser, a blind round, one vote, read from the database."""
    from playwright.sync_api import sync_playwright

    from tests.app.serving import App
    from tests.app.visitor import Visitor, installed_browser

    folder = run.work / "app"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.monotonic()
    app = App(folder, str(run.model), str(run.other)).start()
    seconds = {"served": time.monotonic() - started}
    try:
        with sync_playwright() as playwright:
            path = installed_browser()
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            with Visitor(browser, app.url) as tester:
                tester.page.wait_for_selector("#consent input", timeout=ANSWER_MS)
                seconds["open"] = time.monotonic() - started
                tester.consent()
                asked = time.monotonic()
                tester.type(QUESTIONS[0])
                tester.page.wait_for_selector("html[data-phase=vote] #vote-left:not([disabled])", timeout=ANSWER_MS)
                seconds["both answers"] = time.monotonic() - asked
                answers = tester.answers()
                tester.page.screenshot(path=run.work / "vote.png")
                tester.vote("left")
            browser.close()
        memory = psutil.Process(app.pid).memory_info().rss
    finally:
        app.stop()
    return {"app_bytes": memory, "parts": seconds, "answers": answers, "votes": list(_votes(app.database))}


def _votes(database: Path) -> Iterator[dict[str, Any]]:
    out = database.with_name("votes.csv")
    command = [sys.executable, "-m", "feedback", "export", "--db", str(database), "--format", "csv", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with out.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {name: row[name] for name in ("prompt", "choice", "winner_model", "left_model", "right_model")}


INSIDE: dict[str, Callable[[Run], dict[str, Any]]] = {
    "fetch": _fetch,
    "prepare": _prepare,
    "plan": _plan,
    "answers": _answers,
    "opponent": _opponent,
    "vote": _vote,
}
STAGES: dict[str, Callable[[Run], dict[str, Any]]] = {
    "fetch": _inside("fetch"),
    "prepare": _inside("prepare"),
    "plan": _inside("plan"),
    "train": _train,
    "evaluate": _evaluate,
    "export": _export,
    "answers": _inside("answers"),
    "opponent": _inside("opponent"),
    "vote": _inside("vote"),
}


if __name__ == "__main__":
    main()
