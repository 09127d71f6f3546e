"""Weights that are all there and all numbers: transformers makes up what a file lacks, and nobody hears of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.common.checkpoint_folder import CONFIG, CheckpointError, weights_in
from training.common.progress import quiet_transformers

if TYPE_CHECKING:
    from torch import Tensor

REMEDY = "put its own files together, or train and export it again"
LOWER = "lower learning_rate and train again"


def load_whole(folder: str | Path, place: str | Path = "", **how: Any) -> Any:
    """A causal language model of transformers with every weight that its configuration names.

    Args:
        folder: where it is, or its id at the Hub.
        place: what the message calls it, where that is more than the folder.
        how: as for ``from_pretrained``.

    Raises:
        CheckpointError: some of them are not in its files, or are no numbers.
    """
    from transformers import AutoModelForCausalLM

    from_pretrained: Any = AutoModelForCausalLM.from_pretrained
    model, info = from_pretrained(folder, output_loading_info=True, **how)
    if missing := sorted(info["missing_keys"]):  # transformers would go on with random weights
        raise CheckpointError(
            f"{place or folder}: {len(missing)} of the weights that its config.json names are not there "
            f"({missing[0]}); {REMEDY}"
        )
    check_weights(model.named_parameters(), place or folder)
    return model


def check_weights(weights: Iterable[tuple[str, Tensor]], place: str | Path, remedy: str = REMEDY) -> None:
    """Raises CheckpointError where a weight is not a number or infinite, as training at too high a rate leaves it."""
    import torch

    for name, weight in weights:
        if weight.is_floating_point() and weight.numel():
            ends = torch.stack(weight.detach().float().aminmax())
            if not ends.isfinite().all():
                raise CheckpointError(f"{place}: its weight {name} holds what is no number (NaN or infinite); {remedy}")


def check_folder(folder: Path) -> None:
    """Raises CheckpointError where a folder in Hugging Face's form, before its files are handed on, lacks weights or
    holds what is no number. What only code of its own or a GPU can load is read weight by weight."""
    quiet_transformers()
    with in_one_line(folder):
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if not config.get("auto_map") and not config.get("quantization_config"):
            load_whole(folder, dtype="auto")
            return
        for path in weights_in(folder):
            check_weights(_in_file(path), path)


def _in_file(path: Path) -> Iterator[tuple[str, Tensor]]:
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            yield from ((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118 - it is no dictionary
    else:
        import torch

        yield from torch.load(path, map_location="cpu", weights_only=True).items()


def check_gguf(path: Path) -> None:
    """Raises CheckpointError where a GGUF is none or holds what is no number."""
    import gguf

    try:
        for tensor in gguf.GGUFReader(path).tensors:
            if not np.isfinite(gguf.dequantize(tensor.data, tensor.tensor_type)).all():
                raise CheckpointError(f"{path}: its weight {tensor.name} holds what is no number; {REMEDY}")
    except (ValueError, IndexError, NotImplementedError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: cannot be read as a GGUF ({error}); {REMEDY}") from error


@contextlib.contextmanager
def in_one_line(place: str | Path) -> Iterator[None]:
    """Turns what transformers raises for files that it cannot load into a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # many kinds: OSError, ValueError, SafetensorError, KeyError, ImportError ...
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{place}: transformers cannot load it as a causal language model ({reason}); check its files, or train "
            "and export it again"
        ) from error
