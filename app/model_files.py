"""Which files tell of the models that answer, whether the last evaluation was of these very models, and whether they
have learned enough to be shown to testers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.demo_training import CHECKPOINTS
from feedback.versions import NAMES
from training.common import json_text
from training.common.checkpoint_folder import HOME, TO_MEASURE, find, home_of, report_in
from training.comparison import Comparison, ComparisonError, load
from training.comparison.evidence import Missing
from training.inference.engines.spec import MODELS
from training.reporting.verdict import shortfall

RESULTS = CHECKPOINTS["model1"].parent
"""Where the evaluation and the comparison are kept, unless a test says otherwise."""
EVALUATION = "evaluation.json"
COMPARISON = "comparison"
MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What a file of another shape than our commands write makes of what shows it."""


@dataclass(frozen=True)
class Known:
    """What is known of both models, and what is not."""

    comparison: Comparison | None  # all that their files tell; None where there are none
    absent: tuple[str, ...]  # what is missing as a whole, in sentences


def read_models(specs: Mapping[str, str], results: Path = RESULTS) -> Known:
    """All that the files tell of the models that answer as `specs` say; cheap enough for each look at a page."""
    specs = {model: settled(spec) for model, spec in specs.items()}
    evaluation = results / EVALUATION
    problem = why_not_of_these(specs, evaluation)
    nowhere = results / "nothing"
    folders: dict[str, Path] = {model: home(specs.get(model, "")) or nowhere for model in MODELS}
    unavailable: dict[str, str] = {
        model: _unavailable(specs.get(model, "")) for model in MODELS if folders[model] is nowhere
    }
    absent = [problem] if problem else []
    absent += [f"{NAMES[model]} {reason}" for model, reason in unavailable.items()]
    for source in (nowhere / EVALUATION,) if problem else (evaluation, nowhere / EVALUATION):
        try:
            comparison = load(source, folders)
        except ComparisonError as error:
            if source is evaluation or len(unavailable) < len(MODELS):
                absent.append(f"{error}.")
            continue
        missing = tuple(_in_words(entry, unavailable, absent) for entry in comparison.missing)
        return Known(replace(comparison, missing=missing), tuple(absent))
    return Known(None, tuple(absent))


def _in_words(entry: Missing, unavailable: Mapping[str, str], absent: Sequence[str]) -> Missing:
    """An entry with our reason instead of the name of a file that is not there."""
    reason = unavailable.get(entry.model) if entry.model else next(iter(absent), None)
    if entry.part not in ("evaluation", "everything") or reason is None:
        return entry
    return replace(entry, reason=reason.rstrip("."))


def _unavailable(spec: str) -> str:
    if spec.startswith("openai:"):
        return "answers from a server, which does not tell how it was trained."
    return "has no training report beside its file, so how it was trained is not known."


def home(spec: str) -> Path | None:
    """The folder with the training's report: the SPEC itself, or the one above it (of `hf`, `final` or a file)."""
    if not spec or spec.startswith("openai:"):
        return None
    with contextlib.suppress(OSError):  # a name that is too long, a folder that is not ours to read
        return home_of(path) if (path := _path(spec)) else None
    return None


def settled(spec: str) -> str:
    """A SPEC that means the same from every folder."""
    return spec if not spec or spec.startswith("openai:") else str(Path(spec).expanduser().resolve())


def without_password(spec: str) -> str:
    """A SPEC that can be shown."""
    return re.sub(r"//[^/#]*@", "//", spec)


def _path(spec: str) -> Path | None:
    """Of a SPEC; what the evaluation was told is seen from the repository's root. None for what can be no path."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        return (HOME / Path(spec).expanduser()).resolve()
    return None


def to_measure(spec: str) -> str:
    """The SPEC for `training.evaluate`: of a training's folder its full weights, else what the app itself opens."""
    spec = settled(spec)
    if spec.startswith("openai:"):
        return spec
    path = Path(spec)
    return str((find(path, TO_MEASURE) if path.is_dir() else None) or path)


def why_not_of_these(specs: Mapping[str, str], evaluation: Path) -> str:
    """Why `evaluation.json` does not tell of the models that answer; empty where it does."""
    try:
        models = json_text.loads(evaluation.read_text(encoding="utf-8"))["models"]
        entries = {model: models.get(model) for model in MODELS}
    except FileNotFoundError:
        return "The models have not been evaluated yet."
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "The last evaluation cannot be read; evaluate anew."
    for model in MODELS:
        entry = entries[model]
        if not isinstance(entry, dict):
            return f"The last evaluation did not measure {NAMES[model]}; evaluate anew."
        if _identity(str(entry.get("spec", ""))) != _identity(specs.get(model, "")):
            return f"The last evaluation was of another {NAMES[model]}; evaluate anew."
        if entry.get("training_report") not in (None, report_of(specs.get(model, ""))):
            return f"{NAMES[model]} was trained again since the last evaluation; evaluate anew."
    return ""


def _identity(spec: str) -> Any:
    if spec.startswith("openai:"):
        return without_password(spec)  # as the evaluation names it
    return home(spec) or _path(spec) or spec


def report_of(spec: str) -> dict[str, Any]:
    """The training report beside the model that a SPEC names; empty where there is none that can be read."""
    folder = home(spec)
    return (report_in(folder) if folder else None) or {}


def improvement_of(report: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What a training report tells of learning from votes; empty where it is of no such training."""
    improvement = (report or {}).get("improvement")
    return improvement if isinstance(improvement, dict) else {}


def refusal(spec: str) -> str:
    """Why a guard refused a version that learned from votes, as the end of a sentence; empty where none did."""
    improvement = improvement_of(report_of(spec))
    if improvement.get("accepted") is not False:
        return ""
    return f"was refused after it learned from votes: {'; '.join(reasons(improvement))}"


def reasons(improvement: Mapping[str, Any]) -> list[str]:
    """Why a version was refused, as the part of its report on learning has it."""
    found = improvement.get("refused_because")
    return list(map(str, found)) if isinstance(found, list) and found else ["its report says why"]


def shortfall_of(spec: str, model: str) -> str:
    """Why testers must not be shown the model of a SPEC, in a sentence without its full stop; empty where they may.

    A model without a report, such as that of a server, is shown: nothing tells how much it has learned.
    """
    why = refusal(spec) or shortfall(report_of(spec))
    return f"{NAMES[model]} {why}" if why else ""
