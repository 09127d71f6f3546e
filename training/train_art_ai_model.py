"""Train Model 1 from scratch.

    python training/train_art_ai_model.py --profile demo
    python -m training.train_art_ai_model --profile seed --data my_texts/ --out checkpoints/my_model
    python training/train_art_ai_model.py --set learning_rate=0.003 --set n_layers=6

The folder `--out` then holds `art_ai_best.pt`, `tokenizer.model`, `hf/`, `model.gguf`, `training_curves.png`,
`metrics.jsonl` and `training_report.json`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

if __name__ == "__main__":  # run as a file: make the repository's packages importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import training  # noqa: F401 - before PyTorch, whose threads it tells how to wait

import torch
from torch import Tensor

from training.checkpoint import Start, TrainingStates, disk_problems
from training.command import (
    DEMO_QUESTIONS,
    SAMPLE_QUESTIONS,
    begin,
    build_parser,
    carry_out,
    chosen,
    compute_for,
    configuration,
    describe_cuts,
    finish,
    key_of,
)
from training.corpus import is_embedded
from training.dataset import Dataset, TokenisedDataset, load_dataset, tokenise_dataset
from training.distributed import World
from training.export import export_gguf, export_hf
from training.generation import MODEL1_FOLDER, complete, generate_batch
from training.model import ModernTransformer, config_problems
from training.options import OneLineParser, OptionsError, Range, ranges_of, run_command
from training.plan import Plan, estimate_tokens, make_plan, memory_problems
from training.prepare import prepare_for_model1
from training.progress import Progress
from training.report import run_report
from training.scoring import Score
from training.settings import TrainingOptions
from training.shards import whole_weights
from training.tokenizer import CHAT_FORM, PAD, Tokenizer, train_tokenizer
from training.tracking import tracking
from training.trainer import Trainer
from training.verdict import USABLE_BITS_PER_BYTE
from training.written import new_file, remove_file


@dataclass(frozen=True)
class Model1Options(TrainingOptions):
    """Everything that decides Model 1: its shape, and its training, with other defaults than those in common."""

    vocab_size: Annotated[int, Range(300, 1_048_576)] = 4096
    """Pieces of the tokenizer, which is trained on the data"""
    dim: Annotated[int, Range(2, 131_072)] = 320
    """Width of the model"""
    n_layers: Annotated[int, Range(1, 10_000)] = 4
    """Number of layers"""
    n_heads: Annotated[int, Range(1, 65_536)] = 5
    """Query heads; divides dim"""
    n_kv_heads: Annotated[int, Range(1, 65_536)] = 1
    """Key and value heads; divides n_heads"""
    ffn_dim: Annotated[int, Range(1, 1_048_576)] = 896
    """Width inside the feed-forward layers"""
    max_seq_len: Annotated[int, Range(2, 1_048_576)] = 512
    """Longest conversation in tokens"""
    dropout: Annotated[float, Range(0, 1, below=True)] = 0.0
    """Share of activations dropped in training"""
    rope_theta: Annotated[float, Range(1, 1e12)] = 10_000.0
    """Base of the rotary frequencies"""
    norm_eps: Annotated[float, Range(0, 1, above=True)] = 1e-5
    """Added under the root of RMSNorm"""
    tie_embeddings: bool = True
    """Whether the output layer is the embedding"""
    epochs: float = 3.0
    max_seconds: float | None = 1200.0
    target_bits_per_byte: float | None = 0.10
    fall_within: float = 2.8
    look_samples: int = 200
    usable_bits_per_byte: float | None = USABLE_BITS_PER_BYTE
    schedule: Literal["cosine", "wsd"] = "wsd"
    save_seconds: float | None = 60.0
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float = 4e-3
    adamw_learning_rate: float | None = 1e-2
    weight_decay: float = 0.1
    warmup: float = 0.03
    floor: float = 0.02
    label_smoothing: float = 0.01

    def model_config(self) -> dict[str, Any]:
        """The keyword arguments of ``ModernTransformer``."""
        keys = [
            "vocab_size",
            "dim",
            "n_layers",
            "n_heads",
            "n_kv_heads",
            "ffn_dim",
            "max_seq_len",
            "dropout",
            "rope_theta",
            "norm_eps",
            "tie_embeddings",
        ]
        return {key: getattr(self, key) for key in keys}

    def problems(self) -> list[str]:
        problems = super().problems()
        shape = self.model_config()
        cls: type = type(self)
        if all(shape[name] in allowed for name, allowed in ranges_of(cls).items() if name in shape):
            problems += config_problems(shape)
        if self.row_length > self.max_seq_len:
            problems.append(f"row_length={self.row_length} exceeds max_seq_len={self.max_seq_len}; lower one")
        return problems


PROFILES = {
    "demo": Model1Options(),
    "seed": Model1Options(
        vocab_size=32_000,
        dim=1024,
        n_layers=12,
        n_heads=16,
        n_kv_heads=4,
        ffn_dim=5120,
        max_seq_len=1024,
        tie_embeddings=False,
        dropout=0.1,
        label_smoothing=0.1,
        loss_on="everything",
        row_length=1024,
        batch_rows=128,
        micro_batch_rows=8,
        epochs=5.0,
        max_seconds=None,
        target_bits_per_byte=None,
        usable_bits_per_byte=None,
        schedule="cosine",
        save_seconds=300.0,
        learning_rate=1e-3,
        adamw_learning_rate=3e-4,
        evaluations=50,
        patience=5,
        max_held_out=2000,
    ),
}


EXPECTED_PERPLEXITY = {"seed": (15, 20)}
"""Held-out perplexity that a profile is known to reach with data of its size, printed beside the one reached."""


def prepare_tokenizer(dataset: Dataset, options: Model1Options, path: Path) -> Tokenizer:
    texts = (message.content for sample in dataset.train for message in sample.messages)
    return train_tokenizer(texts, options.vocab_size, path)


def save_checkpoint(
    config: dict[str, Any],
    weights: dict[str, Tensor],
    tokenizer: Tokenizer,
    options: Model1Options,
    step: int,
    path: Path,
) -> None:
    """Write the checkpoint atomically: plain types and tensors only, so that ``torch.load`` reads it by default."""
    content = {
        "config": config,
        "model_state_dict": {name: tensor.detach().cpu().clone() for name, tensor in weights.items()},
        "tokenizer_sha256": tokenizer.sha256,
        "options": asdict(options),
        "step": step,
    }
    with new_file(path) as partial:
        torch.save(content, partial)


def shape_of(options: Model1Options) -> ModernTransformer:
    """The model without its weights."""
    with torch.device("meta"):
        return ModernTransformer(**options.model_config())


def room_problems(options: Model1Options, out: Path) -> list[str]:
    """Too little memory or disk for the run."""
    shape = shape_of(options)
    size = options.bytes_to_write(shape.n_parameters(), shape.n_parameters())
    return memory_problems(options, shape, lambda: plan(options, 0)) + disk_problems(out, size)


def prepare_data(
    options: Model1Options, data: tuple[str, ...], tokenizer: Path, progress: Progress
) -> tuple[TokenisedDataset, Tokenizer]:
    """The data in the tokens of ``tokenizer``, which is trained on them if there is no such file.

    Files and data sets of the Hub are prepared once and mapped from the cache; the embedded corpus is made in memory.
    """
    if not is_embedded(data):
        limits = options.max_rows_per_source, options.max_held_out
        prepared = prepare_for_model1(data, options.vocab_size, options.loss_on, *limits, say=progress.say)
        if not tokenizer.is_file():
            with new_file(tokenizer) as partial:
                shutil.copyfile(prepared.tokenizer_path, partial)
        return prepared.dataset, Tokenizer(tokenizer)
    dataset = load_dataset(data, options.max_rows_per_source, options.max_held_out)
    if tokenizer.is_file():
        trained = Tokenizer(tokenizer)
    else:
        progress.stage(
            "tokenizer", f"training a tokenizer of {options.vocab_size:,} pieces on {len(dataset.train):,} samples"
        )
        trained = prepare_tokenizer(dataset, options, tokenizer)
    return tokenise_dataset(dataset, trained.encode_batch, CHAT_FORM, options.loss_on), trained


def plan(options: Model1Options, n_tokens: int, device: str | None = None) -> Plan:
    """What a run needs; without a device on the one that it would use."""

    def build(layers: int | None) -> ModernTransformer:
        model = ModernTransformer(**options.model_config() | ({} if layers is None else {"n_layers": layers}))
        model.activation_checkpointing = options.activation_checkpointing
        return model

    return make_plan(build, options.n_layers, options, n_tokens, device=device)


@dataclass(frozen=True)
class Setup:
    """A run that is ready to train."""

    dataset: TokenisedDataset
    tokenizer: Tokenizer
    model: ModernTransformer
    trainer: Trainer


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
        path = out / "tokenizer.model"
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
            save_checkpoint(model.config, weights, tokenizer, options, step, out / "art_ai_best.pt")
            tokenizer.move(out / "tokenizer.model")

    def answers() -> dict[str, str]:
        asked = [[("user", question)] for question in SAMPLE_QUESTIONS]
        told = generate_batch(model, tokenizer, asked, max_new_tokens=options.sample_tokens)
        return dict(zip(SAMPLE_QUESTIONS, told, strict=True))

    metrics = world.metrics(out / "metrics.jsonl", state["outcome"]["steps"] if state else None)
    progress.stage(
        "train",
        f"training {model.n_parameters():,} parameters on {len(dataset.train.tokens):,} tokens, {compute.name}, "
        f"{compute.dtype_name} ({compute.reason}){describe_cuts(dataset.train, options.row_length)}",
    )
    trainer = world.trainer(
        model, dataset.train, dataset.held_out, options, compute, PAD, progress, metrics, keep, states, answers
    )
    if state is not None:
        trainer.restore(state)
    return Setup(dataset, tokenizer, model, trainer)


def train_model1(
    options: Model1Options,
    data: tuple[str, ...],
    out: Path,
    progress: Progress,
    start: Start = "new",
    world: World = World(),  # noqa: B008 - frozen: one process
) -> dict[str, Any]:
    """Train, save and export; returns the report that is also written to ``training_report.json``.

    Of several processes the first one writes; the others return an empty report.
    """
    states = begin(options, data, out, start, room_problems)
    key = key_of(options, data)
    run = set_up(options, data, out, progress, states, states.newest() if start == "resume" else None, world)
    trainer = run.trainer
    report_to = options.report_to if world.is_first else "none"
    with tracking(report_to, out, states.config) as listener, trainer.energy.measure(options.country):
        trainer.metrics.listener = listener
        outcome = trainer.run()
    if not trainer.held_out:
        trainer.on_best(outcome.steps, {})
    if not world.is_first:
        return {}
    best_path = out / "art_ai_best.pt"
    model = ModernTransformer(**options.model_config())
    model.load_state_dict(torch.load(best_path)["model_state_dict"])
    progress.stage("export", f"writing {out}")
    report = {
        "model": "model1",
        "base": None,
        "parameters": model.n_parameters(),
        "trainable_parameters": model.n_parameters(),
        "size_bytes": best_path.stat().st_size,
        **run_report(outcome, outcome.best, run.dataset, trainer.compute, trainer.energy_used),
        "seed": options.seed,
        "config": configuration(options, data),
    }
    title = f"Model 1, {model.n_parameters() / 1e6:.1f}M parameters, from scratch"
    hf, gguf = out / "hf", out / "model.gguf"
    beside: dict[str, Callable[[], Any]] = {
        "hf": lambda: export_hf(model.cpu().eval(), run.tokenizer, hf),
        "model.gguf": lambda: export_gguf(hf, gguf),
    }
    finish(out, report, beside, title, run.dataset, key)
    if not trainer.is_cut_short:
        states.remove()
    return report


def parser() -> OneLineParser:
    return build_parser("train_art_ai_model", __doc__, PROFILES, MODEL1_FOLDER)


def run(arguments: argparse.Namespace) -> None:
    options, data = chosen(arguments, PROFILES)
    if arguments.plan or arguments.plan_for:
        options.check()
        bytes_per_token = 3.4 if options.vocab_size < 16_000 else 4.2
        print(plan(options, estimate_tokens(data, options, bytes_per_token), arguments.plan_for).describe())
        return

    def tell(report: dict[str, Any]) -> None:
        if report["val_loss"] is not None:
            expected = EXPECTED_PERPLEXITY.get(arguments.profile)
            beside = f" (expected {expected[0]}-{expected[1]})" if expected else ""
            print(
                f"held out: perplexity {report['val_perplexity']:.1f}{beside}, "
                f"{report['val_bits_per_byte']:.3f} bits per byte"
            )
        for question in DEMO_QUESTIONS:
            print(f"  {question}\n    {complete(arguments.out / 'art_ai_best.pt', question)}")

    carry_out(arguments, options, data, room_problems, set_up, train_model1, tell)


def main(argv: list[str] | None = None) -> int:
    return run_command(run, parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
