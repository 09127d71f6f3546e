"""A checkpoint that learns from votes, opened as a trainable model, and the version of it that is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.common.checkpoint_folder import (
    CONFIG,
    FINAL,
    GGUF,
    HERE,
    HF,
    PT,
    TOKENIZER,
    CheckpointError,
    checksum,
    find,
    form_of,
    report_in,
    served_sha256,
)
from training.common.files import file_sha256, new_file
from training.common.progress import Progress
from training.data.documents import ChatForm, EncodeBatch
from training.models.bases import Base, load_base, smollm2_gguf, source_of
from training.models.checkpoint import load, save_checkpoint
from training.models.fine_tuning import save_final
from training.models.gguf_format import export_gguf
from training.models.hf_format import export_hf, llama_state_dict, to_llama
from training.models.known_bases import KNOWN
from training.models.tokenizer import CHAT_FORM
from training.settings.improve import ImproveOptions

TRAINABLE = (PT, FINAL, HERE)
IMPROVED = "improved"
"""The folder of a family's versions: ``improved/1/``, ``improved/2/``, ..."""


@dataclass(frozen=True)
class Parent:
    """What learns: where it is, and under which hashes votes may know it.

    Attributes:
        spec: as it was named.
        weights: the file or folder that is trained on.
        folder: of the checkpoint; None for a base that has no checkpoint.
        report: of its training.
        hashes: of each of its forms, by name.
    """

    spec: str
    weights: Path
    folder: Path | None
    report: dict[str, Any]
    hashes: dict[str, str]

    @property
    def is_model1(self) -> bool:
        """Whether it is of Model 1's own form."""
        return form_of(self.weights) == "model1"

    @property
    def kind(self) -> str:
        return "model1" if self.is_model1 else "model2"

    @property
    def sha256(self) -> str:
        return checksum(self.weights)

    def known_as(self, hash_of_votes: str | None) -> str | None:
        """The hash of the form that votes were given on; they may tell no more than its first digits."""
        if not hash_of_votes:
            return None
        return next((found for found in self.hashes.values() if found.startswith(hash_of_votes)), None)

    @property
    def hf(self) -> Path | None:
        """It in Hugging Face's form, by which its memory is planned."""
        found = find(self.weights.parent, (HF,)) if self.is_model1 else self.weights
        return found if found and (found / CONFIG).is_file() else None

    @property
    def context(self) -> int | None:
        """The tokens that it reads; None where that cannot be known before it is loaded."""
        if self.hf is None:
            return None
        config = json.loads((self.hf / CONFIG).read_text(encoding="utf-8"))
        return config.get("max_position_embeddings") or config.get("n_positions")


def find_parent(spec: str, progress: Progress) -> Parent:
    """The checkpoint that ``spec`` names: its folder, its weights, or a base by its name.

    Raises:
        CheckpointError: nothing there that can be trained.
    """
    if spec in KNOWN:
        folder = Path(source_of(spec, progress))
        if not folder.is_dir():
            raise CheckpointError(f"{spec} comes from the Hub; fine-tune it first, or put its files into a folder")
        hashes = _served(folder, HERE)
        if KNOWN[spec].in_wheel:
            hashes[GGUF] = file_sha256(smollm2_gguf(progress))
        return Parent(spec, folder, None, {}, hashes)
    path = Path(spec).expanduser()
    if path.is_file() and path.suffix == ".pt":
        path = path.parent
    if path.suffix == ".gguf" and path.is_file():
        raise CheckpointError(
            f"{spec} is a GGUF, whose numbers are rounded for serving; name the folder with {PT} or {FINAL}/ that it "
            "was made from"
        )
    found = find(path, TRAINABLE) if path.is_dir() else None
    if found is None:
        what = "holds only a GGUF, whose numbers are rounded for serving" if (path / GGUF).is_file() else "holds none"
        what = what if path.is_dir() else "does not exist"
        raise CheckpointError(
            f"{spec} {what}; name a checkpoint folder with {PT} or {FINAL}/ (python app.py or the training commands "
            f"make one), or one of the bases {', '.join(KNOWN)}"
        )
    if form_of(found) == "transformers":
        _must_be_exact(found)
        home = path.parent if path.name in (FINAL, HF) and report_in(path.parent) else path
    else:
        home = path
    return Parent(spec, found, home, report_in(home) or {}, _hashes(home, found))


