"""One way of fine-tuning Model 2's base, in a process of its own: what `model2_training.py` starts and compares.

    python benchmarks/model2_ways.py JOB.json

JOB.json names the way, the rows and how long; the last line of the output is the result, as JSON. Every way starts from
the same weights and trains all of them on the same samples, with fused AdamW at the same peak rate on a cosine over the
clock, so that each is at its end when the time is over. The same code scores the same held-out answers afterwards.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from model1_ways import read_rows

from training.common.progress import Progress, quiet_transformers
from training.data.documents import Documents
from training.data.packing import Batch, all_batches
from training.hardware.compute import choose_compute
from training.hardware.memory import peak_memory_bytes
from training.loop.course import cosine_with_warmup
from training.loop.outcome import score
from training.models.bases import Base, load_base
from training.models.fine_tuning import PackedCausalLM
from training.reporting.report import Metrics

WARM_UP = 0.1


@dataclass(frozen=True)
class Job:
    """What a child process does; ``settings`` are those of transformers' trainers, as a pilot chose them."""

    way: str
    rows: str
    seconds: float
    base: str = "smollm2-135m"
    seed: int = 1
    seq_len: int = 256
    batch_size: int = 4
    learning_rate: float = 3e-4
    bf16: bool = True
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """How many steps a way took, over how many tokens that were no padding, in how many seconds."""

    steps: int
    tokens: int
    seconds: float


def ours(job: Job, base: Base, documents: Documents) -> Trained:
    """This repository's loop, as `train_model2_pretrained` runs it."""
    from training.loop.trainer import Trainer
    from training.models.fine_tuning import Full
    from training.settings.model2 import Model2Options

    options = Model2Options(
        seq_len=job.seq_len, batch_size=job.batch_size, micro_batch_size=job.batch_size, warmup=WARM_UP,
        learning_rate=job.learning_rate, epochs=1e9, max_seconds=job.seconds, evaluations=1, seed=job.seed,
        compile="false",
    )  # fmt: skip
    compute = choose_compute("bf16" if job.bf16 else "fp32")
    Full(base, options.frozen, compute.dtype)
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        trainer = Trainer(
            PackedCausalLM(base.model), documents, {}, options, compute, base.pad_id, progress,
            Metrics(Path(folder) / "metrics.jsonl"), on_best=lambda step, scores: None,
        )  # fmt: skip
        outcome = trainer.run()
    return Trained(outcome.steps, outcome.tokens, outcome.wall_seconds)


