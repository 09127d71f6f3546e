"""Muon in batched products takes the steps of PyTorch's."""

from __future__ import annotations

import pytest
import torch

from training import muon
from training.muon import BatchedMuon, orthogonalise

SHAPES = [(24, 24), (12, 24), (12, 24), (24, 24), (64, 24), (24, 64), (64, 24)]


@pytest.mark.parametrize("adjust_lr_fn", ["match_rms_adamw", "original"])
@pytest.mark.parametrize("stack_elements", [muon.STACK_ELEMENTS, 1, 3000])
def test_steps_are_those_of_pytorch(adjust_lr_fn: str, stack_elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "STACK_ELEMENTS", stack_elements)
    torch.manual_seed(0)
    start = [torch.randn(shape) for shape in SHAPES]
    ours, theirs = ([torch.nn.Parameter(matrix.clone()) for matrix in start] for _ in range(2))
    settings = {"lr": 0.05, "weight_decay": 0.1, "adjust_lr_fn": adjust_lr_fn}
    optimizers = BatchedMuon(ours, **settings), torch.optim.Muon(theirs, **settings)
    for step in range(4):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
            if (step, i) == (1, 3):  # a parameter that took no part in this step
                a.grad = b.grad = None
        for optimizer in optimizers:
            optimizer.step()
    for before, a, b in zip(start, ours, theirs, strict=True):
        moved = (b - before).norm()
        assert moved > 0.05
        assert (a - b).norm() < 0.02 * moved  # bf16 in another order


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


def test_directions_have_singular_values_near_one() -> None:
    torch.manual_seed(0)
    directions = orthogonalise(torch.randn(3, 16, 40), (3.4445, -4.775, 2.0315), 5, 1e-7)
    values = torch.linalg.svdvals(directions)
    assert values.shape == (3, 16)
    assert 0.6 < values.min() < values.max() < 1.3
