"""One evaluation: which parts of which models, on which data, what comes from the cache, and what cannot be had."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from training.common.files import file_sha256
from training.common.options import OptionsError
from training.corpus import CorpusError, mixing
from training.data.prepare import data_key
from training.evaluation import answers, harness, held_out, multiple_choice
from training.evaluation.contamination import Exposure, exposure, training_samples
from training.evaluation.cost import measure_costs
from training.evaluation.harness import Tasks, load_tasks
from training.evaluation.intervals import DRAWS, SEED, paired_difference
from training.evaluation.items import TRUE_FALSE, Benchmark, embedded_benchmark, load_benchmark, true_false_benchmark
from training.evaluation.opening import open_subject
from training.evaluation.result_cache import ResultCache
from training.evaluation.subjects import Subject, Unavailable

PARTS = ("held-out", "knowledge", "answers", "cost", "tasks")
DEFAULT_DATA = ("core",)
_SELECTION = ("data", "max_rows_per_source", "max_samples")
"""What of a run's configuration decides which samples it was given."""


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    data: tuple[str, ...] | None = None  # data sources, or None for those that the models were trained on
    benchmarks: tuple[str, ...] = ()  # files of multiple-choice questions
    tasks: tuple[str, ...] = ()  # of lm-evaluation-harness
    parts: tuple[str, ...] = ("held-out", "knowledge", "answers", "cost")  # some of ``PARTS``
    limit: int | None = None  # held-out samples of each kind and questions of each benchmark, None for all
    true_false: bool = True  # whether statements of the embedded corpus are asked for
    use_cache: bool = True  # whether results that are there already are taken


