"""Packed rows give the numbers of documents read alone; only what should learn learns."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, Gemma2Config, Gemma2ForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D

import training.models.loss
from tests.training.tiny_bases import FAMILIES, byte_pairs, save_tiny_base, tiny_model
from training.data.documents import IGNORE_INDEX
from training.models.bases import Base, load_base
from training.models.fine_tuning import (
    SAME_NORMS,
    SAME_SWIGLU,
    Full,
    Lora,
    PackedCausalLM,
    layers_of,
    positions_within,
    save_final,
    store_in,
    use_own_lora,
    use_own_norms,
    use_own_swiglu,
)
from training.models.loss import cross_entropy_sum
from training.models.transformer import RMSNorm, swiglu

LENGTHS = ((7, 20, 5), (30, 1))
PAD_ID = 0


def packed() -> tuple[Tensor, Tensor, Tensor]:
    """Two rows of 32 places with documents of ``LENGTHS``, the last places of the second empty."""
    torch.manual_seed(1)
    tokens = torch.full((2, 32), PAD_ID)
    labels = torch.full((2, 32), IGNORE_INDEX)
    documents = torch.full((2, 32), -1)
    for row, lengths in enumerate(LENGTHS):
        at = 0
        for number, length in enumerate(lengths):
            ids = torch.randint(1, 600, (length,))
            tokens[row, at : at + length] = ids
            labels[row, at + length // 2 : at + length - 1] = ids[length // 2 + 1 :]
            documents[row, at : at + length] = number
            at += length
    return tokens, labels, documents


def alone() -> list[tuple[int, slice]]:
    """Row and places of each document."""
    return [
        (row, slice(sum(lengths[:i]), sum(lengths[: i + 1])))
        for row, lengths in enumerate(LENGTHS)
        for i in range(len(lengths))
    ]


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return tiny_model(request.param, 600)


@pytest.mark.parametrize("plain_up_to", [256, 0])
@pytest.mark.parametrize("training", [False, True])
def test_packed_rows_equal_documents_alone(
    model: PreTrainedModel, plain_up_to: int, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.models.fine_tuning.PLAIN_ATTENTION_UP_TO", plain_up_to)
    tokens, _, documents = packed()
    with torch.no_grad():
        expected = [model(tokens[row : row + 1, place]).logits[0] for row, place in alone()]
    with torch.set_grad_enabled(training):
        logits = model.get_output_embeddings()(PackedCausalLM(model).hidden(tokens, documents))
    for (row, place), of_one in zip(alone(), expected, strict=True):
        torch.testing.assert_close(logits[row, place], of_one, atol=1e-4, rtol=1e-4)


def test_answers_stay_those_of_transformers(model: PreTrainedModel) -> None:
    """Attention with a cache and padding on the left, after the layers were made to read packed rows."""
    prompts = torch.randint(1, 600, (2, 9), generator=torch.Generator().manual_seed(3))
    mask = torch.ones_like(prompts)
    mask[1, :4] = 0
    asked = {"attention_mask": mask, "max_new_tokens": 12, "do_sample": False, "pad_token_id": 0}
    expected = model.generate(prompts, **asked)
    PackedCausalLM(model)
    assert model.generate(prompts, **asked).tolist() == expected.tolist()


def test_what_the_backward_pass_keeps_of_a_layer() -> None:
    """Less than transformers' own layers keep with their plain attention: no scores in fp32, no copies of keys."""
    kept = {}
    for way in ("transformers", "ours"):
        model = tiny_model("llama", 600)
        tokens = torch.ones(2, 128, dtype=torch.long)
        sizes: dict[int, int] = {}

        def keep(tensor: torch.Tensor, sizes: dict[int, int] = sizes) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        kept_by = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with kept_by, torch.autocast("cpu", torch.bfloat16):
            if way == "ours":
                states = PackedCausalLM(model).hidden(tokens, torch.zeros_like(tokens))
            else:
                model.set_attn_implementation("eager")
                states = model.base_model(tokens).last_hidden_state
        kept[way] = sum(sizes.values())
        assert states.requires_grad
    assert kept["ours"] < 0.6 * kept["transformers"]


