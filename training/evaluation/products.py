"""Matrix products in fp32 on a processor: oneDNN's in place of MKL's where they are faster.

PyTorch hands fp32 products to MKL, which leaves most of a processor idle that is not Intel's: 43 GFLOPS against 142 of
oneDNN for 1,000 x 576 x 1,536 on two cores of an AMD EPYC. Both round as fp32 does, so figures stay what they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROWS = 256
"""Rows of the products by which the two are compared: about what a batch of short texts has."""


def use_faster_products(model: nn.Module) -> bool:
    """Let the linear layers of a model that only answers use the faster of the two; whether that is oneDNN.

    There is no backward pass through oneDNN's.
    """
    layers = [layer for layer in model.modules() if type(layer) is nn.Linear]
    if not layers or layers[0].weight.device.type != "cpu" or layers[0].weight.dtype != torch.float32:
        return False
    if not torch.backends.mkldnn.is_available() or not _is_faster(layers[0].weight.detach()):
        return False
    for layer in layers:
        layer.forward = partial(_linear, layer)  # type: ignore[method-assign]
    return True


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, layer.weight, layer.bias, "none", [], "")


@torch.inference_mode()
def _is_faster(weight: Tensor) -> bool:
    x = torch.ones(ROWS, weight.shape[1])
    return _seconds(lambda: torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")) < _seconds(
        lambda: F.linear(x, weight)
    )


def _seconds(product: Callable[[], Tensor]) -> float:
    """The least of some times, the first not counted."""
    product()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        product()
        times.append(time.perf_counter() - started)
    return min(times)
