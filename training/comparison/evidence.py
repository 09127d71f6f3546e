"""The files that a comparison rests on, read and checked; what is not there is named."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from training.common import json_text
from training.common.checkpoint_folder import (
    CONFIG,
    FINAL,
    HOME,
    IN_HF_FORM,
    PT,
    REPORT,
    TRAINING,
    find,
    holds_version,
)
from training.comparison.values import Show, Source, Status, Value, ends, shown
from training.reporting.report import read_metrics

VERSION = 1
"""Of ``evaluation.json``."""
EVALUATION = Path("checkpoints/evaluation.json")
FOLDERS = {"model1": Path("checkpoints/art_ai_model"), "model2": Path("checkpoints/model2_pretrained")}
"""Where the trainings write, unless told otherwise."""
TITLES = {"model1": "Model 1", "model2": "Model 2"}
PARTS = {"held_out": "held-out", "knowledge": "knowledge", "answers": "answers", "cost": "cost"}
"""Of a model in ``evaluation.json``, with their names there among what is missing."""
WEIGHTS = {"model1": PT, "model2": FINAL}


class ComparisonError(ValueError):
    """A comparison that cannot be made: one line with the value, the rule and the remedy."""


@dataclass(frozen=True)
class Document:
    """A JSON file, or a part of one; a file that is not there is one without content."""

    name: str  # its name among the report's sources
    path: Path | None = None  # where it was read; None when it came from a command, or is not there
    content: Any = None  # what was read; None when it is not there
    raw: bytes = b""  # the bytes of the whole file
    prefix: tuple[str | int, ...] = ()  # the keys from the file's top to this part

    def __bool__(self) -> bool:
        return self.content is not None

    def at(self, *keys: str | int) -> Document:
        """A part; one without content where a key is missing."""
        content = self.content
        for key in keys:
            try:
                content = content[key]
            except (KeyError, IndexError, TypeError):
                content = None
        return replace(self, content=content, prefix=(*self.prefix, *keys))

    def items(self) -> Iterator[Document]:
        """The parts of a list."""
        for place in range(len(self.content) if isinstance(self.content, list) else 0):
            yield self.at(place)

    def find(self, **fields: Any) -> Document:
        """The first part of a list with these fields."""
        for part in self.items():
            if isinstance(part.content, dict) and all(
                part.content.get(name) == value for name, value in fields.items()
            ):
                return part
        return replace(self, content=None)

    def value(self, *keys: str | int, show: Show = str, status: Status = "") -> Value | None:
        """The value at these keys; None where there is none, or it is no finite number."""
        part = self.at(*keys)
        if part.content is None or not _is_finite(part.content):
            return None
        pointer = "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in part.prefix)
        return Value(part.content, shown(part.content, show), (Source(self.name, pointer),), status, show=show)


def _is_finite(raw: Any) -> bool:
    if isinstance(raw, dict):
        middle = raw.get("estimate", raw.get("median"))
        return middle is not None and all(map(_is_finite, (middle, *(ends(raw) or ()))))
    return not isinstance(raw, float) or math.isfinite(raw)


@dataclass(frozen=True)
class Missing:
    """A part that is not there: of which model (None: of the comparison), and why."""

    model: str | None
    part: str
    reason: str

    def __str__(self) -> str:
        return f"{f'Model {self.model[-1]}, ' if self.model else ''}{self.part}: {self.reason}"


@dataclass(frozen=True)
class ModelEvidence:
    """What is known of one of the two models."""

    name: str  # ``model1`` or ``model2``
    title: str  # as the report calls it
    folder: Path  # where its training wrote
    measured: Document  # its part of ``evaluation.json``
    report: Document  # its ``training_report.json``
    card: Document  # its ``data_card.json``
    metrics: Document  # rows of its ``metrics.jsonl``
    architecture: Document  # the ``config.json`` of its Hugging Face form


@dataclass(frozen=True)
class Comparison:
    """Both models and all that is known of them."""

    evaluation: Document  # ``evaluation.json``; without content when nothing was measured
    models: tuple[ModelEvidence, ModelEvidence]  # Model 1 and Model 2, the one that is absent too
    statistics: Document  # of the user test, as ``python -m feedback stats --json`` writes them
    missing: tuple[Missing, ...] = field(default=())  # what is not there, and why

    @property
    def differences(self) -> Document:
        """Model 1 minus Model 2, paired; without content where other models were compared, or one was changed since."""
        found = self.evaluation.at("differences")
        is_theirs = found.at("models").content in (None, list(TITLES)) and all(model.measured for model in self.models)
        return found if is_theirs else replace(found, content=None)

    def documents(self) -> list[Document]:
        """Every file that was read, whole."""
        found = [self.evaluation, self.statistics]
        for model in self.models:
            found += [model.report, model.card, model.metrics, model.architecture]
        return list({document.name: document for document in found if document.raw}.values())


def load(
    evaluation: Path = EVALUATION,
    folders: Mapping[str, Path] = FOLDERS,
    statistics: Document | Missing | None = None,
) -> Comparison:
    """Read what there is about both models.

    Args:
        evaluation: the file that ``python -m training.evaluate`` writes; it may be absent.
        folders: the models' folders; where the evaluation measured others, those are read.
        statistics: of the user test, or why there are none.

    Raises:
        ComparisonError: neither model is there, or a file cannot be read as what it should be; one line.
    """
    measured = read_json("evaluation.json", evaluation)
    missing = [] if measured else [Missing(None, "evaluation", f"{evaluation} does not exist")]
    if measured:
        _check_evaluation(measured)
    models = []
    for name in TITLES:
        model, absent = _model(name, measured, folders[name])
        models.append(model)
        missing += absent
    if not any(model.measured or model.report for model in models):
        raise ComparisonError(_nothing(measured, folders))
    if isinstance(statistics, Document):
        statistics = _of_these_versions(statistics, models)
    if isinstance(statistics, Missing):
        missing.append(statistics)
        statistics = None
    return Comparison(measured, (models[0], models[1]), statistics or Document("statistics.json"), tuple(missing))


def _of_these_versions(statistics: Document, models: list[ModelEvidence]) -> Document | Missing:
    """The statistics, unless their votes are on other weights than lie in the models' folders."""
    for model in models:
        version = statistics.at("study", "models", model.name).content
        if version and holds_version(model.folder, str(version)) is False:
            reason = (
                f"its votes are on another version of {model.title} ({version}) than lies in {model.folder}; name the"
                f" folder of that version with {model.name}=SPEC, or the study of these models with --study"
            )
            return Missing(None, "user testing", reason)
    return statistics


