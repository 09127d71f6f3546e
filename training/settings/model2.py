"""The settings of Model 2, and its profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from training.common.options import MOST, Range
from training.models.fine_tuning import four_bit_problems
from training.reporting.verdict import USABLE_BITS_PER_BYTE
from training.settings.common import TrainingOptions

Method = Literal["full", "lora", "qlora"]


@dataclass(frozen=True)
class Model2Options(TrainingOptions):
    """Everything that decides Model 2: its base, and its training, with other defaults than those in common."""

    base: str = "smollm2-135m"
    """A name that --list-bases shows, a folder, or an id of the Hub (profile seed: smollm2-135m-bf16 if it is there)"""
    trust_remote_code: bool = False
    """Run the code that the base brings; read it first, since it may do anything that you may"""
    method: Method = "full"
    """full: the weights themselves; lora: small matrices beside them; qlora: the same over a base of 4 bits"""
    frozen: Annotated[float, Range(0, 1, below=True)] = 0.0
    """Share of the layers, from the lowest, that stay as they are, and the embedding with them (full only)"""
    lora_rank: Annotated[int, Range(1, 65_536)] = 16
    """Rank of the matrices that lora puts beside each linear layer"""
    max_samples: Annotated[int | None, Range(1, MOST)] = None
    """Train on at most so many samples, one of each fact before a second of any"""
    gguf: Literal["f16", "q8_0"] = "q8_0"
    """Numbers in model.gguf"""
    batch_size: int = 8
    micro_batch_size: int = 8
    evaluations: int = 1

    def problems(self) -> list[str]:
        problems = super().problems()
        if self.method != "full" and self.parallel == "fsdp":
            problems.append(f"parallel=fsdp is for method=full; use parallel=ddp with method={self.method}")
        if self.method == "qlora":
            problems += four_bit_problems()
        return problems

    def notes(self) -> list[str]:
        notes = super().notes()
        if self.method != "full" and self.frozen:
            notes.append(
                f"frozen={self.frozen:g} is for method=full; with method={self.method} the whole base stays as it is"
            )
        return notes


PROFILES = {
    "demo": Model2Options(
        frozen=0.6,
        max_samples=2000,
        batch_size=4,
        micro_batch_size=4,
        learning_rate=8e-4,
        sample_tokens=0,  # the only evaluation is the last, and the saved model is asked right after it
        max_held_out=80,
        max_seconds=1200.0,
        target_bits_per_byte=0.45,
        usable_bits_per_byte=USABLE_BITS_PER_BYTE,
        schedule="wsd",
        fall_within=1.15,
        decay=0.25,
        looks=8,
        look_samples=40,
        save_seconds=180.0,
        keep_checkpoints=1,
    ),
    "seed": Model2Options(
        base="smollm2-135m-bf16",
        seq_len=512,
        batch_size=32,
        micro_batch_size=4,
        epochs=3.0,
        learning_rate=1e-4,
        evaluations=20,
        max_held_out=1000,
    ),
}
