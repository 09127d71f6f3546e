"""A pretrained model made trainable by the same loop as Model 1: packed rows, loss where there is a label.

The loop is ours, not transformers' ``Trainer``: on a CPU a step of the latter takes 1.35 times as long with the
same packed rows, attention and optimizer, since it computes all logits (SmolLM2-135M, 4 rows of 128, bf16, one thread).
"""

from __future__ import annotations

import inspect
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from training.common.checkpoint_folder import FINAL, FOLDERS
from training.common.cli import is_installed
from training.common.files import new_folder
from training.hardware.compute import EXACT, STORED
from training.hardware.products import grad_input, output, use_fast_products
from training.hardware.shards import is_first, whole_weights
from training.models.attention import PLAIN_ATTENTION_UP_TO, plain_attention
from training.models.bases import Base, BaseError, load_base
from training.models.loss import cross_entropy_sum
from training.models.transformer import RMSNorm, attention_mask, swiglu
from training.models.whole import LOWER, check_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_packing(model: PreTrainedModel, name: str) -> None:
    """A model that reads packed rows takes each token's position, and has its layers in one list.

    Raises:
        BaseError: for another.
    """
    takes = inspect.signature(model.base_model.forward).parameters
    if "position_ids" in takes and any(isinstance(part, nn.ModuleList) for part in model.base_model.children()):
        return
    raise BaseError(
        f"{name} is a {model.config.model_type}, which cannot read several samples in a row; use a model of the "
        "families Llama, GPT-2, Phi, Qwen or Mistral"
    )


