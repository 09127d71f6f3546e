"""How many floating-point operations a training takes, from the model's shape alone; its report tells them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from training.models.fine_tuning import layers_of

FORMULA = (
    "per token: 2 for each weight of a matrix product (forward), 2 more where gradients pass through it and 2 more "
    "where it is trained, which is 6 for each parameter but the embeddings where all are trained; attention 2 x "
    "layers x width x row length forward and twice that backward, as if each row were one document; the output layer "
    "as if every token were learned; looking up embeddings is free"
)


def layers_and_width(model: Any) -> tuple[nn.ModuleList, int]:
    """The transformer's layers, and the width of its attention: heads times their size."""
    if hasattr(model, "tok_embeddings"):  # Model 1
        return model.layers, model.config["dim"]

    config = model.config
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return layers_of(model), config.num_attention_heads * head


def product_weights(module: nn.Module) -> Iterable[Tensor]:
    """Weights that an input is multiplied with, those of LoRA's matrices included."""
    from transformers.pytorch_utils import Conv1D

    return (part.weight for part in module.modules() if isinstance(part, nn.Linear | Conv1D))


def _product_flops(weights: Iterable[Tensor], is_passed: bool) -> int:
    return sum(p.numel() * (2 + 2 * is_passed + 2 * p.requires_grad) for p in weights)


def training_flops_per_token(model: Any, seq_len: int) -> int:
    """Of forward and backward pass, as ``FORMULA`` says.

    Args:
        model: Model 1 or a model of transformers, on any device (``meta`` will do), what is frozen marked so.
        seq_len: tokens of a training row.
    """
    layers, width = layers_and_width(model)
    output = model.output if hasattr(model, "output") else model.get_output_embeddings()
    inside = {id(parameter) for parameter in layers.parameters()}
    # Embeddings lie below every layer: where they are trained, gradients pass through all of them.
    looked_up = (part.weight for part in model.modules() if isinstance(part, nn.Embedding))
    is_passed = any(weight.requires_grad for weight in looked_up if id(weight) not in inside)
    total = 0
    for layer in layers:
        is_passed = is_passed or any(parameter.requires_grad for parameter in layer.parameters())
        total += _product_flops(product_weights(layer), is_passed)
        total += (6 if is_passed else 2) * width * seq_len
    return total + _product_flops([output.weight], True)


def counted(model: Any, seq_len: int, tokens: int) -> dict[str, Any]:
    """The operations of a training of so many tokens, as its report has them."""
    per_token = training_flops_per_token(model, seq_len)
    return {"flops": per_token * tokens, "flops_per_token": per_token, "flops_formula": FORMULA}
