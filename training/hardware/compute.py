"""The one place that decides which device a run uses and in which number format it multiplies, and why.

Training, optimizers, decoding, evaluation and plans ask here; `training/hardware/products.py` has fp32 products of a
CPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal

import psutil
import torch

DType = Literal["auto", "bf16", "fp16", "fp32"]

FORMATS = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
_BY_NAME = {name: dtype for dtype, name in FORMATS.items()}

EXACT = torch.float32
"""Of weights as they are trained and of every figure that is reported: evaluation, decoding, sums."""
STORED = torch.bfloat16
"""Of weights that are only read again: a frozen base on a GPU in 4 bits, Model 2's folder."""

LEAST_SPEEDUP = 1.2
"""Of 16 bits over fp32, below which the conversions between them cost more than the products save."""


@dataclass(frozen=True)
class Compute:
    """A device with the number format of its matrix products; ``reason`` says why that one."""

    device: torch.device
    dtype: torch.dtype
    reason: str

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    @property
    def optimizer_dtype(self) -> torch.dtype:
        """Of Muon's products: bf16 where the model's are; fp16's range ends where small singular values lie."""
        return self.dtype if self.dtype == torch.bfloat16 else EXACT

    @property
    def needs_scaler(self) -> bool:
        """Whether gradients underflow without a scaled loss (arXiv:1710.03740)."""
        return self.dtype == torch.float16

    @property
    def dtype_name(self) -> str:
        return FORMATS[self.dtype]

    @property
    def name(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"{self.device.type} ({torch.get_num_threads()} threads)" if self.device.type == "cpu" else "mps"


def choose_compute(dtype: DType = "auto") -> Compute:
    """CUDA where there is one, else Apple's MPS, else the CPU; bf16 where it pays."""
    if torch.cuda.is_available():
        device = torch.device("cuda")
        supported = torch.cuda.is_bf16_supported()
        automatic, reason = (torch.bfloat16, "the GPU has it") if supported else (torch.float16, "the GPU lacks bf16")
    elif torch.backends.mps.is_available():
        device, automatic, reason = torch.device("mps"), torch.float32, "autocast does not pay on MPS"
    else:
        device = torch.device("cpu")
        keep_freed_memory()
        speedup = cpu_speedup(torch.bfloat16)
        automatic = torch.bfloat16 if speedup > LEAST_SPEEDUP else torch.float32
        reason = f"matrix products in bf16 run at {speedup:.2g} times the speed of fp32 here"
    if dtype == "auto":
        return Compute(device, automatic, reason)
    return Compute(device, _BY_NAME[dtype], "asked for" + _emulated(device, _BY_NAME[dtype]))


def gpu_dtype(dtype: DType) -> torch.dtype:
    """The number format of a run on a GPU that is not here; those of today have bf16."""
    return torch.bfloat16 if dtype == "auto" else _BY_NAME[dtype]


def serving_dtype(device: str) -> torch.dtype | Literal["auto"]:
    """The format in which transformers loads a model that answers: exact on a CPU, else as its weights are stored."""
    return EXACT if device == "cpu" else "auto"


def _emulated(device: torch.device, dtype: torch.dtype) -> str:
    """What a format costs that the CPU has no instructions for; empty where it pays."""
    if device.type != "cpu" or dtype == torch.float32 or (speedup := cpu_speedup(dtype)) > LEAST_SPEEDUP:
        return ""
    return (
        f", though this CPU only emulates it: its products take {1 / speedup:.2g} times as long as in fp32; "
        "dtype=auto or fp32 is faster"
    )


@cache
def keep_freed_memory() -> None:
    """Let glibc keep blocks up to 32 MB, its limit, when a tensor dies, instead of giving them back to the kernel.

    By default each larger intermediate result is mapped anew and cleared page by page: half of the time of the
    cross-entropy, a tenth of a step of a small model (`benchmarks/model1_step.py`). Elsewhere than on glibc nothing is
    changed.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(ctypes.c_int(-3), ctypes.c_int(1 << 25))  # M_MMAP_THRESHOLD
        mallopt(ctypes.c_int(-1), ctypes.c_int((1 << 31) - 1))  # M_TRIM_THRESHOLD


def cpu_seconds(*ways: Callable[[], object], rounds: int = 5, seconds: float = 0.03) -> tuple[float, ...]:
    """The least CPU time of each way in one thread, the ways in turns; programs beside this one hardly matter.

    With all threads and the clock on the wall, programs beside it made the ratio of bf16 to fp32 anything from 0.2 to
    34 where a quiet machine has 4.3 (docs/experiments.md). Five rounds of products of 0.2 ms may all follow a change
    of program, which leaves the caches cold: they gave 0.67 to 2.3 for 2.2, and thirty milliseconds of them 2.1 to 2.3.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times: list[list[float]] = [[] for _ in ways]
        begun, done = time.thread_time(), -1  # the first round warms up
        while done < rounds or time.thread_time() - begun < seconds:
            for way, taken in zip(ways, times, strict=True):
                started = time.thread_time()
                way()
                taken.append(time.thread_time() - started)
            done += 1
    finally:
        torch.set_num_threads(threads)
    return tuple(min(taken[1:]) for taken in times)


@cache
def cpu_speedup(dtype: torch.dtype) -> float:
    """How much faster this CPU multiplies matrices in a format than in fp32; far below 1 where it only emulates."""
    factors = {name: (torch.ones(128, 512, dtype=name), torch.ones(512, 512, dtype=name)) for name in (EXACT, dtype)}
    exact, asked = cpu_seconds(*(partial(torch.mm, *factors[name]) for name in (EXACT, dtype)))
    return exact / asked


@cache
def has_amx() -> bool:
    """Whether this CPU multiplies in 16 bits by AMX's tiles (Intel's servers since 2023), which need large matrices."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def memory_bytes(device: torch.device) -> int:
    """Memory that a run can have: all of a GPU's, what is free of the machine's (a control group's limit included)."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    found = [psutil.virtual_memory().available]
    with contextlib.suppress(OSError, ValueError):
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        found.append(int(limit) - int(used))
    return min(found)
