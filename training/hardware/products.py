"""Matrix products in fp32 on a CPU: oneDNN's in place of MKL's, each kind where it is faster.

PyTorch hands fp32 products on a CPU to MKL, which leaves half of a CPU idle that is not Intel's and has AVX2 alone
(AMD Zen 3, one thread: 45 GFLOPS, oneDNN 74; docs/benchmarks-processors.md). Both round as fp32 does. Products in 16
bits go to oneDNN by themselves. The names are those of a linear layer's three products: y = x Wᵀ, dx = g W, dW = gᵀ x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import register_flop_formula

from training.hardware.compute import EXACT, cpu_seconds

_ONEDNN: Any = torch.ops.mkldnn._linear_pointwise if torch.backends.mkldnn.is_available() else None

LEAST_ROWS = 64
"""Below, as in decoding, arranging the weight for oneDNN takes longer than the product."""
LEAST_GAIN = 1.35
"""In the gap between what CPUs show, so that each process chooses alike and a resumed run has the bits of one that
never stopped: 1.6 and more where MKL is slow, 0.7 to 1.2 elsewhere (docs/experiments.md)."""


@dataclass(frozen=True)
class Fp32Products:
    """Which products go to oneDNN."""

    output: bool = False
    grad_input: bool = False
    grad_weight: bool = False


_measured: Fp32Products | None = None


def fp32_products() -> Fp32Products:
    """The faster way for each kind of product, measured once in a process."""
    global _measured
    if _measured is None:
        _measured = _measure()
    return _measured


@torch.inference_mode()
def _measure(rows: int = 1024, width: int = 384, out: int = 896) -> Fp32Products:
    if _ONEDNN is None:
        return Fp32Products()
    x, weight, grad = torch.ones(rows, width), torch.ones(out, width), torch.ones(rows, out)
    pairs = (
        cpu_seconds(lambda: _onednn(x, weight, None), lambda: F.linear(x, weight)),
        cpu_seconds(lambda: _onednn(grad, weight.T, None), lambda: grad @ weight),
        cpu_seconds(lambda: _onednn(grad.T, x.T, None), lambda: grad.T @ x),
    )
    return Fp32Products(*(mkl > LEAST_GAIN * onednn for onednn, mkl in pairs))


def onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` by oneDNN: x (..., in), weight (out, in), which may be the transpose of what lies in memory."""
    product: Tensor = (_opaque if torch.compiler.is_compiling() else _onednn)(x, weight, bias)
    return product


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = _ONEDNN(x, weight, bias, "none", [], "")
    return product


# torch.compile rewrites PyTorch's own operation for weights that never change; it leaves this one alone.
_opaque = torch.library.custom_op("diptych::onednn_linear", _onednn, mutates_args=())


@_opaque.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty(*x.shape[:-1], weight.shape[0])


if _ONEDNN is not None:

    @register_flop_formula([_ONEDNN, torch.ops.diptych.onednn_linear])
    def _flops(x: torch.Size, weight: torch.Size, *_: Any, **__: Any) -> int:
        return 2 * x.numel() * weight[0]


def is_fake(tensor: Tensor) -> bool:
    """Whether a plan's tensor has a shape and no numbers; told by its name, since its module loads sympy."""
    return type(tensor).__name__ == "FakeTensor"


def products_for(x: Tensor) -> Fp32Products:
    """Which products with ``x`` go to oneDNN by this module's hand: none but those in fp32 on a CPU."""
    if x.device.type != "cpu" or x.dtype != EXACT or torch.is_autocast_enabled("cpu"):
        return Fp32Products()
    if x.numel() < LEAST_ROWS * x.shape[-1]:
        return Fp32Products()
    if torch.compiler.is_compiling() or is_fake(x):  # a trace and a plan have no times to measure
        return _measured or Fp32Products()
    return fp32_products()


def output(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x Wᵀ + b: x (..., in), weight (out, in), y (..., out)."""
    return onednn_linear(x, weight, bias) if products_for(x).output else F.linear(x, weight, bias)


def grad_input(grad: Tensor, weight: Tensor) -> Tensor:
    """dx = g W: grad (..., out), weight (out, in), dx (..., in)."""
    return onednn_linear(grad, weight.T) if products_for(grad).grad_input else grad @ weight


def grad_weight(grad: Tensor, x: Tensor) -> Tensor:
    """dW = gᵀ x: grad (N, out), x (N, in), dW (out, in)."""
    return onednn_linear(grad.T, x.T) if products_for(grad).grad_weight else grad.T @ x


class Fp32Linear(torch.autograd.Function):
    """A linear layer whose three products go where they are faster."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return output(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        flat = grad.flatten(0, -2)
        return (
            grad_input(grad, weight) if of_x else None,
            grad_weight(flat, x.flatten(0, -2)) if of_weight else None,
            flat.sum(0) if of_bias else None,
        )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` by the faster library: x (..., in), weight (out, in)."""
    if products_for(x) == Fp32Products():
        return F.linear(x, weight, bias)
    product: Tensor = Fp32Linear.apply(x, weight, bias)
    return product


class Linear(nn.Linear):
    """``nn.Linear`` with the products of ``linear``."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def use_fast_products(model: nn.Module) -> None:
    """Let the linear layers of another's model take the products of ``linear``; names of weights stay."""
    for layer in model.modules():
        if type(layer) is nn.Linear:
            layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
        elif type(layer).__name__ == "Conv1D":  # GPT-2's, a linear layer with its weight transposed
            layer.forward = partial(_forward_transposed, layer)


def _forward(layer: Any, x: Tensor) -> Tensor:
    return linear(x, layer.weight, layer.bias)


def _forward_transposed(layer: Any, x: Tensor) -> Tensor:
    return linear(x, layer.weight.T, layer.bias)
