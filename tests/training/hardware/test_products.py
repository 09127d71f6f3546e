"""Products in fp32 on a CPU: by either library they are PyTorch's, forward and backward."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import GPT2Config, GPT2LMHeadModel

from training.hardware import products
from training.hardware.products import Fp32Products, Linear, linear, use_fast_products

ONEDNN = Fp32Products(output=True, grad_input=True, grad_weight=True)


@pytest.fixture(params=[ONEDNN, Fp32Products()], ids=["oneDNN", "MKL"])
def by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fp32Products:
    """One library for every kind of product, whatever is the faster here."""
    monkeypatch.setattr(products, "_measured", request.param)
    return request.param


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_and_its_gradients_are_those_of_pytorch(by: Fp32Products, bias: bool) -> None:
    torch.manual_seed(0)
    layer = Linear(64, 96, bias=bias)
    x = torch.randn(3, 40, 64, requires_grad=True)
    grad = torch.randn(3, 40, 96)
    layer(x).backward(grad)
    ours = [x.grad, *(p.grad for p in layer.parameters())]
    exact = [t.detach().double().requires_grad_() for t in (x, *layer.parameters())]
    F.linear(*exact).backward(grad.double())
    for mine, theirs in zip(ours, exact, strict=True):
        assert mine is not None
        assert theirs.grad is not None
        assert (mine - theirs.grad).norm() < 1e-6 * theirs.grad.norm()


def test_nothing_is_computed_that_nobody_asked_for(by: Fp32Products) -> None:
    layer = Linear(8, 8).requires_grad_(False)
    x = torch.randn(100, 8, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None


def test_onednn_is_taken_for_fp32_on_a_cpu_and_enough_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_measured", ONEDNN)
    assert products.products_for(torch.ones(2, 100, 8)) == ONEDNN
    assert products.products_for(torch.ones(1, 8)) == Fp32Products()  # decoding
    assert products.products_for(torch.ones(100, 8, dtype=torch.bfloat16)) == Fp32Products()
    with torch.autocast("cpu", torch.bfloat16):
        assert products.products_for(torch.ones(100, 8)) == Fp32Products()


def test_layers_of_others_keep_their_results_and_their_weights_names(by: Fp32Products) -> None:
    torch.manual_seed(0)
    for model in (
        nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 32, bias=False)),
        GPT2LMHeadModel(GPT2Config(vocab_size=90, n_positions=80, n_embd=32, n_layer=1, n_head=2)).eval(),
    ):
        inputs = torch.randint(0, 90, (2, 70)) if isinstance(model, GPT2LMHeadModel) else torch.randn(2, 70, 64)
        names = list(model.state_dict())

        def result(model: nn.Module = model, inputs: torch.Tensor = inputs) -> torch.Tensor:
            found = model(inputs)
            return found if isinstance(found, torch.Tensor) else found.logits

        before = result()
        use_fast_products(model)
        torch.testing.assert_close(result(), before, rtol=1e-5, atol=1e-5)
        assert list(model.state_dict()) == names


@pytest.mark.slow
def test_a_compiled_layer_takes_the_same_products(by: Fp32Products) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(80, 24, requires_grad=True), torch.randn(16, 24, requires_grad=True)
    plain = torch.autograd.grad(linear(x, weight).square().sum(), (x, weight))
    compiled = torch.autograd.grad(torch.compile(linear, backend="aot_eager")(x, weight).square().sum(), (x, weight))
    for one, other in zip(plain, compiled, strict=True):
        torch.testing.assert_close(one, other)


def test_the_faster_library_is_looked_for_once() -> None:
    products._measured = None
    assert products.fp32_products() is products.fp32_products()


def test_the_same_library_is_found_each_time() -> None:
    """Else a resumed run would round otherwise than one that never stopped."""
    assert len({products._measure() for _ in range(10)}) == 1


def test_a_plan_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products without numbers take no time that says anything, and the choice is one for the whole process."""
    monkeypatch.setattr(products, "_measured", None)
    with FakeTensorMode():
        assert products.products_for(torch.ones(2, 100, 8)) == Fp32Products()
    assert products._measured is None
