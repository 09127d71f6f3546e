"""A checkpoint's folder: what lies where, which of it is preferred for what, its form, its hash and its report.

    checkpoints/art_ai_model/         Model 1: art_ai_best.pt, tokenizer.model, hf/, model.gguf
    checkpoints/model2_pretrained/    Model 2: final/, model.gguf; with LoRA adapter/

Beside the weights lie training_report.json, metrics.jsonl, training_curves.png, data_card.json, trained_on.uint64 and
README.md, and resume/ while a run is unfinished. No other module knows in which order these are preferred.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from training.common import json_text
from training.common.files import MANIFEST, ForeignFileError, file_sha256

Form = Literal["model1", "transformers", "gguf"]

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT if (ROOT / "pyproject.toml").is_file() else Path.cwd()
"""Where checkpoints, logs and votes lie: the repository, or of an installed package the folder that it is used from."""
TRAINING = "with `make app`" if HOME == ROOT else "with `diptych train model1` and `diptych train model2`"
"""How both models are trained, for a line about models that are not there."""
CHECKPOINTS = HOME / "checkpoints"
MODEL1_FOLDER = CHECKPOINTS / "art_ai_model"
MODEL2_FOLDER = CHECKPOINTS / "model2_pretrained"

PT, FINAL, HF, GGUF, HERE = "art_ai_best.pt", "final", "hf", "model.gguf", "."
"""Weights by their names in a folder: Model 1 as PyTorch saves it, Model 2 and the export of Model 1 in Hugging Face's
form, either for llama.cpp; the folder itself may be one in Hugging Face's form too."""
REPORT, TOKENIZER, CONFIG = "training_report.json", "tokenizer.model", "config.json"
RESUME = "resume"
METRICS, CURVES = "metrics.jsonl", "training_curves.png"
TRAINED_ON = "trained_on.uint64"
"""A hash of the id of each sample that was trained on."""

TO_SERVE = (GGUF, HERE, FINAL, HF, PT)
"""Best first: a GGUF needs no PyTorch."""
TO_MEASURE = (HERE, PT, FINAL, HF, GGUF)
"""Best first: the weights as they were trained."""
TO_EXPORT = (PT, FINAL, HERE)
IN_HF_FORM = (HF, FINAL, HERE)

BESIDE_WEIGHTS = (
    *(CONFIG, "generation_config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "chat_template*"),
    *("vocab*", "merges.txt", "spiece.model"),
)
"""What decides the answers of a folder in Hugging Face's form beside its weights."""

FILES = (
    *(PT, "tokenizer.new", TOKENIZER, GGUF, "README.md", CURVES),
    *(METRICS, REPORT, "data_card.json", "data_card.md", TRAINED_ON),
)
FOLDERS = {HF: "hf", FINAL: "final", "adapter": "adapter"}
"""What a training of either model writes into ``--out``, beside its states: names of folders with their kinds."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one line and says what to do."""


def find(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of some weights that a folder holds: a file, or a folder in Hugging Face's form."""
    return next((folder / name for name in names if form_of(folder / name)), None)


def form_of(path: Path) -> Form | None:
    """What a file or folder is; None where it is no model."""
    if path.is_dir():
        return "transformers" if (path / CONFIG).is_file() else None
    forms: dict[str, Form] = {".pt": "model1", ".gguf": "gguf"}
    return forms.get(path.suffix) if path.is_file() else None


def in_words(names: Sequence[str]) -> str:
    """Names of weights as a message lists them."""
    return ", ".join(name if name in (PT, GGUF) else str(Path(name) / CONFIG) for name in names)


def check_apart(progress: Path | None, out: Path) -> None:
    """Raises ForeignFileError where a progress file would take a place that the training in ``out`` writes to."""
    home = out.resolve()
    if progress is None or not progress.resolve().is_relative_to(home):
        return
    inside = progress.resolve().relative_to(home).parts[:1]
    if {*inside} & {*FILES, *FOLDERS, RESUME, MANIFEST}:
        raise ForeignFileError(f"--progress {progress} is where the training in {out} writes itself; name another file")


def home_of(path: Path) -> Path | None:
    """The folder of the training that wrote a file or folder, which holds its report; None without one."""
    folders = (path, path.parent) if path.is_dir() else (path.parent, path.parent.parent)
    return next((folder for folder in folders if (folder / REPORT).is_file()), None)


def read_report(path: Path) -> dict[str, Any] | None:
    """The report of the training that wrote a file or folder; None without a readable one."""
    home = home_of(path)
    return report_in(home) if home else None


def report_in(folder: Path) -> dict[str, Any] | None:
    """``training_report.json`` of this very folder; None where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        report = json_text.loads((folder / REPORT).read_text(encoding="utf-8"))
        return report if isinstance(report, dict) else None
    return None


def weights_in(folder: Path) -> list[Path]:
    """The files of weights of a folder in Hugging Face's form."""
    found = (sorted(folder.glob(pattern)) for pattern in ("*.safetensors", "pytorch_model*.bin"))
    return next((files for files in found if files), [])


def served_sha256(path: Path) -> dict[str, str]:
    """The hashes under which votes know what answers from a file or folder.

    ``sha256`` is of all that decides the answers. A GGUF holds that in one file; so does a `.pt`, which knows the hash
    of its tokenizer. Of a folder with one file of weights, votes of earlier releases know ``weights_sha256``.
    """
    weights = weights_in(path) if path.is_dir() else []
    if len(weights) != 1:
        return {"sha256": checksum(path) if path.is_dir() else file_sha256(path)}
    of_weights = file_sha256(weights[0])
    others = sorted({file for pattern in BESIDE_WEIGHTS for file in path.glob(pattern) if file.is_file()})
    lines = [f"{of_weights}  weights", *(f"{file_sha256(file)}  {file.name}" for file in others)]
    return {"sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(), "weights_sha256": of_weights}


def holds_version(folder: Path, version: str) -> bool | None:
    """Whether a folder has a model of this version, such as ``sha256:3f2a91c0b7e1d604``; None where it has none."""
    found = [folder / name for name in TO_SERVE if form_of(folder / name)]
    digits = version.removeprefix("sha256:")
    hashes = (known for path in found for known in served_sha256(path).values())
    return any(known.startswith(digits) for known in hashes) if found else None


def checksum(path: Path) -> str:
    """SHA-256 over a model's file, and the tokenizer beside it, or over all files of its folder with their names."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        files = [file for file in files if file.suffix not in (".md", ".png")]
    else:
        files = [path, path.parent / TOKENIZER] if path.suffix == ".pt" else [path]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(file.name.encode() + b"\0")
            with file.open("rb") as content:
                while block := content.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
