"""Which device and number format a run uses, and why."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import torch

DType = Literal["auto", "bf16", "fp16", "fp32"]


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
    def dtype_name(self) -> str:
        return {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}[self.dtype]

    @property
    def name(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"{self.device.type} ({torch.get_num_threads()} threads)" if self.device.type == "cpu" else "mps"


def choose_compute(dtype: DType = "auto") -> Compute:
    """CUDA where there is one, else Apple's MPS, else the processor; bf16 where it pays."""
    if torch.cuda.is_available():
        device = torch.device("cuda")
        supported = torch.cuda.is_bf16_supported()
        automatic, reason = (torch.bfloat16, "the GPU has it") if supported else (torch.float16, "the GPU lacks bf16")
    elif torch.backends.mps.is_available():
        device, automatic, reason = torch.device("mps"), torch.float32, "autocast does not pay on MPS"
    else:
        device = torch.device("cpu")
        keep_freed_memory()
        speedup = bf16_speedup()
        automatic = torch.bfloat16 if speedup > 1.2 else torch.float32
        reason = f"matrix products in bf16 run at {speedup:.1f} times the speed of fp32 here"
    if dtype == "auto":
        return Compute(device, automatic, reason)
    chosen = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[dtype]
    return Compute(device, chosen, "asked for")


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


@cache
def bf16_speedup() -> float:
    """How much faster this processor multiplies matrices in bf16 than in fp32; below 1 where it only emulates."""

    def seconds(dtype: torch.dtype) -> float:
        a, b = torch.ones(512, 512, dtype=dtype), torch.ones(512, 1024, dtype=dtype)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            a @ b
            times.append(time.perf_counter() - start)
        return min(times)

    return seconds(torch.float32) / seconds(torch.bfloat16)


def memory_bytes(device: torch.device) -> int:
    """Memory that a run can have: all of a GPU's, what is free of the machine's (its control group's limit included).

    On macOS the machine's whole memory, which tells no more.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))))
    with contextlib.suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        found.append(limit - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    return min(found)
