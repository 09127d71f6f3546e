"""What a model costs: its size in every form, its speed, memory and energy when it answers, and what its training took.

Serving is measured in one run: each repeat of each model is a process of its own (`training.evaluation.timing`), the
models take turns, and every figure comes with its spread. Training is read from `training_report.json`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training.common.checkpoint_folder import FINAL, GGUF, HF, IN_HF_FORM, PT, REPORT, find, read_report, weights_in
from training.evaluation.opening import locate
from training.evaluation.subjects import Unavailable
from training.evaluation.timing import Job
from training.inference.openai_connection import without_password

TRAINING = {
    **{"seconds": "train_seconds", "tokens": "tokens", "kwh": "energy_kwh"},
    **{name: name for name in ("co2_kg", "energy_source", "device", "peak_memory_bytes")},
    **{name: name for name in ("flops", "flops_per_token", "flops_formula")},
}
"""What the cost tells of a training, by its names there, with those in the report."""
REPEATS = 3
JOB_SECONDS = 600
"""The longest that one process may take; a model that needs more is named as missing."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Forms:
    """The forms of one model on the disk, those that there are."""

    folder: Path | None = None  # where `training_report.json` and the model card are
    pt: Path | None = None  # Model 1 as PyTorch saved it
    hf: Path | None = None  # a folder in Hugging Face's form
    gguf: Path | None = None  # for llama.cpp
    name: str = ""  # BASE_URL#MODEL of a server, where there are no files

    def job(self) -> Job:
        """What serves the model: llama.cpp where there is a GGUF, else PyTorch."""
        if self.gguf:
            return Job("llama.cpp", str(self.gguf))
        return Job("transformers", str(self.pt or self.hf)) if self.folder else Job("openai", self.name)

    def files(self) -> dict[str, int]:
        """Bytes of each file of weights, by its path from the folder."""
        weights = [*([self.pt] if self.pt else []), *(weights_in(self.hf) if self.hf else [])]
        weights += [self.gguf] if self.gguf else []
        root = self.folder or (weights[0].parent if weights else Path())
        return {(p.relative_to(root) if p.is_relative_to(root) else p).as_posix(): p.stat().st_size for p in weights}

    def sizes(self) -> dict[str, int]:
        """Bytes by format; ``weights`` is the file that training wrote."""
        sizes = {"pt": self.pt.stat().st_size} if self.pt else {}
        if self.hf and (files := weights_in(self.hf)):
            sizes["hf"] = sum(file.stat().st_size for file in files)
        if self.gguf:
            sizes["gguf"] = self.gguf.stat().st_size
        return {"weights": next(iter(sizes.values())), **sizes} if sizes else {}


def find_forms(spec: str) -> Forms:
    """All forms of the model that ``spec`` names, those that training wrote beside it included.

    Raises:
        Unavailable: it names no model.
    """
    if spec.startswith("openai:"):
        return Forms(name=spec.removeprefix("openai:"))
    try:
        kind, path = locate(spec)
    except ValueError as error:
        raise Unavailable(str(error)) from error
    folder = path if path.is_dir() else path.parent
    if folder.name in (FINAL, HF) and (folder.parent / REPORT).is_file():
        folder = folder.parent
    if kind == "gguf" and (path.name != GGUF or not (folder / REPORT).is_file()):
        return Forms(folder, gguf=path)  # a file of its own
    pt = path if kind == "model1" else folder / PT
    gguf = path if kind == "gguf" else folder / GGUF
    hf = find(folder, IN_HF_FORM)
    return Forms(folder, pt if pt.is_file() else None, hf, gguf if gguf.is_file() else None)


class Missing:
    """Collects what could not be had, each with its reason."""

    def __init__(self) -> None:
        self.entries: list[dict[str, str]] = []

    def add(self, part: str, reason: object) -> None:
        self.entries.append({"part": part, "reason": " ".join(str(reason).split())})


def training_cost(forms: Forms, missing: Missing) -> dict[str, Any] | None:
    """Time, tokens, operations, energy and CO2 of the training, from its report; what the report lacks is missing."""
    report = read_report(forms.folder) if forms.folder else None
    if report is None:
        missing.add("cost: training", f"no readable {REPORT} beside {forms.folder or without_password(forms.name)}")
        return None
    cost: dict[str, Any] = {key: report.get(name) for key, name in TRAINING.items()}
    for key in ("seconds", "tokens", "kwh", "co2_kg", "flops"):
        if cost[key] is None:
            missing.add(f"cost: training {key}", f"{REPORT} has no {TRAINING[key]}")
    return cost


