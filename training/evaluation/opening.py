"""Which model a SPEC names, opened to be measured."""

from __future__ import annotations

import re
from pathlib import Path

from training.common.checkpoint_folder import (
    FINAL,
    GGUF,
    HF,
    PT,
    TO_MEASURE,
    CheckpointError,
    find,
    form_of,
    in_words,
    read_report,
)
from training.evaluation.local import GGUFModel, LocalModel
from training.evaluation.server import ServerModel
from training.evaluation.subjects import Subject

FORMS = "a .pt, a checkpoint folder, a .gguf, an id of the Hub (owner/name), or openai:BASE_URL#MODEL"


def open_subject(spec: str, name: str | None = None) -> Subject:
    """The model that ``spec`` names; its weights are loaded when they are needed.

    Raises:
        CheckpointError: one line that says what is wrong with it and what to do.
    """
    if spec.startswith("openai:"):
        return ServerModel(spec, name)

    kind, path = locate(spec)
    return (GGUFModel if kind == "gguf" else LocalModel)(spec, kind, path, name or _name_of(path))


def locate(spec: str) -> tuple[str, Path]:
    """The kind of model that ``spec`` names on this machine or the Hub, and its file or folder.

    Raises:
        CheckpointError: when it is none, or holds none.
    """
    path = Path(spec).expanduser()
    if path.is_dir():
        found = find(path, TO_MEASURE)
        if found is None:
            raise CheckpointError(
                f"{spec} holds none of {in_words(TO_MEASURE)}; train the model first, or give {FORMS}"
            )
        return str(form_of(found)), found
    if path.is_file():
        form = form_of(path)
        if form is None:
            raise CheckpointError(f"{spec} is not a model; give {FORMS}")
        return form, path
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", spec) and path.suffix not in (".pt", ".gguf"):
        return "transformers", _from_hub(spec)
    raise CheckpointError(f"{spec} does not exist; train the model first, or give {FORMS}")


def _from_hub(repository: str) -> Path:
    """The files of a model of the Hub, downloaded if they are not in its cache."""
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
    try:
        folder = Path(snapshot_download(repository, allow_patterns=patterns))
    except Exception as error:  # unknown, gated, offline: each has a class of its own
        reason = " ".join(str(error).split())[:160]
        raise CheckpointError(
            f"{repository} is no file or folder here, and the Hub does not give it ({reason}); train the model first, "
            f"or give {FORMS}"
        ) from error
    return folder


def _name_of(path: Path) -> str:
    """``model1`` or ``model2`` where the training report says so, else the name of the folder or file."""
    report = read_report(path)
    if report and report.get("model") in ("model1", "model2"):
        return str(report["model"])
    return path.parent.name if path.name in (FINAL, HF, GGUF, PT) else path.stem
