"""A fine-tuning of Model 2: base, data and loop, and what it leaves behind."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from training.common.checkpoint_folder import FINAL, GGUF, METRICS, report_in
from training.common.cli import contained
from training.common.progress import Progress
from training.common.score import NOTHING, Score
from training.data.dataset import TokenisedDataset
from training.data.prepare import Recipe, tokenised
from training.hardware.compute import Compute
from training.inference.generation import generate
from training.loop.distributed import World
from training.loop.flops import counted
from training.loop.plans import shape_in_training
from training.loop.resume import BASE_FILES, Start, TrainingStates
from training.loop.trainer import Trainer
from training.models.bases import Base, is_here, load_base, out_of_reach
from training.models.fine_tuning import Full, Lora, PackedCausalLM, QLora
from training.models.gguf_format import export_gguf, gguf_problem
from training.models.known_bases import KNOWN
from training.reporting.report import read_metrics
from training.runs.checks import base_files
from training.runs.command import SAMPLE_QUESTIONS, Result, compute_for, describe_cuts
from training.settings.model2 import Model2Options


def prepare_data(options: Model2Options, data: tuple[str, ...], base: Base, progress: Progress) -> TokenisedDataset:
    """The data in the tokens of the base."""
    limits = options.max_rows_per_source, options.max_held_out, options.max_samples
    recipe = Recipe(data, base.encoder.sha256, base.chat_form(), options.loss_on, *limits)
    return tokenised(recipe, lambda texts, path: base.encoder, say=progress.say)


def with_base_at_hand(options: Model2Options, states: TrainingStates, start: Start) -> Model2Options:
    """The settings of a run that named no base, with one that can be had, and a line about it: the profile's, or what
    stands in for it where the Hub cannot be reached. A run that goes on keeps the base that it began with."""
    preferred, known = options.base, KNOWN.get(options.base)
    if known is None or known.stand_in is None:
        return options
    began = states.saved_config() if states.steps() else (report_in(states.out) or {}).get("config", {})
    if start == "resume" and began.get("base") in (preferred, known.stand_in):
        return replace(options, base=began["base"])
    if why := out_of_reach(preferred):
        stored = KNOWN[known.stand_in].stored
        print(
            f"{preferred} cannot be had from the Hub ({why}); beginning with {known.stand_in} instead, whose weights "
            f"are stored in 4 bits ({stored}). --base names another",
            file=sys.stderr,
        )
        return replace(options, base=known.stand_in)
    if not is_here(preferred):
        print(
            f"{preferred} is downloaded from the Hub once ({known.megabytes} MB); --base {known.stand_in} does without",
            file=sys.stderr,
        )
    return options


@dataclass(frozen=True)
class Setup:
    """A run that is ready to train."""

    options: Model2Options
    dataset: TokenisedDataset
    base: Base
    method: Full | Lora
    trainer: Trainer
    before: dict[str, float] = field(default_factory=dict)
    """The base's loss and bits per byte, once they are scored"""

    @property
    def trainable(self) -> int:
        return sum(p.numel() for p in self.base.model.parameters() if p.requires_grad)

    def begin(self, progress: Progress) -> None:
        """Score the base as it is, and tell what is trained."""
        trainer, base, documents = self.trainer, self.base, self.trainer.batches.documents
        self.before.update(score_base(trainer, base, progress))
        progress.stage(
            "train",
            f"training {self.trainable:,} of {base.model.num_parameters():,} parameters on "
            f"{len(documents.tokens):,} tokens, {trainer.compute.name}, {trainer.compute.dtype_name} "
            f"({trainer.compute.reason}){describe_cuts(documents, self.options.seq_len)}",
        )

    def result(self, out: Path) -> Result:
        """The fine-tuned base."""
        options, base, tokens = self.options, self.base, self.trainer.outcome.tokens
        flops = contained(
            "operations are not counted", lambda: counted(shape_in_training(options), options.seq_len, tokens)
        )
        beside_layers = sum(p.numel() for name, p in base.model.named_parameters() if "lora_" in name)
        report = {
            "model": "model2",
            "base": options.base,
            "method": options.method,
            "parameters": base.model.num_parameters() - beside_layers,
            "trainable_parameters": self.trainable,
            "size_bytes": None,
            **(flops or {}),
            "base_val_loss": self.before.get("loss"),
            "base_val_bits_per_byte": self.before.get("bits_per_byte"),
        }
        title = f"Model 2, {report['parameters'] / 1e6:.0f}M parameters, fine-tuned ({options.method})"
        final, gguf = out / FINAL, out / GGUF

        def write_final() -> None:
            self.method.finish(out)
            report["size_bytes"] = sum(file.stat().st_size for file in final.glob("*.safetensors"))

        return Result(report, {FINAL: write_final, GGUF: lambda: export_gguf(final, gguf, options.gguf)}, title)


