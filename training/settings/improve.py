"""The settings of learning from votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from training.common.options import MOST, Range
from training.settings.common import Checked

Method = Literal["dpo", "kto", "sft"]


@dataclass(frozen=True)
class ImproveOptions(Checked):
    """Everything that decides what a model learns from votes, and what it may lose by that."""

    model: Literal["model1", "model2"] = "model2"
    """Which of the two learns"""
    method: Method = "dpo"
    """dpo: the preferred answer over the other; kto: each answer as wanted or not; sft: the preferred answers alone"""
    beta: Annotated[float, Range(0, 100, above=True)] = 0.1
    """How strongly dpo and kto hold the model to what it was"""
    rpo_alpha: Annotated[float, Range(0, 100)] = 0.0
    """What imitating the preferred answers weighs beside dpo, as in RPO, where it is 1"""
    replay: Annotated[float, Range(0, 0.9)] = 0.0
    """Share of the tokens that are samples of the model's own training data, learned again so that they stay known"""
    ties: Literal["leave_out", "wanted"] = "leave_out"
    """What kto makes of a tie: nothing, or two answers that are wanted"""
    other_weights: bool = False
    """Learn from votes on other weights than the checkpoint's; then no answer is the model's own"""
    lora_rank: Annotated[int, Range(1, 65_536)] = 16
    """Rank of the matrices beside each linear layer, which alone are trained and then added to the weights"""
    seq_len: Annotated[int, Range(16, 1_048_576)] = 256
    """Tokens of a row, packed with whole conversations; a longer conversation gets rows of its length"""
    max_tokens: Annotated[int, Range(16, 1_048_576)] = 1024
    """Conversations are cut after so many tokens"""
    batch_size: Annotated[int, Range(1, 65_536)] = 16
    """Pairs (kto: answers) of an optimizer step"""
    micro_batch_size: Annotated[int, Range(1, 65_536)] = 16
    """Pairs at a time; smaller needs less memory, and gradients accumulate"""
    epochs: Annotated[float, Range(0, 1e4, above=True)] = 2.0
    """Passes over the pairs, where max_steps says no steps"""
    max_steps: Annotated[int | None, Range(1, MOST)] = None
    """Optimizer steps in place of epochs, be they fewer or more"""
    learning_rate: Annotated[float, Range(0, 10, above=True)] = 3e-4
    """Peak rate; it rises at first and falls along a cosine"""
    warmup: Annotated[float, Range(0, 1, below=True)] = 0.1
    """Share of the run in which the rate rises"""
    max_grad_norm: Annotated[float, Range(0, 1e9, above=True)] = 1.0
    """Largest norm of the gradients; larger ones are scaled down to it"""
    save_steps: Annotated[int, Range(1, MOST)] = 25
    """Optimizer steps between saved states, from which --resume goes on"""
    keep_checkpoints: Annotated[int, Range(1, 10_000)] = 1
    """How many of the newest states stay"""
    guard_samples: Annotated[int, Range(1, MOST)] = 100
    """Held-out samples of each kind, and closed-book questions, that are asked before and after"""
    max_bits_rise: Annotated[float, Range(0, 100)] = 0.05
    """By how much of their value the held-out bits per byte may rise; above, the result is refused"""
    max_accuracy_fall: Annotated[float, Range(0, 1)] = 0.05
    """By how much the closed-book accuracy may fall; above, the result is refused"""
    gguf: Literal["f16", "q8_0"] = "q8_0"
    """Numbers in Model 2's model.gguf"""
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    """Number format of matrix products"""
    seed: Annotated[int, Range(0, 2**32 - 1)] = 1
    """Seed of the order of pairs, and of the matrices, which start at random"""
    country: str = "GBR"
    """ISO 3166 code, of three letters, of the country whose electricity mix turns energy into CO2"""

    def problems(self) -> list[str]:
        problems = super().problems()
        if not problems and self.batch_size % self.micro_batch_size:
            problems.append(
                f"micro_batch_size={self.micro_batch_size} must divide batch_size={self.batch_size}; make it equal"
            )
        if self.method == "kto" and self.micro_batch_size == 1:
            problems.append("micro_batch_size=1 must be at least 2 with method=kto, which compares answers of a batch")
        if self.rpo_alpha and self.method != "dpo":
            problems.append(f"rpo_alpha={self.rpo_alpha:g} is for method=dpo; write rpo_alpha=0 with {self.method}")
        if self.ties == "wanted" and self.method != "kto":
            problems.append(f"ties=wanted is for method=kto; method={self.method} has no use for a tie")
        return problems

    def steps(self, examples: int) -> int:
        """Optimizer steps of the whole run."""
        an_epoch = -(-examples // self.batch_size)
        return self.max_steps or max(1, round(self.epochs * an_epoch))
