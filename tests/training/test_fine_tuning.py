"""Packed rows give the numbers of documents read alone; only what should learn learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.training.tiny_bases import FAMILIES, save_tiny_base, tiny_model
from training.bases import load_base
from training.fine_tuning import PackedCausalLM, freeze, layers_of, positions_within, save_final
from training.loss import IGNORE_INDEX

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


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_packed_rows_equal_documents_alone(
    model: PreTrainedModel, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if attention == "sdpa":
        monkeypatch.setattr("training.fine_tuning.PLAIN_ATTENTION_UP_TO", 0)
    tokens, _, documents = packed()
    with torch.no_grad():
        states = PackedCausalLM(model).hidden(tokens, documents)
        assert model.config._attn_implementation == attention
        logits = model.get_output_embeddings()(states)
        for row, place in alone():
            torch.testing.assert_close(logits[row, place], model(tokens[row : row + 1, place]).logits[0], atol=1e-4, rtol=1e-4)


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


def test_a_frozen_part_stays_and_the_rest_learns_the_same(model: PreTrainedModel) -> None:
    """Freezing changes which weights learn, not the loss, nor the gradients of the others."""
    tokens, labels, documents = packed()
    wrapped = PackedCausalLM(model)
    wrapped.loss(tokens, labels, documents).backward()
    free = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    freeze(model, 1, torch.float32)
    wrapped.loss(tokens, labels, documents).backward()
    for name, parameter in model.named_parameters():
        frozen = any(parameter is p for p in (*layers_of(model)[0].parameters(), *model.get_input_embeddings().parameters()))
        assert parameter.requires_grad != frozen
        if frozen:
            assert parameter.grad is None
        else:
            torch.testing.assert_close(parameter.grad, free[name], atol=1e-5, rtol=1e-4)


def test_positions_start_anew_in_each_document() -> None:
    documents = torch.tensor([[0, 0, 0, 1, 1, -1, -1], [0, 1, 2, 2, 2, 2, -1]])
    assert positions_within(documents).tolist() == [[0, 1, 2, 0, 1, 0, 1], [0, 0, 0, 1, 2, 3, 0]]


def test_half_precision_is_near(model: PreTrainedModel) -> None:
    tokens, labels, documents = packed()
    wrapped = PackedCausalLM(model)
    with torch.no_grad():
        exact = float(wrapped.loss(tokens, labels, documents))
        with torch.autocast("cpu", torch.bfloat16):
            near = float(wrapped.loss(tokens, labels, documents))
    assert near == pytest.approx(exact, rel=0.02)
    assert near != exact


def test_the_saved_model_is_the_trained_one_rounded_once(tmp_path: Path) -> None:
    base = load_base(str(save_tiny_base("phi", tmp_path / "base")))
    (tmp_path / "final").mkdir()
    (tmp_path / "final" / "of an older run").touch()
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    save_final(base, base.model, tmp_path / "final")
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "final")
    assert loaded.dtype == torch.bfloat16
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, before[name].bfloat16())
        assert torch.equal(base.model.state_dict()[name], before[name])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "final"]
    assert not (tmp_path / "final" / "of an older run").exists()
