"""Weights that are all there and all numbers: transformers makes up what a file lacks, and nobody hears of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.common.checkpoint_folder import CheckpointError

if TYPE_CHECKING:
    from torch import nn

REMEDY = "put its own files together, or train and export it again"


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
    check_numbers(model, place or folder)
    return model


def check_numbers(model: nn.Module, place: str | Path) -> None:
    """Raises CheckpointError where a weight is not a number or infinite, as training at too high a rate leaves it."""
    import torch

    for name, weight in model.named_parameters():
        if weight.is_floating_point() and weight.numel():
            ends = torch.stack(weight.detach().float().aminmax())
            if not ends.isfinite().all():
                raise CheckpointError(f"{place}: its weight {name} holds what is no number (NaN or infinite); {REMEDY}")


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