def set_up(
    options: Model2Options,
    data: tuple[str, ...],
    out: Path,
    progress: Progress,
    states: TrainingStates,
    state: dict[str, Any] | None = None,
    world: World = World(),  # noqa: B008 - frozen: one process
) -> Setup:
    """Data, base and loop, in the order of ``state`` if the run goes on from one."""
    out.mkdir(parents=True, exist_ok=True)
    compute = world.agree(compute_for(options, state))
    progress.stage("corpus", f"reading {', '.join(data)}")
    progress.stage("download", f"loading {options.base}")
    four_bits, remote = options.method == "qlora", options.trust_remote_code
    torch.manual_seed(options.seed)  # tokens that are new to the base start at random
    base = world.in_turn(lambda: load_base(options.base, progress, four_bits=four_bits, trust_remote_code=remote))
    if problem := gguf_problem(base.model.config, base.tokenizer):
        progress.say(f"model.gguf will not be written: {options.base}: {problem}; final/ is all there will be")
    torch.manual_seed(options.seed)
    method = make_method(base, options, compute)
    model = PackedCausalLM(base.model)
    if options.activation_checkpointing:
        model.checkpoint_activations()
    dataset = world.in_turn(lambda: prepare_data(options, data, base, progress))

    def keep(step: int, scores: dict[str, Score]) -> None:
        method.keep(out)

    def answers() -> dict[str, str]:
        length = options.sample_tokens
        with compute.autocast():
            return {q: generate(base.model, q, base.tokenizer, max_new_tokens=length) for q in SAMPLE_QUESTIONS}

    metrics = world.metrics(out / METRICS, state["outcome"]["steps"] if state else None)
    alike = options if options.method == "full" else replace(options, parallel="ddp")
    trainer = world.trainer(
        model, dataset.train, dataset.held_out, alike, compute, base.pad_id, progress, metrics, keep, states, answers
    )
    if state is not None:
        trainer.restore(state)
    if BASE_FILES not in states.config or not Path(options.base).expanduser().is_dir():
        states.take(base_files(options.base))  # of the Hub, which may have sent other ones
    return Setup(options, dataset, base, method, trainer)


def make_method(base: Base, options: Model2Options, compute: Compute) -> Full | Lora:
    if options.method == "qlora":
        return QLora(base, options.lora_rank, compute.dtype)
    if options.method == "lora":
        return Lora(base, options.lora_rank, compute.dtype)
    return Full(base, options.frozen, compute.dtype)


def score_base(trainer: Trainer, base: Base, progress: Progress) -> dict[str, float]:
    """The base's loss and bits per byte on the held-out answers, before any training; empty without such answers."""
    if trainer.outcome.steps:  # a run that goes on has them in its first row
        rows = [row for row in read_metrics(trainer.metrics.path) if row["step"] == 0]
        return {key: rows[0][f"val_{key}"] for key in ("loss", "bits_per_byte")} if rows else {}
    progress.stage("evaluate", f"scoring {base.name} as it is")
    before = sum((trainer.score(documents) for documents in trainer.held_out.values()), NOTHING)
    if not before.tokens:
        return {}
    trainer.metrics.write(step=0, seconds=0.0, val_loss=before.loss, val_bits_per_byte=before.bits_per_byte)
    return {"loss": before.loss, "bits_per_byte": before.bits_per_byte}