class PackedCausalLM(nn.Module):
    """A causal language model of transformers that reads packed rows without attention across documents.

    The output layer is applied only where there is a label: with prompts masked that is less than half of the
    positions, and with SmolLM2's vocabulary of 49,152 the layer is a quarter of the model.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        use_packed_attention(model)
        use_own_norms(model)
        use_own_swiglu(model)
        use_fast_products(model)

    @property
    def layers(self) -> nn.ModuleList:
        return layers_of(self.model)

    def checkpoint_activations(self) -> None:
        """Let transformers compute the layers again in the backward pass instead of storing what they computed."""
        self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})

    def hidden(self, tokens_BS: Tensor, documents_BS: Tensor) -> Tensor:
        """Final states (B, S, D); positions start anew in each document."""
        length = tokens_BS.shape[1]
        probe = torch.empty(0, device=tokens_BS.device, dtype=compute_dtype(tokens_BS.device))
        return self.model.base_model(
            input_ids=tokens_BS,
            attention_mask=attention_mask(torch.arange(length), length, documents_BS, probe),
            position_ids=positions_within(documents_BS),
            use_cache=False,
        ).last_hidden_state

    def loss(
        self, tokens_BS: Tensor, labels_BS: Tensor, documents_BS: Tensor, *, label_smoothing: float = 0.0
    ) -> Tensor:
        """Sum of the cross-entropies (nats) over all positions whose label is not −100."""
        states_BSD = self.hidden(tokens_BS, documents_BS).to(compute_dtype(tokens_BS.device))
        output: Any = self.model.get_output_embeddings()
        weight_VD = output.weight
        if getattr(output, "bias", None) is not None:  # Phi: the bias as the weight of a state that is always 1
            weight_VD = torch.cat([weight_VD, output.bias[:, None]], dim=1)
            states_BSD = torch.cat([states_BSD, torch.ones_like(states_BSD[..., :1])], dim=-1)
        return cross_entropy_sum(states_BSD, weight_VD, labels_BS, label_smoothing=label_smoothing)


PLAIN_FAMILIES = ("gpt2", "llama", "mistral", "phi", "qwen2", "qwen3")
"""Model types whose attention is no more than softmax(QK)V; others cap scores (Gemma 2) or add sinks (GPT-OSS)."""


def use_packed_attention(model: PreTrainedModel) -> None:
    """Let the model's layers call ``packed_attention``, through transformers' own register of attention functions.

    Families that it does not know keep what transformers has chosen for them.
    """
    if model.config.model_type not in PLAIN_FAMILIES:
        return
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(packed_attention.__name__, packed_attention)
    AttentionMaskInterface.register(packed_attention.__name__, sdpa_mask)
    model.set_attn_implementation(packed_attention.__name__)


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """Model 1's plain matrix products for short rows on a CPU, else PyTorch's fused attention.

    Args:
        query: (B, H, S, E); ``key`` and ``value`` (B, K, S, E).
        attention_mask: what is added to the scores.

    Returns:
        (B, S, H, E), and no weights: transformers' own plain attention keeps those of every layer twice, in fp32 and in
        the products' format, and a copy of the keys and values for each query head, 15 of 57 MB a layer of
        SmolLM2-135M with 4 rows of 256.
    """
    short = query.device.type == "cpu" and 1 < query.shape[2] == key.shape[2] <= PLAIN_ATTENTION_UP_TO
    if short and attention_mask is not None and attention_mask.dtype.is_floating_point:
        return plain_attention(query, key, value, attention_mask, dropout, scaling).transpose(1, 2), None
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **more)


SAME_NORMS = ("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm")
"""Classes of transformers that compute what ``RMSNorm`` does."""


def use_own_norms(model: PreTrainedModel) -> None:
    """Put Model 1's RMSNorm in place of transformers', which keeps two tensors in fp32 and returns a third; names of
    weights stay."""
    for parent in list(model.modules()):
        for name, norm in parent.named_children():
            if type(norm).__name__ in SAME_NORMS:
                theirs: Any = norm
                own = RMSNorm(theirs.weight.shape[0], theirs.variance_epsilon)
                own.weight = theirs.weight
                setattr(parent, name, own)


SAME_SWIGLU = ("LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP")
"""Classes of transformers that compute ``swiglu`` between three linear layers, with the activation of their setting."""


def use_own_swiglu(model: PreTrainedModel) -> None:
    """Let transformers' feed-forward layers compute ``swiglu`` as Model 1's do; names of weights stay."""
    for layer in model.modules():
        if type(layer).__name__ in SAME_SWIGLU and "SiLU" in type(layer.act_fn).__name__:
            layer.forward = partial(_feed_forward, layer)


def _feed_forward(layer: Any, x: Tensor) -> Tensor:
    down: Tensor = layer.down_proj(swiglu(layer.gate_proj(x), layer.up_proj(x)))
    return down


class LoraProduct(torch.autograd.Function):
    """x (N, I) times weight (O, I), and its low-rank correction: xWᵀ + b + s(xAᵀ)Bᵀ, of which only A and B learn.

    PEFT converts x to A's fp32 and back, scales and adds the correction in passes of their own, and adds up both
    gradients of x in another: with bf16 on two cores of a Xeon with AMX a step of SmolLM2-135M (1,140 tokens) took 1.37
    times as long (docs/experiments.md).
    """

    @staticmethod
    def forward(
        ctx: Any, x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None, a_RI: Tensor, b_OR: Tensor, scale: float
    ) -> Tensor:
        out_NO = output(x_NI, weight_OI, bias_O)
        low_NR = x_NI @ a_RI.T
        torch.addmm(out_NO, low_NR, b_OR.T, alpha=scale, out=out_NO)
        ctx.save_for_backward(x_NI, low_NR, weight_OI, a_RI, b_OR)
        ctx.scale = scale
        return out_NO

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad_NO,) = grads
        x_NI, low_NR, weight_OI, a_RI, b_OR = ctx.saved_tensors
        grad_low_NR = (grad_NO @ b_OR).mul_(ctx.scale)
        grad_x_NI = None
        if ctx.needs_input_grad[0]:
            grad_x_NI = grad_input(grad_NO, weight_OI)
            torch.addmm(grad_x_NI, grad_low_NR, a_RI, out=grad_x_NI)
        return grad_x_NI, None, None, grad_low_NR.T @ x_NI, (grad_NO.T @ low_NR).mul_(ctx.scale), None


def use_own_lora(model: nn.Module) -> None:
    """Let PEFT's matrices beside plain linear layers compute by ``LoraProduct``.

    Those of GPT-2's layers and of bases in 4 bits stay with PEFT.
    """
    from peft.tuners.lora import Linear

    for layer in model.modules():
        if type(layer) is Linear and type(layer.base_layer) is nn.Linear:
            layer.__class__ = _lora_linear()


@cache
def _lora_linear() -> Any:
    """Defined where PEFT is needed, which takes a second to load."""
    from peft.tuners.lora import Linear

    class LoraLinear(Linear):
        """PEFT's layer; disabled or merged it computes as ever."""

        def forward(self, x: Tensor, *arguments: Any, **more: Any) -> Tensor:
            (name,) = self.active_adapters
            if self.disable_adapters or self.merged or not isinstance(self.lora_dropout[name], nn.Identity):
                return super().forward(x, *arguments, **more)
            dtype = compute_dtype(x.device) if torch.is_autocast_enabled(x.device.type) else x.dtype
            base, a, b = self.get_base_layer(), self.lora_A[name].weight, self.lora_B[name].weight
            bias = None if base.bias is None else base.bias.to(dtype)
            x_NI = x.to(dtype).flatten(0, -2)
            with torch.autocast(x.device.type, enabled=False):
                out: Any = LoraProduct.apply(
                    x_NI, base.weight.to(dtype), bias, a.to(dtype), b.to(dtype), self.scaling[name]
                )
            return out.unflatten(0, x.shape[:-1])

    return LoraLinear