class _Clock:
    """The course of a run of transformers' trainers: when it began, what it read, how far it is."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began, self.ended, self.steps, self.tokens = seconds, 0.0, 0.0, 0, 0

    @property
    def done(self) -> float:
        return min(1.0, (time.monotonic() - self.began) / self.seconds) if self.began else 0.0

    def multiplier(self, _: int) -> float:
        return cosine_with_warmup(self.done, warmup=WARM_UP, floor=0.0)


def hugging_face(job: Job, base: Base, documents: Documents) -> Trained:
    """TRL's SFTTrainer with packed rows, or transformers' Trainer with padded ones."""
    from datasets import Dataset
    from torch.optim.lr_scheduler import LambdaLR
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments
    from trl import SFTConfig, SFTTrainer

    clock = _Clock(job.seconds)

    class Timed:
        """What is changed in either trainer: a rate that follows the clock, and a count of tokens that are real."""

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, clock.multiplier)  # type: ignore[attr-defined]
            return self.lr_scheduler

        def training_step(self, model: Any, inputs: dict[str, Any], *more: Any, **named: Any) -> Any:
            mask = inputs.get("attention_mask")  # packed rows have none: they have no padding either
            clock.tokens += int(inputs["input_ids"].numel() if mask is None else mask.sum())
            return super().training_step(model, inputs, *more, **named)  # type: ignore[misc]

    class End(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            clock.began = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.ended, clock.steps = time.monotonic(), state.global_step
            control.should_training_stop = clock.done >= 1

    packed = job.way == "sft"
    per_step = job.batch_size if packed else samples_a_step(job, documents)
    accumulated = job.settings.get("accumulated", 1)
    common: dict[str, Any] = {
        "per_device_train_batch_size": per_step // accumulated, "gradient_accumulation_steps": accumulated,
        "max_steps": 10**9, "learning_rate": job.learning_rate, "weight_decay": 0.0, "max_grad_norm": 1.0,
        "adam_beta2": 0.95, "optim": "adamw_torch_fused", "bf16": job.bf16, "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": False, "save_strategy": "no", "logging_strategy": "no", "report_to": [],
        "disable_tqdm": True, "seed": job.seed,
    }  # fmt: skip
    base.model.set_attn_implementation(job.settings.get("attention", "sdpa"))
    rows = Dataset.from_list(list(rows_of(documents, job.seq_len))).shuffle(seed=job.seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer: Any
        if packed:
            arguments = SFTConfig(folder, packing=True, packing_strategy="bfd", max_length=job.seq_len, **common)
            kind = type("TimedSFTTrainer", (Timed, SFTTrainer), {})
            trainer = kind(base.model, arguments, train_dataset=rows, processing_class=base.tokenizer)
        else:
            kind = type("TimedTrainer", (Timed, Trainer), {})
            collator = DataCollatorForSeq2Seq(base.tokenizer, padding=True, label_pad_token_id=-100)
            trainer = kind(
                base.model, TrainingArguments(folder, **common), data_collator=collator, train_dataset=rows,
                processing_class=base.tokenizer,
            )  # fmt: skip
        trainer.add_callback(End())
        trainer.train()
    return Trained(clock.steps, clock.tokens, clock.ended - clock.began)


def samples_a_step(job: Job, documents: Documents) -> int:
    """Samples that have about as many tokens as the packed rows of a step."""
    return max(1, round(job.seq_len * job.batch_size / float(documents.lengths.clip(max=job.seq_len).mean())))


def rows_of(documents: Documents, seq_len: int) -> Iterator[dict[str, list[int]]]:
    """Ids and labels of each sample as transformers wants them: not shifted, at most ``seq_len`` long."""
    for first, stop in zip(documents.offsets[:-1], documents.offsets[1:], strict=True):
        part = slice(first, min(stop, first + seq_len))
        ids, learned = documents.tokens[part].tolist(), documents.learned[part].tolist()
        yield {"input_ids": ids, "labels": [i if k else -100 for i, k in zip(ids, learned, strict=True)]}


def bits_per_byte(job: Job, base: Base, held_out: Documents) -> float:
    """Of the held-out answers."""
    compute, model = choose_compute("bf16" if job.bf16 else "fp32"), PackedCausalLM(base.model).eval()

    def loss_sum(batch: Batch) -> torch.Tensor:
        with compute.autocast():
            return model.loss(batch.tokens, batch.labels, batch.documents)

    batches = all_batches(held_out, job.seq_len, job.batch_size, base.pad_id)
    return score(loss_sum, batches, int(held_out.answer_bytes.sum())).bits_per_byte


CANDIDATES: dict[str, list[dict[str, Any]]] = {
    "sft": [{"attention": a, "accumulated": n} for n in (1, 0) for a in ("sdpa", "eager")],  # 0: a row at a time
    "padded": [{"attention": a} for a in ("sdpa", "eager")],
}
"""What a pilot tries for each of transformers' trainers, to compare with it at its best. SFTTrainer lays the rows of a
micro-batch into one long row, whose attention costs the square of its length: so it also gets a row at a time."""


def pilot(job: Job, base: Base, documents: Documents) -> dict[str, Any]:
    """The fastest of the candidates, each tried for a while."""
    speeds = []
    for settings in CANDIDATES[job.way]:
        settings = settings | ({"accumulated": job.batch_size} if settings.get("accumulated") == 0 else {})
        # The first steps allocate: they are a run of their own.
        hugging_face(replace(job, settings=settings, seconds=0.01), base, documents)
        trained = hugging_face(replace(job, settings=settings), base, documents)
        speeds.append({"settings": settings, "useful_per_second": trained.tokens / trained.seconds})
    best = max(speeds, key=lambda row: row["useful_per_second"])
    return {"tried": speeds, "settings": best["settings"]}


def run(job: Job, tuning: bool) -> dict[str, Any]:
    """Train and score; or, with ``tuning``, find the settings; or, without seconds, score the base as it is."""
    quiet_transformers()
    torch.manual_seed(job.seed)
    documents, held_out = read_rows(Path(job.rows))
    base = load_base(job.base)
    if tuning:
        return pilot(job, base, documents)
    if not job.seconds:
        return {"bits_per_byte": bits_per_byte(job, base, held_out)}
    trained = (ours if job.way == "ours" else hugging_face)(job, base, documents)
    peak = peak_memory_bytes()  # before anything is scored
    result = {
        "steps": trained.steps, "useful_tokens": trained.tokens, "seconds": trained.seconds,
        "useful_per_second": trained.tokens / trained.seconds, "peak_bytes": peak,
        "bits_per_byte": bits_per_byte(job, base, held_out),
    }  # fmt: skip
    if not math.isfinite(result["bits_per_byte"]):
        raise SystemExit(f"{job.way}: the held-out loss is no number")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("job", type=Path, metavar="JOB.json")
    content = json.loads(parser.parse_args().job.read_text(encoding="utf-8"))
    print(json.dumps(run(Job(**content["job"]), content["tuning"])))