def _must_be_exact(folder: Path) -> None:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CheckpointError(f"{folder / CONFIG} cannot be read; put the checkpoint's own file there") from None
    if quantised := config.get("quantization_config"):
        how = quantised.get("quant_method", "fewer bits") if isinstance(quantised, dict) else "fewer bits"
        raise CheckpointError(
            f"{folder} is quantised ({how}), and what is learned could not be added to rounded weights; name the "
            "folder of the weights in 16 or 32 bits that it was made from"
        )


def _served(path: Path, name: str) -> dict[str, str]:
    """The hashes under which votes know a form, that of earlier releases under a name of its own."""
    hashes = served_sha256(path)
    found = {name: hashes["sha256"]}
    return found | {f"{name}, weights alone": hashes["weights_sha256"]} if "weights_sha256" in hashes else found


def _hashes(home: Path, weights: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (PT, GGUF, FINAL, HF):
        if form_of(home / name):
            found |= _served(home / name, name)
    return found | _served(home, HERE) if weights == home else found


@dataclass(frozen=True)
class Opened:
    """A parent in memory.

    Attributes:
        base: it in transformers' form; its weights change as it learns.
        encode_batch, form: its tokens and its chat form, as in its training.
        save: writes its weights, with the tokenizer, into a folder; returns where they are.
        exports: other forms, by their names in the folder, each made of what is there.
    """

    base: Base
    encode_batch: EncodeBatch
    form: ChatForm
    save: Callable[[Path, int], Path]
    exports: Callable[[Path], dict[str, Callable[[], Any]]]


def open_parent(parent: Parent, options: ImproveOptions, progress: Progress) -> Opened:
    """Load a parent to be trained.

    Raises:
        CheckpointError, BaseError: it cannot be loaded.
    """
    return _open_model1(parent, options) if parent.is_model1 else _open_model2(parent, options, progress)


def _open_model1(parent: Parent, options: ImproveOptions) -> Opened:
    model, tokenizer = load(parent.weights)
    llama = to_llama(model)
    base = Base(parent.spec, llama, tokenizer.to_transformers(), 0)

    def learned() -> None:
        trained = llama.state_dict()
        for name, tensor in llama_state_dict(model).items():
            tensor.copy_(trained[name])

    def save(folder: Path, step: int) -> Path:
        learned()
        with new_file(folder / TOKENIZER) as partial:
            shutil.copyfile(tokenizer.path, partial)
        save_checkpoint(model.config, model.state_dict(), tokenizer, options, step, folder / PT)
        return folder / PT

    def exports(folder: Path) -> dict[str, Callable[[], Any]]:
        return {
            HF: lambda: export_hf(model.eval(), tokenizer, folder / HF),
            GGUF: lambda: export_gguf(folder / HF, folder / GGUF),
        }

    return Opened(base, tokenizer.encode_batch, CHAT_FORM, save, exports)


def _open_model2(parent: Parent, options: ImproveOptions, progress: Progress) -> Opened:
    base = load_base(str(parent.weights), progress)

    def save(folder: Path, step: int) -> Path:
        save_final(base, folder / FINAL)
        return folder / FINAL

    def exports(folder: Path) -> dict[str, Callable[[], Any]]:
        return {GGUF: lambda: export_gguf(folder / FINAL, folder / GGUF, options.gguf)}

    return Opened(base, base.encode_batch, base.chat_form(), save, exports)


def next_version(family: Path) -> Path:
    """Where the next version of a family is written by default."""
    there = [int(path.name) for path in (family / IMPROVED).glob("*") if path.name.isdecimal()]
    return family / IMPROVED / str(max(there, default=0) + 1)


def family_of(folder: Path) -> Path:
    """The folder of the checkpoint that a version goes back to."""
    return folder.parent.parent if folder.parent.name == IMPROVED else folder