def compute_dtype(device: torch.device) -> torch.dtype:
    """The number format of matrix products in the present context."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else EXACT


def positions_within(documents_BS: Tensor) -> Tensor:
    """The position of each token in its document (B, S), from 0."""
    index = torch.arange(documents_BS.shape[1], device=documents_BS.device).expand_as(documents_BS)
    begins = torch.ones_like(documents_BS, dtype=torch.bool)
    begins[:, 1:] = documents_BS[:, 1:] != documents_BS[:, :-1]
    return index - torch.where(begins, index, 0).cummax(dim=1).values


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """The transformer's layers, whatever the family calls them."""
    return next(module for module in model.base_model.children() if isinstance(module, nn.ModuleList))


def store_in(module: nn.Module, dtype: torch.dtype) -> None:
    """Convert the weights of a module, but neither its buffers (rotary frequencies lose their precision) nor layer
    norms (which cannot mix formats with their input)."""
    for part in module.modules():
        if not isinstance(part, nn.LayerNorm):
            for parameter in part.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)


class Full:
    """Training of the weights themselves, from some layer on.

    The embedding and the lowest ``frozen`` share of the layers stay as they are, in ``dtype``, so that no step converts
    them. No gradient flows below the lowest trained layer, which saves two thirds of the arithmetic of the frozen ones.
    The embedding stays trainable where the chat form brought tokens that the base has never seen.
    """

    def __init__(self, base: Base, frozen: float, dtype: torch.dtype) -> None:
        self.base = base
        if not frozen:
            return
        layers = layers_of(base.model)
        modules: list[nn.Module] = list(layers[: int(frozen * len(layers))])
        if not base.new_tokens:
            modules.append(base.model.get_input_embeddings())
        for module in modules:
            store_in(module.requires_grad_(False), dtype)

    def keep(self, out: Path) -> None:
        """The weights are the best so far."""
        save_final(self.base, out / FINAL)

    def finish(self, out: Path) -> None:
        """All is written already."""


