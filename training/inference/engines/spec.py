"""SPEC: what the command line's --model1 and --model2 may name, and which engine each form gets."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from training.inference.engines import Engine, EngineError
from training.inference.engines.llama_cpp import LlamaCpp
from training.inference.engines.openai_server import OpenAIServer
from training.inference.engines.pytorch import HuggingFace, TrainedFromScratch
from training.inference.openai_client import read_spec, without_password

Role = Literal["model1", "model2"]
MODELS: tuple[Role, Role] = ("model1", "model2")

FORMS = "a checkpoint folder, a .pt, a .gguf, or openai:BASE_URL#MODEL"
# What a checkpoint folder may hold, best first: a GGUF needs no PyTorch in this process.
IN_FOLDER = ("model.gguf", "config.json", "final/config.json", "hf/config.json", "art_ai_best.pt")


def open_engine(spec: str, role: Role) -> Engine:
    """The engine for `spec`, not yet started. Raises EngineError in one line that says what a SPEC may be."""
    if spec.startswith("openai:"):
        return _open_server(spec, role)
    path = Path(spec).expanduser()
    if not path.exists():
        raise EngineError(f"--{role} {spec}: no such file or folder; train it first, or give {FORMS}")
    if path.is_dir():
        path = _find_in_folder(path, role)
    if path.suffix == ".gguf":
        return LlamaCpp(path)
    if path.suffix == ".pt":
        return TrainedFromScratch(path)
    if path.name == "config.json":
        return HuggingFace(path.parent)
    raise EngineError(f"--{role} {spec}: not a model; give {FORMS}")


def _find_in_folder(folder: Path, role: Role) -> Path:
    for name in IN_FOLDER:
        if (folder / name).is_file():
            return folder / name
    raise EngineError(
        f"--{role} {folder}: holds none of {', '.join(IN_FOLDER)}; train the model first, or give {FORMS}"
    )


def _open_server(spec: str, role: Role) -> Engine:

    found = read_spec(spec)
    if found is None:
        raise EngineError(
            f"--{role} {without_password(spec)}: not of the form openai:BASE_URL#MODEL; for example"
            " openai:http://localhost:8000/v1#art"
        )
    return OpenAIServer(*found, role)
