"""Which parameters each optimizer gets, for both models."""

from __future__ import annotations

import pytest
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from training.loop.optimizer import BatchedMuon, build_optimizers
from training.models.fine_tuning import PackedCausalLM
from training.models.transformer import ModernTransformer
from training.settings.common import TrainingOptions

SMALL = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
SHAPES = {
    "llama": {**SMALL, "intermediate_size": 48, "tie_word_embeddings": False},
    "gpt2": {"vocab_size": 64, "n_positions": 32, "n_embd": 32, "n_layer": 1, "n_head": 2},
    "phi": {**SMALL, "intermediate_size": 48},
}


def muons(model: nn.Module) -> set[str]:
    """Names of the parameters that Muon gets."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    adamw, muon = build_optimizers(model, TrainingOptions(optimizer="muon", learning_rate=1e-3, weight_decay=0.1))
    assert isinstance(muon, BatchedMuon)
    given = [names[id(p)] for optimizer in (adamw, muon) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(given) == sorted(names.values()), "each parameter has one optimizer"
    return {names[id(parameter)] for group in muon.param_groups for parameter in group["params"]}


@pytest.mark.parametrize("kind", SHAPES)
def test_muon_gets_no_embedding_and_no_output_layer_of_a_base(kind: str) -> None:
    base = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SHAPES[kind]))
    model = PackedCausalLM(base)
    outer = {id(base.get_input_embeddings().weight), id(base.get_output_embeddings().weight)}
    found = muons(model)
    assert found
    assert not {name for name, parameter in model.named_parameters() if id(parameter) in outer} & found
    assert not [name for name in found if "wpe" in name or "wte" in name or "embed" in name or "lm_head" in name]


def test_muon_gets_the_matrices_of_model_1s_layers_alone() -> None:
    model = ModernTransformer(vocab_size=64, dim=32, n_layers=2, n_heads=2, n_kv_heads=1, ffn_dim=48, max_seq_len=16)
    found = muons(model)
    assert found == {name for name, p in model.named_parameters() if name.startswith("layers.") and p.dim() == 2}
