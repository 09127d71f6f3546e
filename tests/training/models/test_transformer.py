"""Model 1 against transformers' Llama, and against itself with a cache and with packed documents."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from training.models.transformer import PLAIN_ATTENTION_UP_TO, KeyValueCache, ModernTransformer
from training.settings.model1 import PROFILES

SIZES = {
    "vocab_size": 301,
    "dim": 48,
    "n_layers": 3,
    "n_heads": 6,
    "n_kv_heads": 2,
    "ffn_dim": 80,
    "max_seq_len": PLAIN_ATTENTION_UP_TO + 64,
}


def random_model(**changes: object) -> ModernTransformer:
    torch.manual_seed(0)
    model = ModernTransformer(**(SIZES | changes)).eval()
    for parameter in model.parameters():  # larger than at the start, so that a wrong sign or order shows
        torch.nn.init.normal_(parameter, mean=1.0 if parameter.dim() == 1 else 0.0, std=0.2)
    return model


def llama_of(model: ModernTransformer) -> LlamaForCausalLM:
    """An independent Llama with the same weights, mapped by hand."""
    c = model.config
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=c["vocab_size"],
            hidden_size=c["dim"],
            num_hidden_layers=c["n_layers"],
            num_attention_heads=c["n_heads"],
            num_key_value_heads=c["n_kv_heads"],
            intermediate_size=c["ffn_dim"],
            max_position_embeddings=c["max_seq_len"],
            rms_norm_eps=c["norm_eps"],
            rope_parameters={"rope_type": "default", "rope_theta": c["rope_theta"]},
            tie_word_embeddings=c["tie_embeddings"],
        )
    )
    names = {
        "attention.wq": "self_attn.q_proj",
        "attention.wk": "self_attn.k_proj",
        "attention.wv": "self_attn.v_proj",
        "attention.wo": "self_attn.o_proj",
        "feed_forward.w_gate": "mlp.gate_proj",
        "feed_forward.w_up": "mlp.up_proj",
        "feed_forward.w_down": "mlp.down_proj",
        "attention_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
    }
    own = model.state_dict()
    state = {
        "model.embed_tokens.weight": own["tok_embeddings.weight"],
        "model.norm.weight": own["norm.weight"],
        "lm_head.weight": own["output.weight"],
    }
    for layer, (ours, theirs) in product(range(c["n_layers"]), names.items()):
        state[f"model.layers.{layer}.{theirs}.weight"] = own[f"layers.{layer}.{ours}.weight"]
    llama.load_state_dict(state)
    return llama.eval()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("length", [17, PLAIN_ATTENTION_UP_TO + 30])
def test_logits_equal_those_of_transformers(tied: bool, length: int) -> None:
    model = random_model(tie_embeddings=tied)
    tokens = torch.randint(0, SIZES["vocab_size"], (2, length))
    with torch.no_grad():
        torch.testing.assert_close(model(tokens), llama_of(model)(tokens).logits, atol=1e-4, rtol=1e-4)


def test_cache_changes_nothing() -> None:
    model = random_model()
    tokens = torch.randint(0, SIZES["vocab_size"], (2, 40))
    cache = KeyValueCache(model, batch_size=2)
    with torch.no_grad():
        parts = [model(part, cache=cache) for part in tokens.split([1, 20, 1, 18], dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("filler", [0, PLAIN_ATTENTION_UP_TO])
def test_documents_of_one_row_do_not_see_each_other(filler: int) -> None:
    """Packed side by side they give the logits that each gives alone, short rows and long rows alike."""
    model = random_model()
    documents = [torch.randint(0, SIZES["vocab_size"], (n,)) for n in (5, 11, 7 + filler)]
    numbers = torch.cat([torch.full_like(d, i) for i, d in enumerate(documents)])[None]
    with torch.no_grad():
        packed = model(torch.cat(documents)[None], numbers)[0]
        alone = torch.cat([model(d[None])[0] for d in documents])
    torch.testing.assert_close(packed, alone, atol=1e-4, rtol=1e-4)


def test_loss_and_gradients_equal_the_plain_ones() -> None:
    model = random_model()
    tokens = torch.randint(0, SIZES["vocab_size"], (3, 20))
    labels = torch.where(torch.rand(3, 20) < 0.4, torch.randint(0, SIZES["vocab_size"], (3, 20)), -100)
    model.loss(tokens, labels, label_smoothing=0.1).backward()
    ours = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    plain = torch.nn.functional.cross_entropy(
        model(tokens).flatten(0, 1), labels.flatten(), reduction="sum", label_smoothing=0.1
    )
    plain.backward()
    torch.testing.assert_close(model.loss(tokens, labels, label_smoothing=0.1), plain)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, atol=1e-4, rtol=1e-4)


def test_checkpointed_activations_give_the_same_gradients() -> None:
    tokens, gradients = torch.randint(0, 300, (2, 20)), []
    model = random_model(dropout=0.2).train()
    runs: list[str] = []
    model.layers[0].feed_forward.register_forward_hook(lambda *_: runs.append("forward"))
    for model.activation_checkpointing in (False, True):
        torch.manual_seed(5)
        model.loss(tokens, tokens, torch.zeros_like(tokens)).backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
        model.zero_grad()
    assert len(runs) == 1 + 2
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected)


def test_seed_profile_has_the_stated_size() -> None:
    with torch.device("meta"):
        model = ModernTransformer(**PROFILES["seed"].model_config())
    assert round(model.n_parameters() / 1e6, 1) == 285.8


def test_impossible_sizes_are_all_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"n_heads=7 must divide dim=48; n_kv_heads=2 must divide n_heads=7"):
        ModernTransformer(**(SIZES | {"n_heads": 7}))


def test_too_long_an_input_is_refused() -> None:
    model = random_model()
    with pytest.raises(ValueError, match="exceed max_seq_len=320"):
        model(torch.zeros(1, 321, dtype=torch.long))
