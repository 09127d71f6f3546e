"""A training of Model 1: data, tokenizer, model and loop, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.common.checkpoint_folder import GGUF, HF, METRICS, PT, TOKENIZER
from training.common.files import remove_file
from training.common.options import OptionsError
from training.common.progress import Progress
from training.common.score import Score
from training.corpus import Message
from training.data.dataset import TokenisedDataset
from training.data.prepare import tokenised
from training.hardware.shards import whole_weights
from training.inference.generation import generate_batch
from training.loop.distributed import World
from training.loop.flops import counted
from training.loop.plan import few_tokens
from training.loop.plans import shape_of
from training.loop.resume import TrainingStates
from training.loop.trainer import Trainer
from training.models.checkpoint import save_checkpoint
from training.models.gguf_format import export_gguf
from training.models.hf_format import export_hf
from training.models.tokenizer import PAD, Tokenizer, recipe_for_model1, train_tokenizer
from training.models.transformer import ModernTransformer
from training.runs.command import SAMPLE_QUESTIONS, Result, compute_for, describe_cuts
from training.settings.model1 import Model1Options


def prepare_data(
    options: Model1Options, data: tuple[str, ...], tokenizer: Path, progress: Progress
) -> tuple[TokenisedDataset, Tokenizer]:
    """The data in the tokens of ``tokenizer``, which is trained on them if there is no such file."""

    def make(texts: Iterator[str], path: Path) -> Tokenizer:
        if path.is_file():
            return Tokenizer(path)
        progress.stage("tokenizer", f"training a tokenizer of {options.vocab_size:,} pieces")
        return train_tokenizer(texts, options.vocab_size, path)

    limits = options.max_rows_per_source, options.max_held_out
    recipe = recipe_for_model1(data, options.vocab_size, options.loss_on, *limits)
    return tokenised(recipe, make, tokenizer, say=progress.say), Tokenizer(tokenizer)


@dataclass(frozen=True)
class Setup:
    """A run that is ready to train."""

    options: Model1Options
    dataset: TokenisedDataset
    tokenizer: Tokenizer
    trainer: Trainer

    def begin(self, progress: Progress) -> None:
        """Nothing comes before the training."""

    def result(self, out: Path) -> Result:
        """The best weights, on the CPU."""
        options = self.options
        model = ModernTransformer(**options.model_config())
        model.load_state_dict(torch.load(out / PT)["model_state_dict"])
        report = {
            "model": "model1",
            "base": None,
            "parameters": model.n_parameters(),
            "trainable_parameters": model.n_parameters(),
            "size_bytes": (out / PT).stat().st_size,
            **counted(shape_of(options), options.seq_len, self.trainer.outcome.tokens),
        }
        hf, gguf = out / HF, out / GGUF
        exports: dict[str, Callable[[], Any]] = {
            HF: lambda: export_hf(model.cpu().eval(), self.tokenizer, hf),
            GGUF: lambda: export_gguf(hf, gguf),
        }
        return Result(report, exports, f"Model 1, {model.n_parameters() / 1e6:.1f}M parameters, from scratch")


def set_up(
    options: Model1Options,
    data: tuple[str, ...],
    out: Path,
    progress: Progress,
    states: TrainingStates,
    state: dict[str, Any] | None = None,
    world: World = World(),  # noqa: B008 - frozen: one process
) -> Setup:
    """Data, tokenizer, model and loop, in the order of ``state`` if the run goes on from one."""
    out.mkdir(parents=True, exist_ok=True)
    compute = world.agree(compute_for(options, state))
    progress.stage("corpus", f"reading {', '.join(data)}")
    # An older checkpoint keeps its tokenizer until there are new weights to go with the new one.
    path = out / "tokenizer.new"
    if state is None:
        if world.is_first:
            remove_file(path)
    elif not path.is_file():
        path = out / TOKENIZER
    dataset, tokenizer = world.in_turn(lambda: prepare_data(options, data, path, progress))
    if len(tokenizer) != options.vocab_size:
        raise OptionsError(
            [f"vocab_size={options.vocab_size} and {tokenizer.path} has {len(tokenizer)} pieces; make them equal"]
        )
    torch.manual_seed(options.seed)
    model = ModernTransformer(**options.model_config())
    model.activation_checkpointing = options.activation_checkpointing

    def keep(step: int, scores: dict[str, Score]) -> None:
        weights = whole_weights(model)
        if world.is_first:
            save_checkpoint(model.config, weights, tokenizer, options, step, out / PT)
            tokenizer.move(out / TOKENIZER)

    def answers() -> dict[str, str]:
        asked = [[Message("user", question)] for question in SAMPLE_QUESTIONS]
        texts = generate_batch(model, tokenizer, asked, max_new_tokens=options.sample_tokens)
        return dict(zip(SAMPLE_QUESTIONS, texts, strict=True))

    metrics = world.metrics(out / METRICS, state["outcome"]["steps"] if state else None)
    progress.stage(
        "train",
        f"training {model.n_parameters():,} parameters on {len(dataset.train.tokens):,} tokens, {compute.name}, "
        f"{compute.dtype_name} ({compute.reason}){describe_cuts(dataset.train, options.seq_len)}",
    )
    if warning := few_tokens(options.epochs * len(dataset.train.tokens), model.n_parameters()):
        progress.say(warning)
    trainer = world.trainer(
        model, dataset.train, dataset.held_out, options, compute, PAD, progress, metrics, keep, states, answers
    )
    if state is not None:
        trainer.restore(state)
    return Setup(options, dataset, tokenizer, trainer)
