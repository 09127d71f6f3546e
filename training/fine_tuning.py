"""A pretrained model made trainable by the same loop as Model 1: packed rows, loss where there is a label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from training.bases import Base
from training.loss import cross_entropy_sum
from training.model import PLAIN_ATTENTION_UP_TO, attention_mask
from training.report import new_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class PackedCausalLM(nn.Module):
    """A causal language model of transformers that reads packed rows without attention across documents.

    The output layer is applied only where there is a label: with prompts masked that is less than half of the
    positions, and with SmolLM2's vocabulary of 49,152 the layer is a quarter of the model.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def hidden(self, tokens_BS: Tensor, documents_BS: Tensor) -> Tensor:
        """Final states (B, S, D); positions start anew in each document."""
        length = tokens_BS.shape[1]
        probe = torch.empty(0, device=tokens_BS.device, dtype=compute_dtype(tokens_BS.device))
        self._choose_attention(tokens_BS.device, length)
        return self.model.base_model(
            input_ids=tokens_BS,
            attention_mask=attention_mask(0, length, documents_BS, probe),
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

    def _choose_attention(self, device: torch.device, length: int) -> None:
        """Plain matrix products for short rows on a processor: a step takes 0.77 of the time of SDPA's."""
        plain = device.type == "cpu" and length <= PLAIN_ATTENTION_UP_TO
        chosen = "eager" if plain else "sdpa"
        if self.model.config._attn_implementation != chosen:
            self.model.set_attn_implementation(chosen)


def compute_dtype(device: torch.device) -> torch.dtype:
    """The number format of matrix products in the present context."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else torch.float32


def positions_within(documents_BS: Tensor) -> Tensor:
    """The position of each token in its document (B, S), from 0."""
    index = torch.arange(documents_BS.shape[1], device=documents_BS.device).expand_as(documents_BS)
    begins = torch.ones_like(documents_BS, dtype=torch.bool)
    begins[:, 1:] = documents_BS[:, 1:] != documents_BS[:, :-1]
    return index - torch.where(begins, index, 0).cummax(dim=1).values


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """The transformer's layers, whatever the family calls them."""
    return next(module for module in model.base_model.children() if isinstance(module, nn.ModuleList))


def freeze(model: PreTrainedModel, n_layers: int, dtype: torch.dtype) -> None:
    """Leave the embedding and the lowest layers as they are, kept in ``dtype`` so that no step converts them.

    No gradient flows below the lowest trained layer, which saves two thirds of the arithmetic of the frozen ones.
    """
    if n_layers:
        for module in (model.get_input_embeddings(), *layers_of(model)[:n_layers]):
            module.requires_grad_(False).to(dtype)


def save_final(base: Base, model: PreTrainedModel, folder: Path) -> None:
    """Write model and tokenizer in bf16, in place of what was there; the weights in memory stay as they are.

    Training computes in bf16 where the processor can, so the rounding changes held-out loss in the fourth digit only.
    """
    weights = {name: tensor.detach().to("cpu", torch.bfloat16) for name, tensor in model.state_dict().items()}
    with new_folder(folder) as partial:
        model.save_pretrained(partial, state_dict=weights)
        model.config.dtype = torch.bfloat16  # save_pretrained writes that of the weights in memory
        model.config.save_pretrained(partial)
        base.tokenizer.save_pretrained(partial)
