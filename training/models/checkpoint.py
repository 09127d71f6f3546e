"""Model 1's ``.pt``: written, and read back with its tokenizer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.common.checkpoint_folder import TOKENIZER, CheckpointError
from training.common.files import new_file
from training.models.tokenizer import Tokenizer
from training.models.transformer import ModernTransformer
from training.models.whole import LOWER, check_weights


def save_checkpoint(
    config: dict[str, Any],
    weights: dict[str, Tensor],
    tokenizer: Tokenizer,
    options: Any,
    step: int,
    path: Path,
) -> None:
    """Write the checkpoint atomically: plain types and tensors only, so that ``torch.load`` reads it by default.

    Raises:
        CheckpointError: a weight is no number; what was there before stays.
    """
    check_weights(weights.items(), path, LOWER)
    content = {
        "config": config,
        "model_state_dict": {name: tensor.detach().cpu().clone() for name, tensor in weights.items()},
        "tokenizer_sha256": tokenizer.sha256,
        "options": asdict(options),
        "step": step,
    }
    with new_file(path) as partial:
        torch.save(content, partial)


def load(path: str | Path) -> tuple[ModernTransformer, Tokenizer]:
    """Model 1 and its tokenizer from a ``.pt`` file with ``tokenizer.model`` beside it.

    Raises:
        CheckpointError: when the file is missing, damaged or of another program, a weight is no number, or the
            tokenizer is not the one that the model was trained with.
    """
    path = Path(path)
    remedy = "train Model 1 again (python training/train_art_ai_model.py) or name another file"
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; {remedy}")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        model = ModernTransformer(**checkpoint["config"])
        model.load_state_dict(checkpoint["model_state_dict"])
    except Exception as error:  # torch.load raises a dozen kinds for a file that is damaged
        raise CheckpointError(
            f"{path} is not a readable checkpoint of Model 1 ({type(error).__name__}); {remedy}"
        ) from error
    check_weights(model.named_parameters(), path)
    tokenizer = Tokenizer(path.parent / TOKENIZER)
    expected = checkpoint.get("tokenizer_sha256", tokenizer.sha256)
    if tokenizer.sha256 != expected or len(tokenizer) != model.config["vocab_size"]:
        raise CheckpointError(
            f"{tokenizer.path} is not the tokenizer that {path.name} was trained with; put that one there or {remedy}"
        )
    return model.eval(), tokenizer
