"""One place decides number formats: what it chooses, that all products keep to it, and a CPU without bf16."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.trained import ROOT
from tests.training.test_train_model2_pretrained import settings, write_data
from tests.training.tiny_bases import save_tiny_base, tiny_model
from tests.training.tiny_run import OPTIONS, tiny_trainer
from training.hardware import compute
from training.hardware.compute import LEAST_SPEEDUP, Compute, choose_compute, cpu_speedup
from training.models.fine_tuning import PackedCausalLM

CPU = torch.device("cpu")
OLD_CPU = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "addbmm", "linear", "_linear_pointwise", "onednn_linear", "matmul")


class Products(TorchDispatchMode):
    """Notes the format of every matrix product, an outer product apart, which adds up nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.formats: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func.__name__.split(".")[0] in PRODUCTS:
            factors = [a for a in args if isinstance(a, Tensor)][-2:]
            if factors[0].shape[-1] > 1:
                self.formats |= {factor.dtype for factor in factors}
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("model", ["model1", "llama", "gpt2", "phi"])
def test_every_product_of_a_step_is_in_the_chosen_format(
    model: str, optimizer: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    options = replace(OPTIONS, max_steps=2, optimizer=optimizer, evaluations=1)
    trainer = tiny_trainer(tmp_path, options, compute=Compute(CPU, dtype, "for the test"))
    if model != "model1":
        other = PackedCausalLM(tiny_model(model, 64))
        trainer = tiny_trainer(tmp_path, options, compute=trainer.compute)
        trainer = type(trainer)(
            other, trainer.batches.documents, trainer.held_out, options, trainer.compute, 3, trainer.progress,
            trainer.metrics, lambda step, scores: None,
        )  # fmt: skip
    with Products() as seen:
        trainer.run()
    assert seen.formats == {dtype}


def test_a_cpu_that_emulates_bf16_trains_in_fp32_and_says_what_bf16_would_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(compute, "cpu_speedup", lambda dtype: 0.02)
    chosen = choose_compute()
    assert (chosen.dtype, chosen.optimizer_dtype) == (torch.float32, torch.float32)
    for asked in ("bf16", "fp16"):
        chosen = choose_compute(asked)
        assert chosen.dtype_name == asked
        assert "only emulates it: its products take 50 times as long as in fp32" in chosen.reason
        assert "dtype=auto or fp32" in chosen.reason
    assert choose_compute("fp32").reason == "asked for"


def test_a_cpu_with_bf16_uses_it_for_muon_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(compute, "cpu_speedup", lambda dtype: 4.0)
    chosen = choose_compute()
    assert (chosen.dtype, chosen.optimizer_dtype) == (torch.bfloat16, torch.bfloat16)
    assert choose_compute("bf16").reason == "asked for"
    assert choose_compute("fp16").optimizer_dtype == torch.float32


@contextmanager
def busy_cpus() -> Iterator[None]:
    """Two programs beside this one for each CPU that it may use, in sessions of their own as those of a desktop are.

    It may use a single one meanwhile, where the system binds programs to CPUs: the others are for the tests that run
    at the same time.
    """
    me, looping = psutil.Process(), [sys.executable, "-c", "while True: pass"]
    mine = me.cpu_affinity() if hasattr(me, "cpu_affinity") else None  # macOS has none
    loops: list[subprocess.Popen[bytes]] = []
    try:
        if mine:
            me.cpu_affinity(mine[:1])
        for _ in range(2 if mine else 2 * (os.cpu_count() or 1)):
            loops.append(subprocess.Popen(looping, start_new_session=True))
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
        if mine:
            me.cpu_affinity(mine)


def test_programs_beside_it_do_not_change_the_choice() -> None:
    cpu_speedup.cache_clear()
    pays = cpu_speedup(torch.bfloat16) > LEAST_SPEEDUP
    with busy_cpus():
        for _ in range(5):
            cpu_speedup.cache_clear()
            assert (cpu_speedup(torch.bfloat16) > LEAST_SPEEDUP) == pays


BOTH = """
import json, sys
from training import train_art_ai_model, train_model2_pretrained
for command, words in zip((train_art_ai_model, train_model2_pretrained), json.loads(sys.argv[1])):
    assert command.main(words) == 0
"""


@pytest.mark.slow
def test_both_models_train_on_a_cpu_without_bf16(tmp_path: Path) -> None:
    """A few steps of both commands as on a CPU with AVX2 alone: in fp32, and the report says so."""
    base, data = save_tiny_base("llama", tmp_path / "base"), write_data(tmp_path)
    small = settings(vocab_size=400, dim=64, n_layers=2, n_heads=2, n_kv_heads=1, ffn_dim=96, max_seconds="none")
    commands = {"model1": small, "model2": ["--base", str(base), *settings(max_seconds="none")]}
    words = [
        [*command, "--data", *data, "--max-steps", "3", "--out", str(tmp_path / name)]
        for name, command in commands.items()
    ]
    subprocess.run(  # one process for both: what they import takes longer than their steps
        [sys.executable, "-c", BOTH, json.dumps(words)],
        cwd=ROOT, env=os.environ | OLD_CPU, check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    for name in commands:
        report = json.loads((tmp_path / name / "training_report.json").read_text())
        assert report["dtype"] == "fp32"
        assert report["val_loss"] is not None
