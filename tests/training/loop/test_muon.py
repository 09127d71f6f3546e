"""Muon in batched products: PyTorch's steps, nearer to the exact polar factor and in three iterations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from training.hardware import products
from training.hardware.products import Fp32Products
from training.loop.optimizer import STACK_ELEMENTS, BatchedMuon, _product, orthogonalise

SHAPES = [(24, 24), (12, 24), (12, 24), (24, 24), (64, 24), (24, 64), (64, 24)]


def polar(matrix: Tensor) -> Tensor:
    """U Vᵀ of U S Vᵀ, exactly."""
    u, _, vh = torch.linalg.svd(matrix.double(), full_matrices=False)
    return u @ vh


class ExactMuon(torch.optim.Muon):
    """PyTorch's Muon as its documentation has it, with the exact polar factor in fp64."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                momentum = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                momentum.lerp_(p.grad, 1 - group["momentum"])
                update = polar(p.grad.lerp(momentum, group["momentum"]))
                rate = group["lr"] * (
                    0.2 * max(p.shape) ** 0.5
                    if group["adjust_lr_fn"] == "match_rms_adamw"
                    else max(1, p.shape[0] / p.shape[1]) ** 0.5
                )
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(rate * update)


@pytest.mark.parametrize("adjust_lr_fn", ["match_rms_adamw", "original"])
@pytest.mark.parametrize("stack_elements", [STACK_ELEMENTS, 1, 3000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_are_those_of_muon(
    adjust_lr_fn: str, stack_elements: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.loop.optimizer.STACK_ELEMENTS", stack_elements)
    torch.manual_seed(0)
    start = [torch.randn(shape) for shape in SHAPES]
    ours, exact, theirs = ([torch.nn.Parameter(matrix.clone()) for matrix in start] for _ in range(3))
    settings = {"lr": 0.05, "weight_decay": 0.1, "adjust_lr_fn": adjust_lr_fn}
    optimizers = (
        BatchedMuon(ours, dtype=dtype, **settings),
        ExactMuon(exact, **settings),
        torch.optim.Muon(theirs, **settings),
    )
    for step in range(4):
        for i, (a, *others) in enumerate(zip(ours, exact, theirs, strict=True)):
            a.grad = torch.randn_like(a)
            for b in others:
                b.grad = a.grad.clone()
            if (step, i) == (1, 3):  # a parameter that took no part in this step
                for p in (a, *others):
                    p.grad = None
        for optimizer in optimizers:
            optimizer.step()
    for before, a, b, c in zip(start, ours, exact, theirs, strict=True):
        moved = (b - before).norm()
        assert moved > 0.05
        assert (a - b).norm() < 0.12 * moved
        assert (a - b).norm() < (c - b).norm()  # nearer than PyTorch's, which takes five iterations


@pytest.mark.parametrize("stops_at", [None, 3])
def test_at_small_batches_every_second_step_moves_the_matrices(stops_at: int | None) -> None:
    """As a step of twice the batch does, by the root of two rates; a run that goes on keeps the count of its steps."""
    torch.manual_seed(0)
    start = torch.randn(12, 24)
    settings = {"lr": 0.05, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
    parameter, exact, momentum = torch.nn.Parameter(start.clone()), start.clone(), torch.zeros_like(start)
    optimizer = BatchedMuon([parameter], every=2, **settings)
    for step in range(1, 7):
        parameter.grad = torch.randn_like(start)
        before = parameter.detach().clone()
        optimizer.step()
        momentum.lerp_(parameter.grad, 0.05)
        if step % 2:
            assert torch.equal(parameter, before)
        else:
            update = polar(parameter.grad.lerp(momentum, 0.95))
            exact.mul_(1 - 2 * 0.05 * 0.1).sub_(0.05 * 2**0.5 * 0.2 * 24**0.5 * update)
        if step == stops_at:
            state, optimizer = optimizer.state_dict(), BatchedMuon([parameter], every=2, **settings)
            optimizer.load_state_dict(state)
    moved = (exact - start).norm()
    assert moved > 0.05
    assert (parameter - exact).norm() < 0.12 * moved


def test_its_state_goes_on_with_either() -> None:
    torch.manual_seed(0)
    parameter = torch.nn.Parameter(torch.randn(8, 12))
    parameter.grad = torch.randn_like(parameter)
    optimizer = BatchedMuon([parameter], lr=0.01)
    optimizer.step()
    other = torch.optim.Muon([parameter], lr=0.5)
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["lr"] == 0.01
    torch.testing.assert_close(other.state[parameter]["momentum_buffer"], 0.05 * parameter.grad)


@pytest.mark.parametrize("by", [Fp32Products(), Fp32Products(True, True, True)], ids=["MKL", "oneDNN"])
@pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 0.105), (torch.bfloat16, 0.13)])
def test_singular_values_end_near_one(
    dtype: torch.dtype, off: float, by: Fp32Products, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a matrix whose values lie far apart, as those of gradients do; smaller ones are only made larger."""
    monkeypatch.setattr(products, "_measured", by)
    torch.manual_seed(0)
    u, _, vh = torch.linalg.svd(torch.randn(3, 32, 80), full_matrices=False)
    values = torch.logspace(0, -1.3, 32) * 1e-4  # gradients are small
    found = orthogonalise((u * values @ vh).to(dtype), 1e-7).float()
    assert (torch.linalg.svdvals(found) - 1).abs().max() < off
    turned = (found - u @ vh).norm(dim=(1, 2)) / (u @ vh).norm(dim=(1, 2))
    assert turned.max() < 0.12
    tiny = orthogonalise((u * torch.logspace(0, -4, 32) @ vh).to(torch.float32), 1e-7)
    assert torch.linalg.svdvals(tiny).max() < 1.105


@pytest.mark.parametrize("by", [Fp32Products(), Fp32Products(True, True, True)], ids=["MKL", "oneDNN"])
@pytest.mark.parametrize("sides", [(160, 160), (130, 170), (257, 300), (150, 700)])
def test_strips_and_the_gram_matrix_change_nothing(
    sides: tuple[int, int], by: Fp32Products, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Matrices large enough to be cut, of which some have singular values far below those that the iterations lift."""
    monkeypatch.setattr(products, "_measured", by)
    monkeypatch.setattr("training.loop.optimizer.has_amx", lambda: False)
    torch.manual_seed(0)
    matrices = torch.randn(3, *sides) @ torch.diag(torch.logspace(0, -5, sides[1])) * 1e-6
    quick = orthogonalise(matrices, 1e-12)
    low = orthogonalise(matrices.bfloat16(), 1e-12)
    monkeypatch.setattr("training.loop.optimizer.STRIPS", 1)
    monkeypatch.setattr("training.loop.optimizer.GRAM_FROM", 1e9)
    whole = orthogonalise(matrices, 1e-12)
    assert (quick - whole).norm() < 1e-4 * whole.norm()
    assert (low - orthogonalise(matrices.bfloat16(), 1e-12)).float().norm() < 0.01 * whole.norm()


@pytest.mark.parametrize("amx", [False, True])
def test_with_amx_a_product_in_16_bits_is_not_cut(amx: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.loop.optimizer.has_amx", lambda: amx)
    widths: dict[torch.dtype, set[int]] = {torch.float32: set(), torch.bfloat16: set()}

    def product(left: Tensor, right: Tensor, *rest: Any) -> Tensor:
        widths[left.dtype].add(left.shape[1])
        return _product(left, right, *rest)

    monkeypatch.setattr("training.loop.optimizer._product", product)
    for dtype in widths:
        orthogonalise(torch.randn(2, 160, 160).to(dtype), 1e-7)
    assert 80 in widths[torch.float32]
    assert (80 in widths[torch.bfloat16]) != amx


def test_a_gradient_of_zeros_moves_nothing() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        assert not orthogonalise(torch.zeros(2, 4, 6, dtype=dtype), 1e-7).any()