def test_a_family_with_attention_of_its_own_keeps_it() -> None:
    """Gemma 2 caps its scores, which plain attention would leave out without a word."""
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(2)
    model = Gemma2ForCausalLM(
        Gemma2Config(vocab_size=600, num_key_value_heads=1, head_dim=16, attn_logit_softcapping=0.01, **sizes)
    )
    tokens, _, documents = packed()
    with torch.no_grad():
        expected = [model(tokens[row : row + 1, place]).logits[0] for row, place in alone()]
        found = model.get_output_embeddings()(PackedCausalLM(model).hidden(tokens, documents))
    cap = model.config.final_logit_softcapping
    for (row, place), of_one in zip(alone(), expected, strict=True):
        torch.testing.assert_close(cap * torch.tanh(found[row, place] / cap), of_one, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", SAME_NORMS)
def test_own_norms_compute_what_they_replace(name: str) -> None:
    family = name.removesuffix("RMSNorm").lower()
    module = importlib.import_module(f"transformers.models.{family}.modeling_{family}")
    parent = nn.Sequential(getattr(module, name)(48, eps=1e-3))
    nn.init.normal_(parent[0].weight)
    states = 0.05 * torch.randn(3, 7, 48)
    expected = parent(states)
    use_own_norms(parent)
    assert isinstance(parent[0], RMSNorm)
    torch.testing.assert_close(parent(states), expected)


@pytest.mark.parametrize("name", SAME_SWIGLU)
@pytest.mark.parametrize("learns", [True, False])
def test_own_feed_forward_computes_what_it_replaces(name: str, learns: bool) -> None:
    family = name.removesuffix("MLP").lower()
    module = importlib.import_module(f"transformers.models.{family}.modeling_{family}")
    config = AutoConfig.for_model(family, hidden_size=24, intermediate_size=40, num_attention_heads=2)
    parent = nn.Sequential(getattr(module, name)(config))
    states = torch.randn(3, 7, 24, requires_grad=True)
    expected = parent(states)
    (slope,) = torch.autograd.grad(expected.square().sum(), states)
    use_own_swiglu(parent)
    with torch.set_grad_enabled(learns):
        found = parent(states)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    if learns:
        torch.testing.assert_close(torch.autograd.grad(found.square().sum(), states)[0], slope, rtol=1e-5, atol=1e-6)


def test_where_nothing_learns_the_gate_is_overwritten_and_else_it_is_kept() -> None:
    gate, up = torch.randn(5, 8), torch.randn(5, 8)
    expected = F.silu(gate) * up
    kept = gate.clone()
    torch.testing.assert_close(swiglu(kept, up), expected)
    torch.testing.assert_close(kept, gate)
    with torch.no_grad():
        found = swiglu(kept, up)
    torch.testing.assert_close(found, expected)
    assert found.data_ptr() == kept.data_ptr()


def test_a_feed_forward_layer_of_another_activation_is_left_as_it_is() -> None:
    config = AutoConfig.for_model(
        "llama", hidden_size=24, intermediate_size=40, num_attention_heads=2, hidden_act="gelu"
    )
    parent = nn.Sequential(importlib.import_module("transformers.models.llama.modeling_llama").LlamaMLP(config))
    states = torch.randn(3, 24)
    expected = parent(states)
    use_own_swiglu(parent)
    torch.testing.assert_close(parent(states), expected)


@pytest.mark.parametrize("n_labels", [1, 63, 64, 65, 200])
def test_products_of_the_loss_have_few_sizes(n_labels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN keeps a kernel for each size, so that a run whose labels differ in number would grow with every step."""
    by_kind = {"output": [], "grad_input": [], "grad_weight": []}
    for kind, sizes in by_kind.items():
        product = getattr(training.models.loss, kind)

        def counted(first: Tensor, other: Tensor, product: Any = product, sizes: list[int] = sizes) -> Tensor:
            sizes.append(len(first))
            return product(first, other)

        monkeypatch.setattr(training.models.loss, kind, counted)
    states, weight = torch.randn(300, 16, requires_grad=True), torch.randn(50, 16, requires_grad=True)
    labels = torch.full((300,), IGNORE_INDEX)
    labels[torch.randperm(300)[:n_labels]] = 7
    found = cross_entropy_sum(states, weight, labels, label_smoothing=0.1, chunk_size=128)
    expected = F.cross_entropy(states @ weight.T, labels, label_smoothing=0.1, reduction="sum")
    torch.testing.assert_close(found, expected)
    for mine, theirs in zip(
        torch.autograd.grad(found, (states, weight)), torch.autograd.grad(expected, (states, weight)), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
    for sizes in by_kind.values():
        assert len(sizes) == -(-n_labels // 128)
        assert {n % 64 for n in sizes} == {0}


def test_the_loss_is_that_of_all_logits(model: PreTrainedModel) -> None:
    tokens, labels, documents = packed()
    wrapped = PackedCausalLM(model)
    found = wrapped.loss(tokens, labels, documents)
    logits = model.get_output_embeddings()(wrapped.hidden(tokens, documents))
    expected = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    expected_gradients = torch.autograd.grad(expected, list(model.parameters()))
    found.backward()
    for parameter, gradient in zip(model.parameters(), expected_gradients, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("new_tokens", [0, 2])
def test_a_frozen_part_stays_and_the_rest_learns_the_same(family: str, new_tokens: int) -> None:
    """Freezing changes which weights learn, not the gradients of the others; new tokens are always learned."""
    model = tiny_model(family, 600)
    tokens, labels, documents = packed()
    wrapped = PackedCausalLM(model)
    wrapped.loss(tokens, labels, documents).backward()
    free = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    Full(Base("tiny", model, byte_pairs(False), new_tokens), 0.5, torch.float32)
    wrapped.loss(tokens, labels, documents).backward()
    frozen = {id(p) for p in layers_of(model)[0].parameters()}
    frozen |= set() if new_tokens else {id(model.get_input_embeddings().weight)}
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (id(parameter) not in frozen)
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, free[name], atol=1e-5, rtol=1e-4)
        else:
            assert parameter.grad is None


def test_checkpointed_activations_give_the_same_gradients(model: PreTrainedModel) -> None:
    gradients, runs = [], []
    inside = next(layers_of(model)[0].children())
    inside.register_forward_hook(lambda *_: runs.append("forward"))
    for checkpointed in (False, True):
        wrapped = PackedCausalLM(model).train()
        if checkpointed:
            wrapped.checkpoint_activations()
        torch.manual_seed(5)  # of the dropout
        wrapped.loss(*packed()).backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        model.zero_grad()
    assert len(runs) == 1 + 2
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_positions_start_anew_in_each_document() -> None:
    documents = torch.tensor([[0, 0, 0, 1, 1, -1, -1], [0, 1, 2, 2, 2, 2, -1]])
    assert positions_within(documents).tolist() == [[0, 1, 2, 0, 1, 0, 1], [0, 0, 0, 1, 2, 3, 0]]


@pytest.mark.parametrize("stored_in", [torch.float32, torch.bfloat16])
def test_half_precision_is_near(model: PreTrainedModel, stored_in: torch.dtype) -> None:
    tokens, labels, documents = packed()
    wrapped = PackedCausalLM(model)
    with torch.no_grad():
        exact = float(wrapped.loss(tokens, labels, documents))
        store_in(layers_of(model)[0], stored_in)
        with torch.autocast("cpu", torch.bfloat16):
            near = float(wrapped.loss(tokens, labels, documents))
    assert near == pytest.approx(exact, rel=0.02)
    assert near != exact


def test_rotary_frequencies_keep_their_precision() -> None:
    model: Any = tiny_model("llama", 600)
    store_in(model, torch.bfloat16)
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_the_saved_model_is_the_trained_one_rounded_once(tmp_path: Path) -> None:
    base = load_base(str(save_tiny_base("phi", tmp_path / "base")))
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    save_final(base, tmp_path / "final")
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "final")
    assert loaded.dtype == torch.bfloat16
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, before[name].bfloat16())
        assert torch.equal(base.model.state_dict()[name], before[name])
    written = (tmp_path / "final" / "model.safetensors").read_bytes()
    with torch.no_grad():
        next(base.model.parameters()).add_(1)
    save_final(base, tmp_path / "final")  # in place of what was there
    assert (tmp_path / "final" / "model.safetensors").read_bytes() != written
    assert {path.name for path in tmp_path.iterdir()} - {".diptych.json"} == {"base", "final"}


@pytest.mark.parametrize(("bias", "dtype"), [(False, torch.float32), (True, torch.float32), (True, torch.bfloat16)])
def test_low_rank_products_are_pefts(bias: bool, dtype: torch.dtype) -> None:
    """Output and all gradients; without its matrices, and with them merged, the layer is PEFT's."""
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["0"], init_lora_weights=False)
    theirs: Any = get_peft_model(nn.Sequential(nn.Linear(24, 40, bias)).to(dtype), config)  # type: ignore[arg-type]
    ours = copy.deepcopy(theirs)
    use_own_lora(ours)
    assert [type(model.base_model.model[0]).__name__ for model in (theirs, ours)] == ["Linear", "LoraLinear"]
    x = torch.randn(2, 9, 24)
    found = []
    for model in (theirs, ours):
        given = x.clone().requires_grad_()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            out = model(given)
        out.float().square().sum().backward()
        of_matrices = [p.grad for p in model.parameters() if p.requires_grad]
        assert len(of_matrices) == 2
        found.append([out, given.grad, *of_matrices])
    near = {} if dtype == torch.float32 else {"atol": 0.2, "rtol": 0.03}
    torch.testing.assert_close(found[1], found[0], **near)
    with ours.disable_adapter(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        assert not torch.allclose(ours(x), found[0][0])
    ours.float().merge_adapter()
    torch.testing.assert_close(ours(x), found[0][0].float(), **near)


@pytest.mark.parametrize(
    ("family", "kept"), [("llama", "in memory"), ("gpt2", "in memory"), ("phi", "in memory"), ("gpt2", "on the disk")]
)
def test_lora_ends_in_an_ordinary_model_and_an_adapter(family: str, kept: str, tmp_path: Path) -> None:
    """The best weights, not the last, are merged; PEFT gives the same from the adapter's folder."""
    base = load_base(str(save_tiny_base(family, tmp_path / "base")))
    names = set(base.model.state_dict())
    linear = {n for n, part in layers_of(base.model).named_modules() if isinstance(part, nn.Linear | Conv1D)}
    method = Lora(base, 4, torch.float32)
    beside = (n for n, _ in layers_of(base.model).named_modules())
    assert {n.removesuffix(".lora_A.default") for n in beside if n.endswith(".lora_A.default")} == linear
    tokens, labels, documents = packed()
    wrapped = PackedCausalLM(base.model)
    optimizer = torch.optim.AdamW([p for p in wrapped.parameters() if p.requires_grad], lr=0.02)
    for step in range(4):
        wrapped.loss(tokens, labels, documents).backward()
        optimizer.step()
        optimizer.zero_grad()
        if step == 2:
            method.keep(tmp_path)
            with torch.no_grad():
                best = base.model(tokens).logits
    with torch.no_grad():
        assert (base.model(tokens).logits - best).abs().max() > 0.01
        if kept == "on the disk":  # as after a resume
            method.best = {}
        method.finish(tmp_path)
        torch.testing.assert_close(base.model(tokens).logits, best, atol=1e-3, rtol=1e-3)
        assert set(base.model.state_dict()) == names
        from_adapter = PeftModel.from_pretrained(load_base(str(tmp_path / "base")).model, tmp_path / "adapter")
        torch.testing.assert_close(from_adapter(tokens).logits, best, atol=1e-3, rtol=1e-3)
    final = AutoModelForCausalLM.from_pretrained(tmp_path / "final", dtype="float32")
    assert set(final.state_dict()) == names
