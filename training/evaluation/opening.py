"""Which model a SPEC names, opened to be measured."""

from __future__ import annotations

import re
from pathlib import Path

from training.common.checkpoint_folder import CheckpointError
from training.evaluation.local import GGUFModel, LocalModel
from training.evaluation.server import ServerModel
from training.evaluation.subjects import Subject, read_report

FORMS = "a .pt, a checkpoint folder, a .gguf, an id of the Hub (owner/name), or openai:BASE_URL#MODEL"


# What a checkpoint folder may hold, best first, and what kind of model that is.
IN_FOLDER = {
    "config.json": "transformers",
    "art_ai_best.pt": "model1",
    "final/config.json": "transformers",
    "hf/config.json": "transformers",
    "model.gguf": "gguf",
}


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
        for name, kind in IN_FOLDER.items():
            found = path / name
            if found.is_file():
                return kind, found.parent if name.endswith("config.json") else found
        raise CheckpointError(f"{spec} holds none of {', '.join(IN_FOLDER)}; train the model first, or give {FORMS}")
    if path.is_file():
        kinds = {".pt": "model1", ".gguf": "gguf"}
        if path.suffix not in kinds:
            raise CheckpointError(f"{spec} is not a model; give {FORMS}")
        return kinds[path.suffix], path
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
    return path.parent.name if path.name in ("final", "hf", "model.gguf", "art_ai_best.pt") else path.stem
