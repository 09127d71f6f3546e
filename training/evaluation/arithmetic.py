"""How many floating-point operations a training took, from the model's shape alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.evaluation.subjects import Unavailable
from training.hardware.compute import EXACT
from training.loop.plans import builder, shape_of
from training.models.bases import KNOWN
from training.models.fine_tuning import layers_of
from training.settings.common import in_new_names
from training.settings.model1 import Model1Options
from training.settings.model2 import Model2Options

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


def trained_model(report: Mapping[str, Any], folder: Path) -> Any:
    """The model of a training report, without numbers, with what was frozen marked so.

    Raises:
        Unavailable: settings of another version, or a base whose configuration is not beside the checkpoint.
    """
    try:
        model = _build(report, folder)
    except Unavailable:
        raise
    except Exception as error:  # whatever transformers raises for a configuration that is not one
        raise Unavailable(f"the model's shape cannot be read ({' '.join(str(error).split())[:150]})") from error
    found = sum(p.numel() for name, p in model.named_parameters() if "lora_" not in name)
    if found != report["parameters"]:
        raise Unavailable(f"the report's settings give {found:,} parameters and it tells of {report['parameters']:,}")
    return model


def _build(report: Mapping[str, Any], folder: Path) -> Any:
    config = {key: value for key, value in in_new_names(report["config"]).items() if key != "data"}
    if report["model"] == "model1":
        return shape_of(_with_known(Model1Options(), config))

    options = _with_known(Model2Options(), config)
    if options.base not in KNOWN:
        if not (folder / "final" / "config.json").is_file():
            raise Unavailable(f"{folder / 'final'} has no config.json")
        options = replace(options, base=str(folder / "final"))
    options = replace(options, method="lora" if options.method == "qlora" else options.method)
    with torch.device("meta"):
        return builder(options, EXACT)[0](None).model


def _with_known(options: Any, config: Mapping[str, Any]) -> Any:
    """The settings of a report; those that this version lacks decide nothing about the shape."""
    names = {field.name for field in fields(options)}
    return replace(options, **{key: value for key, value in config.items() if key in names})