def _nothing(evaluation: Document, folders: Mapping[str, Path]) -> str:
    """What to do where neither model is there."""
    where = f"neither {' nor '.join(str(folders[name]) for name in TITLES)} has a trained model"
    if others := ", ".join(evaluation.at("models").content or ()):
        return f"{where}, and {evaluation.path} has measured {others}; name two of them model1=SPEC and model2=SPEC"
    return f"{where}; train both {TRAINING}"


def _model(name: str, evaluation: Document, folder: Path) -> tuple[ModelEvidence, list[Missing]]:
    """All that there is of a model, and what there is not."""
    measured = evaluation.at("models", name)
    if measured:
        spec = Path(str(measured.at("spec").content))
        found = next((path for path in (spec, HOME / spec) if path.exists()), None)
        # What stands in the usual folder may be another model; a report's own sources have the files without weights.
        beside = (evaluation.path or spec).parent / name
        folder = _folder_of(found) if found else beside
    report = read_json(f"{name}/training_report.json", folder / REPORT)
    is_old = is_changed(measured, report)
    model = ModelEvidence(
        name,
        TITLES[name],
        folder,
        measured=replace(measured, content=None) if is_old else measured,
        report=report or measured.at("training_report"),
        card=read_json(f"{name}/data_card.json", folder / "data_card.json"),
        metrics=_read_metrics(f"{name}/metrics.jsonl", folder / "metrics.jsonl"),
        architecture=_architecture(name, folder),
    )
    return model, [Missing(name, part, reason) for part, reason in _absent(model, evaluation, is_old)]


def _absent(model: ModelEvidence, evaluation: Document, is_old: bool) -> Iterator[tuple[str, str]]:
    """What there is not of a model, and why, each once."""
    if not model.measured and not model.report:
        yield "everything", f"no model in {model.folder}"
        return
    if is_old:
        yield "evaluation", "it was trained again after it had been measured"
    elif evaluation and not model.measured:
        yield "evaluation", "evaluation.json has no measurement of it"
    files = {"training_report.json": model.report, "data_card.json": model.card, "metrics.jsonl": model.metrics}
    yield from ((name, f"no {name} beside its weights") for name, document in files.items() if not document)
    listed = [*model.measured.at("missing").items(), *model.measured.at("cost", "missing").items()]
    missing = dict.fromkeys((str(entry.at("part").content), str(entry.at("reason").content)) for entry in listed)
    yield from missing
    for key, name in PARTS.items():
        if (
            model.measured
            and not model.measured.at(key).content
            and not any(part.startswith(name) for part, _ in missing)
        ):
            yield name, "it was not asked for when the model was measured"


def is_changed(measured: Document, report: Document) -> bool:
    """Whether a model was trained again after it had been measured: its report is no longer the one of then."""
    then = measured.at("training_report")
    return bool(report and then and report.content != then.content)


def _architecture(name: str, folder: Path) -> Document:
    """The shape of a model: of Model 1 in its exported form, of Model 2 beside its weights."""
    return read_json(f"{name}/config.json", (find(folder, IN_HF_FORM) or folder / IN_HF_FORM[0]) / CONFIG)


def _folder_of(spec: Path) -> Path:
    """The folder that a training wrote a model into."""
    return spec.parent if spec.is_file() or spec.resolve().name == FINAL else spec


def read_json(name: str, path: Path) -> Document:
    """A JSON file, without content when it is not there. Raises ComparisonError: it is there and no JSON; one line."""
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Document(name)
    except OSError as error:
        raise ComparisonError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_json(name, raw, path)


def parse_json(name: str, raw: bytes, path: Path | None) -> Document:
    """The JSON object in ``raw``. Raises ComparisonError: it is none; one line."""
    try:
        content = json_text.loads(raw)
    except ValueError as error:
        raise ComparisonError(f"{path or name}: not JSON ({error}); make it again, or name another file") from error
    if not isinstance(content, dict):
        raise ComparisonError(f"{path or name}: a JSON object was expected; make it again, or name another file")
    return Document(name, path, content, raw)


def _read_metrics(name: str, path: Path) -> Document:
    rows = read_metrics(path)
    return Document(name, path, rows, path.read_bytes()) if rows else Document(name)


def _check_evaluation(document: Document) -> None:
    version = document.content.get("version")
    if version != VERSION:
        raise ComparisonError(
            f"{document.path}: version {version!r}, and this program reads version {VERSION}; measure again with"
            " `python -m training.evaluate`"
        )
    models = document.content.get("models")
    if not isinstance(models, dict) or not all(isinstance(entry, dict) for entry in models.values()):
        raise ComparisonError(
            f'{document.path}: has no object "models"; measure again with `python -m training.evaluate`'
        )


def sha256(raw: bytes) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(raw).hexdigest()