def measure_costs(
    specs: Mapping[str, str],
    *,
    repeats: int = REPEATS,
    tokens: int = Job.tokens,
    seconds: float = Job.seconds,
    say: Callable[[str], None] = lambda message: None,
) -> dict[str, dict[str, Any]]:
    """The cost of each model, by its name.

    Args:
        specs: what each name stands for, as for ``open_subject``.
        repeats: processes for each model; they take turns, in the opposite order every second time.
        tokens: length of an answer.
        seconds: how long a process asks, one question at a time and then eight.
        say: told what is being measured.

    Returns:
        For each name the part ``cost``. Its key ``missing`` lists what this model cannot give, with the reason.
    """
    forms, missing = dict[str, Forms](), {name: Missing() for name in specs}
    for name, spec in specs.items():
        try:
            forms[name] = find_forms(spec)
        except Unavailable as error:
            missing[name].add("cost", error)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in forms}
    for number in range(repeats):
        order = [name for name in (forms if number % 2 == 0 else reversed(forms)) if len(runs[name]) == number]
        for name in order:
            say(f"cost of {name}, {number + 1} of {repeats}")
            try:
                job = replace(forms[name].job(), tokens=tokens, seconds=seconds, role=name)
                runs[name].append(run_job(job))
            except Unavailable as error:
                missing[name].add("cost: serving", error)
    return {
        name: _cost(forms[name], runs[name], missing[name]) if name in forms else {"missing": missing[name].entries}
        for name in specs
    }


def run_job(job: Job) -> dict[str, Any]:
    """Measure in a process of its own. Raises Unavailable with the last line that the process wrote."""
    source = without_password(job.source)
    command = [sys.executable, "-m", "training.evaluation.timing", json.dumps(asdict(job))]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="backslashreplace", timeout=JOB_SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{source}: not measured within {JOB_SECONDS} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise Unavailable(lines[-1] if lines else f"{source}: the measurement ended with code {done.returncode}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _cost(forms: Forms, runs: Sequence[dict[str, Any]], missing: Missing) -> dict[str, Any]:
    cost: dict[str, Any] = {"sizes": forms.sizes(), "files": forms.files()}
    if not cost["sizes"]:
        missing.add("cost: sizes", "a server does not say how large its model is")
    if runs:
        cost |= _serving(runs)
        if runs[0]["engine"] == "openai":
            for part in ("load time", "peak memory", "energy"):
                missing.add(f"cost: {part}", "of a server only speed can be measured from here")
        elif cost["kwh_per_1000_tokens"] is None:
            missing.add("cost: energy", "codecarbon gave no figure on this machine")
    cost["training"] = training_cost(forms, missing)
    return cost | {"missing": missing.entries}


def _serving(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the processes of one model measured, put together."""
    energy = {n: spread([run["kwh_per_1000_tokens"][n] for run in runs]) for n in ("1", "8")}
    memory = spread([run["peak_memory_bytes"] for run in runs])
    return {
        **{key: runs[0][key] for key in ("engine", "version", "device", "threads", "characters_per_token")},
        "repeats": len(runs),
        "answer_tokens": min(run["answer_tokens"] for run in runs),
        "load_seconds": spread([run["load_seconds"] for run in runs]),
        "peak_memory_bytes": memory and round(memory["median"]),
        "peak_memory": memory,
        "first_token_seconds": spread([run["first_token_seconds"] for run in runs]),
        "tokens_per_second": {n: spread([run["tokens_per_second"][n] for run in runs]) for n in ("1", "8")},
        "kwh_per_1000_tokens": energy["1"] and energy["1"]["median"],
        "kwh_per_1000_tokens_at": energy,
        "energy_source": runs[0]["energy_source"],
    }


def spread(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Median, lowest and highest of the repeats, and all of them; None where a repeat has no value."""
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return None
    return {"median": statistics.median(known), "low": min(known), "high": max(known), "values": known}