class Measurements:
    """The models of one evaluation and what is measured of them.

    Args:
        models: name, if it was given one, and spec of each.
        machine: what it is measured on; costs found elsewhere do not count.

    Raises:
        ValueError: in one line: a model that is not there, two of one name, data or a benchmark that cannot be used.
    """

    def __init__(
        self, models: Sequence[tuple[str | None, str]], settings: Settings, machine: Mapping[str, Any]
    ) -> None:
        self.settings, self.machine = settings, machine
        self.files = [load_benchmark(path) for path in settings.benchmarks]
        self.subjects: list[Subject] = [open_subject(spec, name) for name, spec in models]
        names = [subject.name for subject in self.subjects]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise OptionsError([f"two models are called {name}; name each, as in {name}-2=SPEC" for name in twice])
        self.data, self.max_rows, self.data_from = self._choose_data()
        self._data_key = data_key(self.data, self.max_rows)
        self.cache = ResultCache(settings.use_cache)
        self._exposures: dict[str, Exposure] = {}

    def _choose_data(self) -> tuple[tuple[str, ...], int | None, str]:
        """Sources without their weights, rows of each at most, and who named them: the same for every model."""
        if self.settings.data is not None:
            return tuple(name for name, _ in mixing.weights(self.settings.data)), None, "--data"
        configs = {s.name: config for s in self.subjects if (config := _config(s)) and config.get("data")}
        if not configs:
            return DEFAULT_DATA, None, "default"
        named = [name for config in configs.values() for name, _ in mixing.weights(config["data"])]
        rows = {config.get("max_rows_per_source") for config in configs.values()}
        common = rows.pop() if len(rows) == 1 else None
        return tuple(dict.fromkeys(named)), common, f"training_report.json of {', '.join(configs)}"

    def described(self) -> dict[str, Any]:
        """The settings as they stand in ``evaluation.json``."""
        return {
            "data": list(self.data),
            "data_from": self.data_from,
            "max_rows_per_source": self.max_rows,
            "limit": self.settings.limit,
            "answers": answers.N_ANSWERS,
            "max_new_tokens": answers.MAX_NEW_TOKENS,
            "parts": list(self.settings.parts),
            "seed": SEED,
            "dtype": "fp32",
        }

    @cached_property
    def held_out(self) -> held_out.HeldOut:
        return held_out.load_held_out(self.data, self.max_rows, self.settings.limit)

    def run(self) -> dict[str, Any]:
        """``models`` and ``differences`` of ``evaluation.json``."""
        models = {}
        for subject in self.subjects:
            models[subject.name] = self._measure(subject)
            subject.close()
        if "cost" in self.settings.parts:
            self._measure_costs(models)
        found = differences(models)
        for model in models.values():
            for part in ("held_out", "answers"):
                (model.get(part) or {}).pop("per_sample", None)
        return {"models": models, "differences": found}

    def _measure(self, subject: Subject) -> dict[str, Any]:
        """Everything of one model but its cost."""
        missing: list[dict[str, str]] = []

        def part(name: str, measure: Callable[[], Any]) -> Any:
            if name not in self.settings.parts:
                return None
            try:
                return measure()
            except (Unavailable, held_out.NothingHeldOut) as error:
                missing.append({"part": name, "reason": str(error)})
                return None

        if subject.report is None:
            missing.append({"part": "training", "reason": "no training_report.json beside its weights"})
        tasks = part("tasks", lambda: self._tasks(subject)) or []  # first, since a name may be wrong
        about = self._cached("about", subject, {}, "reading", None, lambda: {"parameters": subject.parameters})
        return {
            "name": subject.name,
            "spec": subject.spec,
            "kind": subject.kind,
            "sha256": subject.sha256,
            "parameters": about["parameters"],
            "training_report": subject.report,
            "held_out": part("held-out", lambda: self._held_out(subject)),
            "knowledge": part("knowledge", lambda: self._knowledge(subject, missing)) or [],
            "answers": part("answers", lambda: self._answers(subject)),
            "cost": None,
            "tasks": tasks,
            "missing": missing,
        }

    def _cached(
        self,
        part: str,
        subject: Subject,
        depends_on: Mapping[str, Any],
        doing: str,
        total: Callable[[], int] | None,
        measure: Callable[[], Any],
    ) -> Any:
        def with_bar() -> Any:
            """A bar of the texts that the model has dealt with."""
            name, wait = f"{subject.name}: {doing}", 0.5 if sys.stderr.isatty() else 15
            with tqdm(total=total and total(), desc=name, unit="text", file=sys.stderr, mininterval=wait) as bar:
                subject.done = bar.update
                return measure()

        return self.cache.get(part, {"model": subject.sha256, "seed": SEED, "draws": DRAWS, **depends_on}, with_bar)

    def _held_out(self, subject: Subject) -> Any:
        return self._cached(
            "held-out",
            subject,
            {"data": self._data_key, "limit": self.settings.limit},
            "held-out text",
            lambda: len(self.held_out.samples),
            lambda: held_out.measure(subject, self.held_out),
        )

    def _answers(self, subject: Subject) -> Any:
        return self._cached(
            "answers",
            subject,
            {"data": self._data_key, "limit": self.settings.limit},
            "answers",
            lambda: len(answers.questions(self.held_out.samples)),
            lambda: answers.measure(subject, answers.questions(self.held_out.samples), self.held_out.splits),
        )

    @cached_property
    def _benchmarks(self) -> list[Benchmark]:
        own = (embedded_benchmark(), true_false_benchmark()) if self.settings.true_false else (embedded_benchmark(),)
        return [benchmark.limited(self.settings.limit) for benchmark in (*own, *self.files)]

    def _knowledge(self, subject: Subject, missing: list[dict[str, str]]) -> list[dict[str, Any]]:
        config = {key: (_config(subject) or {}).get(key) for key in _SELECTION}
        if subject.trained_on is not None:
            config["trained_on"] = file_sha256(subject.trained_on)
        stamp = None
        if config["data"]:
            try:
                stamp = data_key(config["data"], config["max_rows_per_source"])
            except CorpusError as error:
                missing.append({"part": "knowledge: what its training held", "reason": str(error)})
        else:
            missing.append({"part": "knowledge: what its training held", "reason": "no report names its data"})
        found = []
        own = {"embedded": "facts of the embedded corpus"}
        if self.settings.true_false:
            own[TRUE_FALSE] = "true or false, of the embedded corpus"
        doing = [*own.values(), *(benchmark.name for benchmark in self.files)]
        for number, sha256 in enumerate([*own, *(benchmark.sha256 for benchmark in self.files)]):

            def measure(number: int = number) -> Any:
                seen = None if stamp is None else self._exposure(config, subject.trained_on)
                return multiple_choice.measure(subject, self._benchmarks[number], seen)

            depends_on = {"benchmark": sha256, "limit": self.settings.limit, "training": config, "data": stamp}
            total = lambda number=number: sum(len(item.options) for item in self._benchmarks[number].items)  # noqa: E731
            found.append(self._cached("knowledge", subject, depends_on, f"questions, {doing[number]}", total, measure))
            if number >= len(own):  # the same questions may lie elsewhere now
                found[-1]["path"] = str(self.files[number - len(own)].path)
        return found

    def _exposure(self, config: Mapping[str, Any], trained_on: Path | None) -> Exposure:
        """What a training has told of the benchmarks' items, read once for all models that had the same data."""
        key = repr(sorted(config.items()))
        if key not in self._exposures:
            self._exposures[key] = exposure(self._benchmarks, training_samples(config, trained_on))
        return self._exposures[key]

    @cached_property
    def _loaded_tasks(self) -> Tasks:
        return load_tasks(self.settings.tasks, next(iter(self.settings.benchmarks), None))

    def _tasks(self, subject: Subject) -> list[dict[str, Any]]:
        def measure() -> list[dict[str, Any]]:
            return harness.measure(subject, self._loaded_tasks, limit=self.settings.limit)

        files = [benchmark.sha256 for benchmark in self.files[:1]]
        settings = {"tasks": self.settings.tasks, "limit": self.settings.limit, "files": files}
        return self._cached("tasks", subject, settings, f"tasks {', '.join(self.settings.tasks)}", None, measure)

    def _measure_costs(self, models: dict[str, dict[str, Any]]) -> None:
        """All models in one run, taking turns."""
        specs = {subject.name: subject.spec for subject in self.subjects}
        key = {"models": {s.name: [s.spec, s.sha256] for s in self.subjects}, "machine": dict(self.machine)}
        reports = {subject.name: subject.report for subject in self.subjects}
        say = partial(print, file=sys.stderr, flush=True)
        costs = self.cache.get("cost", key | {"reports": reports}, lambda: measure_costs(specs, say=say))
        for name, cost in costs.items():
            models[name]["cost"] = cost


