"""What each model needs before it is trained: Model 1 by its shape, a base by its configuration, not downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from training.common.progress import Progress, quiet_transformers
from training.hardware.compute import EXACT, STORED, choose_compute
from training.loop.plan import DEVICES, Plan, disk_problems, find_device, make_plan, memory_problems
from training.models.bases import Base, BaseError, source_of, why_not
from training.models.fine_tuning import Full, Lora, PackedCausalLM, check_packing
from training.models.known_bases import KNOWN
from training.models.transformer import ModernTransformer
from training.settings.model1 import Model1Options
from training.settings.model2 import Model2Options

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


FOUR_BIT_BYTES = 0.53
"""Bytes of a weight in NF4 with its share of the scales (QLoRA, arXiv:2305.14314)."""


def config_of(name: str, *, trust_remote_code: bool = False) -> PreTrainedConfig:
    """The configuration of a base: from the table, a folder, or the Hub. Raises BaseError as ``load_base`` does."""
    from transformers import AutoConfig

    quiet_transformers()
    if name in KNOWN:
        return AutoConfig.for_model(KNOWN[name].model_type, **KNOWN[name].config)
    source = source_of(name, Progress())
    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code)
    except Exception as error:  # transformers raises many kinds
        raise BaseError(why_not(name, source, error)) from error


def parameters_of(name: str) -> int:
    """How many parameters a base has, counted without its weights."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config_of(name)).num_parameters()


def builder(options: Model2Options, dtype: torch.dtype) -> tuple[Callable[..., PackedCausalLM], int]:
    """What makes the base of a run without its weights, whole or with fewer layers, and its number of layers."""
    from transformers import AutoModelForCausalLM

    config = config_of(options.base, trust_remote_code=options.trust_remote_code)
    known = KNOWN.get(options.base)
    new_tokens = 2 if known is None or known.is_new_to_turns else 0

    def build(layers: int | None, frozen: int = 0) -> PackedCausalLM:
        shape = config.__class__(**(config.to_dict() | ({} if layers is None else {"num_hidden_layers": layers})))
        try:
            model = AutoModelForCausalLM.from_config(shape, dtype=EXACT, trust_remote_code=options.trust_remote_code)
        except ValueError as error:  # what transformers says names all classes that would do
            raise BaseError(f"{options.base} is a {config.model_type}, no causal language model; name one") from error
        check_packing(model, options.base)
        base = Base(options.base, model, None, new_tokens)  # type: ignore[arg-type] # no tokenizer is needed
        if options.method == "full":
            Full(base, frozen / layers if frozen and layers else options.frozen, dtype)
        else:
            Lora(base, options.lora_rank, dtype)
        packed = PackedCausalLM(model)
        if options.activation_checkpointing:
            packed.checkpoint_activations()
        return packed

    return build, int(config.num_hidden_layers)


def shape_in_training(options: Model2Options) -> Any:
    """The base as it is trained, without its weights: what is frozen is marked so, LoRA's matrices are beside it."""
    options = replace(options, method="lora" if options.method == "qlora" else options.method)
    with torch.device("meta"):
        return builder(options, EXACT)[0](None).model


def plan_base(options: Model2Options, n_tokens: int, device: str | None) -> Plan:
    """The plan of a fine-tuning; the base is not downloaded."""

    build, n_layers = builder(options, find_device(device, options)[1])
    frozen = int(options.frozen * n_layers) if options.method == "full" else 0
    four_bits = _four_bit_weights if options.method == "qlora" else None
    return make_plan(build, n_layers, options, n_tokens, device=device, frozen=frozen, weight_bytes=four_bits)


def base_problems(options: Model2Options, out: Path) -> list[str]:
    """What stands against fine-tuning a base here, told before it is loaded: what it is, its context, memory, disk."""
    dtype = choose_compute(options.dtype).dtype
    try:
        build, _ = builder(options, dtype)
        with torch.device("meta"):
            model = build(None)
    except BaseError as error:
        return [str(error)]
    context = model.model.config.max_position_embeddings
    if options.seq_len > context:
        return [f"seq_len={options.seq_len} exceeds the {context} tokens that {options.base} reads; lower it"]
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    size = options.bytes_to_write(sum(p.numel() for p in model.parameters()), trainable)
    return memory_problems(options, model, lambda: plan_base(options, 0, None)) + disk_problems(out, size)


def _four_bit_weights(model: nn.Module) -> float:
    """Bytes of the weights where the layers' frozen matrices are in 4 bits."""
    size = 0.0
    for name, parameter in model.named_parameters():
        four = not parameter.requires_grad and parameter.dim() == 2 and ".base_layer." in name
        size += parameter.numel() * (FOUR_BIT_BYTES if four else parameter.element_size())
    return size


def list_bases(options: Model2Options) -> Iterator[str]:
    """A table of the bases, line by line, with the memory that each method needs on a card of 24 GB."""
    card = DEVICES["rtx-3090-ti"]
    head = f"{'base':14}{'parameters':>12}{'download':>10}{'context':>9}  {'licence':11}{'stored':8}"
    yield f"{head}{'full':>9}{'lora':>9}{'qlora':>9}  fits {card.memory >> 30} GB"
    for name, known in KNOWN.items():
        config, parameters = config_of(name), parameters_of(name)
        full, lora = (
            plan_base(replace(options, base=name, method=method), 0, "rtx-3090-ti") for method in ("full", "lora")
        )
        build, _ = builder(replace(options, base=name, method="qlora"), STORED)
        with torch.device("meta"):
            four_bits = _four_bit_weights(build(None))
        qlora = replace(lora, memory=lora.memory | {"weights": four_bits})  # its step is that of lora
        plans = {"full": full, "lora": lora, "qlora": qlora}
        fitting = ", ".join(method for method, plan in plans.items() if plan.fits) or "none"
        memory = "".join(f"{plan.total / 1e9:>6.1f} GB" for plan in plans.values())
        yield (
            f"{name:14}{parameters / 1e6:>11,.1f}M{known.megabytes / 1e3:>7.2f} GB"
            f"{config.max_position_embeddings:>9,}  {known.licence:11}{known.stored:8}{memory}  {fitting}"
        )
    yield (
        f"Memory at {options.micro_batch_size} rows of {options.seq_len} tokens at a time; --plan shows its parts. "
        "A folder or an id of the Hub (owner/name) is a base too."
    )


def shape_of(options: Model1Options) -> ModernTransformer:
    """The model without its weights."""
    with torch.device("meta"):
        return ModernTransformer(**options.model_config())


def room_problems(options: Model1Options, out: Path) -> list[str]:
    """Too little memory or disk for the run."""
    shape = shape_of(options)
    size = options.bytes_to_write(shape.n_parameters(), shape.n_parameters())
    return memory_problems(options, shape, lambda: plan(options, 0)) + disk_problems(out, size)


def plan(options: Model1Options, n_tokens: int, device: str | None = None) -> Plan:
    """What a run needs; without a device on the one that it would use."""

    def build(layers: int | None) -> ModernTransformer:
        model = ModernTransformer(**options.model_config() | ({} if layers is None else {"n_layers": layers}))
        model.activation_checkpointing = options.activation_checkpointing
        return model

    return make_plan(build, options.n_layers, options, n_tokens, device=device)
