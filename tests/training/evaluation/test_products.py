import pytest
import torch
from torch import nn

from training.evaluation import products
from training.evaluation.products import use_faster_products


def test_products_stay_those_of_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_is_faster", lambda weight: True)  # oneDNN's, also where MKL's are faster
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 96), nn.Linear(96, 32, bias=False))
    inputs = torch.randn(2, 7, 64)
    with torch.inference_mode():
        exact = model.double()(inputs.double())
        model.float()
        assert use_faster_products(model)
        torch.testing.assert_close(model(inputs).double(), exact, rtol=1e-5, atol=1e-5)


def test_only_fp32_on_a_processor_is_changed() -> None:
    layer = nn.Linear(8, 8, dtype=torch.bfloat16)
    assert not use_faster_products(layer)
    assert "forward" not in vars(layer)
    assert not use_faster_products(nn.Embedding(4, 4))