def _config(subject: Subject) -> dict[str, Any] | None:
    config = (subject.report or {}).get("config")
    return config if isinstance(config, dict) else None


def differences(models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The first model minus the second, as ``differences`` of ``evaluation.json``; empty for fewer than two.

    What only one of them has, or what was measured on other items, has no difference and is left out.
    """
    if len(models) < 2:
        return {}
    names = list(models)[:2]
    a, b = (models[name] for name in names)
    found: dict[str, Any] = {"models": names, "knowledge": _knowledge(a, b)}
    if a["held_out"] and b["held_out"]:
        for part in held_out.PARTS:
            difference = held_out.difference(a["held_out"], b["held_out"], part)
            if difference is not None:
                found[f"held_out_{part}_bits_per_byte"] = difference
    if a["answers"] and b["answers"] and a["answers"]["per_sample"]["ids"] == b["answers"]["per_sample"]["ids"]:
        for key in ("words", "stopped", "repetition", "rouge_l"):
            ours, theirs = (model["answers"]["per_sample"][key] for model in (a, b))
            found[f"answers_{key}"] = paired_difference(ours, theirs).as_dict()
    return found


def _knowledge(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Over the items of a benchmark that neither model has been trained on word for word."""
    found = []
    others = {entry["benchmark"]: entry for entry in b["knowledge"]}
    for entry in a["knowledge"]:
        other = others.get(entry["benchmark"])
        if other is None or other["sha256"] != entry["sha256"]:
            continue
        tainted = {*entry["contaminated"]["ids"], *other["contaminated"]["ids"]}
        right = [
            {item["id"]: float(item["chosen"] == item["answer"]) for item in one["items"] if item["id"] not in tainted}
            for one in (entry, other)
        ]
        common = [name for name in right[0] if name in right[1]]
        if common:
            ours, theirs = ([one[name] for name in common] for one in right)
            found.append(
                {
                    "benchmark": entry["benchmark"],
                    "n": len(common),
                    "accuracy": paired_difference(ours, theirs).as_dict(),
                }
            )
    return found
