"""SPEC: what the command line's --model1 and --model2 may name, and which engine each form gets."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from training.common.checkpoint_folder import CONFIG, TO_SERVE, find, form_of, in_words
from training.inference.engines import Engine, EngineError
from training.inference.engines.llama_cpp import LlamaCpp
from training.inference.engines.openai_server import OpenAIServer
from training.inference.engines.pytorch import HuggingFace, TrainedFromScratch
from training.inference.openai_connection import read_spec, without_password

Role = Literal["model1", "model2"]
MODELS: tuple[Role, Role] = ("model1", "model2")

FORMS = "a checkpoint folder, a .pt, a .gguf, or openai:BASE_URL#MODEL"


def open_engine(spec: str, role: Role) -> Engine:
    """The engine for `spec`, not yet started. Raises EngineError in one line that says what a SPEC may be."""
    if spec.startswith("openai:"):
        return _open_server(spec, role)
    path = Path(spec).expanduser()
    if not path.exists():
        raise EngineError(f"--{role} {spec}: no such file or folder; train it first, or give {FORMS}")
    if path.is_dir():
        found = find(path, TO_SERVE)
        if found is None:
            raise EngineError(
                f"--{role} {path}: holds none of {in_words(TO_SERVE)}; train the model first, or give {FORMS}"
            )
        path = found
    elif path.name == CONFIG:
        path = path.parent
    kinds = {"gguf": LlamaCpp, "model1": TrainedFromScratch, "transformers": HuggingFace}
    form = form_of(path)
    if form is None:
        raise EngineError(f"--{role} {spec}: not a model; give {FORMS}")
    return kinds[form](path)


def _open_server(spec: str, role: Role) -> Engine:

    found = read_spec(spec)
    if found is None:
        raise EngineError(
            f"--{role} {without_password(spec)}: not of the form openai:BASE_URL#MODEL; for example"
            " openai:http://localhost:8000/v1#art"
        )
    return OpenAIServer(*found, role)