class Lora:
    """Low-rank matrices beside every linear layer (Hu et al. 2021, arXiv:2106.09685); the rest is frozen in ``dtype``.

    Their scale is 2 (alpha of twice the rank). Where the chat form brought new tokens, embedding and output layer are
    trained whole. The matrices end up in ``final/``, added to the base, and by themselves in ``adapter/``.
    """

    def __init__(self, base: Base, rank: int, dtype: torch.dtype) -> None:
        from peft import LoraConfig, get_peft_model

        self.base = base
        model: Any = base.model
        self.prepare(model, dtype)
        gpt2 = model.config.model_type == "gpt2"
        config = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM", fan_in_fan_out=gpt2
        )
        self.adapted: Any = get_peft_model(model, config)
        use_own_lora(self.adapted)
        if base.new_tokens:
            for layer in {model.get_input_embeddings(), model.get_output_embeddings()}:
                layer.requires_grad_(True).float()
            model.tie_weights()
        self.best: dict[str, Tensor] = {}

    def prepare(self, model: Any, dtype: torch.dtype) -> None:
        """The base before the matrices are put beside it: in 16 bits."""
        store_in(model, dtype)

    def keep(self, out: Path) -> None:
        """The weights are the best so far."""
        trained = ((name, p) for name, p in self.adapted.named_parameters() if p.requires_grad)
        self.best = {name: parameter.detach().clone() for name, parameter in trained}
        if not is_first():
            return
        with new_folder(out / "adapter", "adapter") as partial:
            self.adapted.save_pretrained(partial, save_embedding_layers=bool(self.base.new_tokens))

    def finish(self, out: Path) -> None:
        """Add the best matrices to the base, which is an ordinary model again afterwards, and write it."""
        if self.best:
            self.adapted.load_state_dict(self.best, strict=False)
        else:  # the best came before the run was stopped and went on
            from peft import load_peft_weights, set_peft_model_state_dict

            set_peft_model_state_dict(self.adapted, load_peft_weights(str(out / "adapter"), device="cpu"))
        self.base.model.float()
        self.adapted.merge_and_unload()
        save_final(self.base, out / FINAL)


class QLora(Lora):
    """The same beside a base in 4 bits, which ``load_base`` has put on a GPU (QLoRA, arXiv:2305.14314).

    The matrices are added to a copy of the base in full precision, which is loaded again at the end: merged into 4
    bits they would lose what they learned.
    """

    def prepare(self, model: Any, dtype: torch.dtype) -> None:
        from peft import prepare_model_for_kbit_training

        prepare_model_for_kbit_training(model, use_gradient_checkpointing=model.is_gradient_checkpointing)

    def finish(self, out: Path) -> None:
        from peft import PeftModel

        whole = load_base(self.base.name, trust_remote_code=self.base.trust_remote_code)
        adapted: Any = PeftModel.from_pretrained(whole.model, out / "adapter")
        adapted.merge_and_unload()
        save_final(whole, out / FINAL)


def four_bit_problems() -> list[str]:
    """What stands against a base in 4 bits on this machine."""
    if not torch.cuda.is_available():
        return ["method=qlora needs an NVIDIA GPU with CUDA; use method=lora, whose base has 16 bits a weight"]
    if not is_installed("bitsandbytes"):
        return ["method=qlora needs the package bitsandbytes; run `pip install bitsandbytes`, or use method=lora"]
    return []


def save_final(base: Base, folder: Path) -> None:
    """Write model and tokenizer in bf16, in place of what was there; the weights in memory stay as they are.

    Training computes in bf16 where the CPU can, so the rounding changes held-out loss in the fourth digit only.

    Raises:
        CheckpointError: a weight is no number; what was there before stays.
    """
    whole = whole_weights(base.model)
    if not is_first():
        return
    weights = {name: tensor.detach().to("cpu", STORED) for name, tensor in whole.items()}
    check_weights(weights.items(), folder, LOWER)
    with new_folder(folder, FOLDERS[FINAL]) as partial:
        base.model.save_pretrained(partial, state_dict=weights)
        base.model.config.dtype = STORED  # save_pretrained writes that of the weights in memory
        base.model.config.save_pretrained(partial)
        base.tokenizer.save_pretrained(partial)
