"""Fine-tuning of SmolLM2-135M: Diptych beside TRL's SFTTrainer and transformers' Trainer, alternating in one run.

    pip install trl==1.16.0
    python benchmarks/model2_training.py --data FOLDER --seconds 120 --seeds 3 --out docs/benchmarks-model2.md

All ways fine-tune every weight on the same question-and-answer rows in the same chat form, with the loss on answers,
AdamW (fused), the same peak rate on a cosine, bf16 where the processor has it, and as many real tokens a step:

- Diptych: packed rows, no attention across samples, the output layer only where there is a label.
- SFTTrainer: best-fit packing without padding (`packing=True`, strategy `bfd`), `loss_type="chunked_nll"`.
- Trainer: one sample a row, padded to the longest of its batch.

Each runs in a process of its own, so that peak memory is its own; every process scores the same held-out answers with
the same code before it ends. A pilot of six steps tells transformers' schedule how many there will be.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from training.bases import Base, load_base
from training.dataset import Dataset, load_dataset
from training.device import choose_compute
from training.fine_tuning import PackedCausalLM
from training.packing import Documents, all_batches, tokenise
from training.progress import Progress, quiet_transformers
from training.report import Metrics, peak_memory_bytes
from training.scoring import Score, score
from training.train_model2_pretrained import Model2Options, make_trainer

ROW_LENGTH, ROWS = 256, 4
RATE, WARMUP = 3e-4, 0.1
WAYS = ("diptych", "sft", "padded")
NAMES = {"diptych": "Diptych", "sft": "TRL SFTTrainer, packed", "padded": "transformers Trainer, padded"}


@dataclass(frozen=True)
class Result:
    """One way with one seed."""

    way: str
    seed: int
    seconds: float
    tokens: int
    peak_memory: int
    before: float
    after: float

    @property
    def speed(self) -> float:
        return self.tokens / self.seconds


@dataclass(frozen=True)
class Job:
    """What a child process is told."""

    way: str
    seed: int
    seconds: float
    data: tuple[str, ...]
    max_rows: int

    def dataset(self) -> Dataset:
        """Questions with answers only; held-out ones too."""
        whole = load_dataset(self.data, self.max_rows, 400)
        held_out = {kind: [s for s in samples if s.question] for kind, samples in whole.held_out.items()}
        return Dataset([s for s in whole.train if s.question], {k: v for k, v in held_out.items() if v})


def held_out_score(base: Base, documents: Documents) -> Score:
    compute, model = choose_compute(), PackedCausalLM(base.model).eval()

    def loss_sum(batch: Any) -> torch.Tensor:
        with compute.autocast():
            return model.loss(batch.tokens, batch.labels, batch.documents)

    batches = all_batches(documents, ROW_LENGTH, ROWS, base.pad_id)
    return score(loss_sum, batches, int(documents.answer_bytes.sum()))


def run_diptych(job: Job, base: Base, dataset: Dataset) -> tuple[float, int]:
    """Seconds and tokens of our loop."""
    options = Model2Options(
        row_length=ROW_LENGTH, batch_rows=ROWS, micro_batch_rows=ROWS, learning_rate=RATE, warmup=WARMUP,
        epochs=1e9, max_seconds=job.seconds, evaluations=1, seed=job.seed,
    )  # fmt: skip
    silent = Dataset(dataset.train, {})
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        metrics = Metrics(Path(folder) / "metrics.jsonl")
        trainer = make_trainer(base, silent, options, choose_compute(), progress, metrics, lambda step, scores: None)
        outcome = trainer.run()
    return outcome.seconds, outcome.tokens


def rows_of(documents: Documents) -> Iterator[dict[str, list[int]]]:
    """Ids and labels of each sample as transformers wants them: not shifted, at most ROW_LENGTH long."""
    for first, stop in zip(documents.offsets[:-1], documents.offsets[1:], strict=True):
        part = slice(first, min(stop, first + ROW_LENGTH))
        ids, learned = documents.tokens[part].tolist(), documents.learned[part].tolist()
        yield {"input_ids": ids, "labels": [i if k else -100 for i, k in zip(ids, learned, strict=True)]}


def run_transformers(job: Job, base: Base, dataset: Dataset) -> tuple[float, int]:
    """Seconds and tokens of SFTTrainer or Trainer: a pilot sets the number of steps, then the run itself."""
    from datasets import Dataset as Rows

    documents = tokenise(dataset.train, base.encode_batch, base.chat_form(), "answers")
    rows = Rows.from_list(list(rows_of(documents))).shuffle(seed=job.seed)
    weights = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    pilot_seconds, pilot_steps, _ = _train(job, base, rows, documents, max_steps=6, deadline=None)
    base.model.load_state_dict(weights)
    # The pilot's time is not charged: what is compared is training, not the guess of its length.
    steps = max(1, round(job.seconds / (pilot_seconds / pilot_steps)))
    seconds, _, tokens = _train(job, base, rows, documents, max_steps=steps, deadline=job.seconds)
    return seconds, tokens


def _train(
    job: Job, base: Base, rows: Any, documents: Documents, *, max_steps: int, deadline: float | None
) -> tuple[float, int, int]:
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        """Times the steps, and stops at the deadline."""

        began = ended = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.ended = time.monotonic()
            if deadline and self.ended - self.began >= deadline:
                control.should_training_stop = True

    samples = max(1, round(ROW_LENGTH * ROWS / float(documents.lengths.mean())))
    common: dict[str, Any] = {
        "per_device_train_batch_size": ROWS if job.way == "sft" else samples,
        "max_steps": max_steps,
        "learning_rate": RATE,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(WARMUP * max_steps),
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "adam_beta2": 0.95,
        "optim": "adamw_torch_fused",
        "bf16": choose_compute().dtype_name == "bf16",
        "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": False,
        "include_num_input_tokens_seen": "non_padding",
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": job.seed,
    }
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        if job.way == "sft":
            from trl import SFTConfig, SFTTrainer

            arguments = SFTConfig(
                folder, packing=True, packing_strategy="bfd", max_length=ROW_LENGTH, loss_type="chunked_nll", **common
            )
            trainer: Any = SFTTrainer(
                base.model, arguments, train_dataset=rows, processing_class=base.tokenizer, callbacks=[clock]
            )
        else:
            collator = DataCollatorForSeq2Seq(base.tokenizer, padding=True, label_pad_token_id=-100)
            trainer = Trainer(
                base.model, TrainingArguments(folder, **common), data_collator=collator, train_dataset=rows,
                processing_class=base.tokenizer, callbacks=[clock],
            )  # fmt: skip
        trainer.train()
        state = trainer.state
    return clock.ended - clock.began, state.global_step, int(state.num_input_tokens_seen)


def run_job(job: Job) -> Result:
    """One way in this process."""
    quiet_transformers()
    torch.manual_seed(job.seed)
    base, dataset = load_base("smollm2-135m"), job.dataset()
    held_out = tokenise(dataset.validation, base.encode_batch, base.chat_form(), "answers")
    before = held_out_score(base, held_out).bits_per_byte
    run = run_diptych if job.way == "diptych" else run_transformers
    seconds, tokens = run(job, base, dataset)
    after = held_out_score(base, held_out).bits_per_byte
    return Result(job.way, job.seed, seconds, tokens, peak_memory_bytes(), before, after)


def spread(values: list[float], form: str) -> str:
    """Mean and range."""
    mean = format(statistics.mean(values), form)
    return mean if len(values) == 1 else f"{mean} ({format(min(values), form)} to {format(max(values), form)})"


def render(results: list[Result], seconds: float) -> str:
    """The report."""
    ours = statistics.mean(r.speed for r in results if r.way == "diptych")
    lines = [
        "# Fine-tuning of Model 2: measured",
        "",
        f"SmolLM2-135M, every weight, question-and-answer rows, {ROW_LENGTH * ROWS:,} tokens a step, "
        f"{seconds:.0f} s of training each, {choose_compute().name}, {choose_compute().dtype_name}; mean and range "
        "over the seeds, the ways alternating. Written by `benchmarks/model2_training.py`.",
        "",
        "| way | useful tokens/s | Diptych is faster by | peak memory (GB) | held-out answers, bits per byte |",
        "|---|---|---|---|---|",
    ]
    for way in WAYS:
        mine = [r for r in results if r.way == way]
        if mine:
            speeds = [r.speed for r in mine]
            memory, after = max(r.peak_memory for r in mine) / 1e9, spread([r.after for r in mine], ".3f")
            ratio = ours / statistics.mean(speeds)
            lines.append(f"| {NAMES[way]} | {spread(speeds, ',.0f')} | {ratio:.2f} | {memory:.2f} | {after} |")
    return "\n".join([*lines, "", f"The base before any training: {results[0].before:.3f} bits per byte.", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["embedded"])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--max-rows-per-source", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        print("RESULT " + json.dumps(asdict(run_job(Job(**json.loads(arguments.job))))))
        return
    results = []
    for seed in range(1, arguments.seeds + 1):
        for way in arguments.ways:
            job = Job(way, seed, arguments.seconds, tuple(arguments.data), arguments.max_rows_per_source)
            command = [sys.executable, __file__, "--job", json.dumps(asdict(job))]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
            if line is None:
                sys.exit(f"{way}, seed {seed}: failed\n{done.stderr[-3000:]}")
            results.append(Result(**json.loads(line.removeprefix("RESULT "))))
            print(results[-1], file=sys.stderr)
    report = render(results, arguments.seconds)
    print(report)
    if arguments.out:
        arguments.out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
