"""Train Model 1 from scratch.

    python training/train_art_ai_model.py --profile demo
    python -m training.train_art_ai_model --profile seed --data my_texts/ --out checkpoints/my_model
    python training/train_art_ai_model.py --set learning_rate=0.003 --set n_layers=6

The folder `--out` then holds `art_ai_best.pt`, `tokenizer.model`, `hf/`, `model.gguf`, `training_curves.png`,
`metrics.jsonl` and `training_report.json`.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

if __name__ == "__main__":  # run as a file: make the repository's packages importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from training.dataset import Dataset, load_dataset
from training.device import choose_compute
from training.export import export_gguf, export_hf
from training.generation import MODEL1_FOLDER, complete
from training.model import ModernTransformer, config_problems
from training.options import OneLineParser, run_command, settings_help, with_settings
from training.packing import ChatForm, tokenise
from training.progress import Progress
from training.report import Energy, Metrics, draw_curves, run_report, write_report
from training.scoring import Score
from training.tokenizer import ASSISTANT, BEGIN, END, PAD, USER, Tokenizer, train_tokenizer
from training.trainer import Trainer, TrainingOptions

DEMO_QUESTIONS = ("What is Impressionism?", "Who painted Guernica?", "What is a neural network?", "Hello!")
CHAT_FORM = ChatForm(begin=[BEGIN], before={"user": [USER], "assistant": [ASSISTANT], "text": []}, end=[END], after=[])


@dataclass(frozen=True)
class Model1Options(TrainingOptions):
    """Everything that decides Model 1: its shape, and its training, with other defaults than those in common."""

    vocab_size: int = 4096
    """Pieces of the tokenizer, which is trained on the data"""
    dim: int = 320
    """Width of the model"""
    n_layers: int = 5
    """Number of layers"""
    n_heads: int = 5
    """Query heads; divides dim"""
    n_kv_heads: int = 1
    """Key and value heads; divides n_heads"""
    ffn_dim: int = 896
    """Width inside the feed-forward layers"""
    max_seq_len: int = 512
    """Longest conversation in tokens"""
    dropout: float = 0.0
    """Share of activations dropped in training"""
    rope_theta: float = 10_000.0
    """Base of the rotary frequencies"""
    norm_eps: float = 1e-5
    """Added under the root of RMSNorm"""
    tie_embeddings: bool = True
    """Whether the output layer is the embedding"""
    epochs: float = 2.3
    max_seconds: float | None = 135.0
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float = 4e-3
    adamw_learning_rate: float | None = 2e-3
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
        problems = config_problems(self.model_config()) + super().problems()
        if self.row_length > self.max_seq_len:
            problems.append(f"row_length={self.row_length} exceeds max_seq_len={self.max_seq_len}; lower one")
        if self.vocab_size < 300:
            problems.append(f"vocab_size={self.vocab_size} must be at least 300: 256 bytes and the chat's pieces")
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
        learning_rate=1e-3,
        adamw_learning_rate=3e-4,
        evaluations=50,
        patience=5,
        max_held_out=2000,
    ),
}


DEFAULT_DATA = {"demo": ("core",), "seed": ("embedded",)}
"""Two minutes are enough for the core of the embedded corpus: of all of it the demo's model learned no fact exactly."""


def prepare_tokenizer(dataset: Dataset, options: Model1Options, path: Path) -> Tokenizer:
    texts = (message.content for sample in dataset.train for message in sample.messages)
    return train_tokenizer(texts, options.vocab_size, path)


def save_checkpoint(
    model: ModernTransformer, tokenizer: Tokenizer, options: Model1Options, step: int, path: Path
) -> None:
    """Write the checkpoint atomically: plain types and tensors only, so that ``torch.load`` reads it by default."""
    content = {
        "config": model.config,
        "model_state_dict": {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()},
        "tokenizer_sha256": tokenizer.sha256,
        "options": asdict(options),
        "step": step,
    }
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    os.replace(partial, path)


def train_model1(options: Model1Options, data: tuple[str, ...], out: Path, progress: Progress) -> dict[str, Any]:
    """Train, save and export; returns the report that is also written to ``training_report.json``."""
    options.check()
    out.mkdir(parents=True, exist_ok=True)
    compute = choose_compute(options.dtype)
    progress.stage("corpus", f"reading {', '.join(data)}")
    dataset = load_dataset(data, options.max_rows_per_source, options.max_held_out)
    progress.stage(
        "tokenizer", f"training a tokenizer of {options.vocab_size:,} pieces on {len(dataset.train):,} samples"
    )
    # An older checkpoint keeps its tokenizer until there are new weights to go with the new one.
    tokenizer = prepare_tokenizer(dataset, options, out / "tokenizer.new")
    documents = tokenise(dataset.train, tokenizer.encode_batch, CHAT_FORM, options.loss_on)
    held_out = {
        kind: tokenise(samples, tokenizer.encode_batch, CHAT_FORM, options.loss_on)
        for kind, samples in dataset.held_out.items()
    }
    torch.manual_seed(options.seed)
    model = ModernTransformer(**options.model_config())
    progress.stage(
        "train",
        f"training {model.n_parameters():,} parameters on {len(documents.tokens):,} tokens, {compute.name}, "
        f"{compute.dtype_name} ({compute.reason})",
    )
    best_path = out / "art_ai_best.pt"
    best: dict[str, Score] = {}

    def keep(step: int, scores: dict[str, Score]) -> None:
        best.update(scores)
        save_checkpoint(model, tokenizer, options, step, best_path)
        tokenizer.move(out / "tokenizer.model")

    with Energy().measure(options.country) as energy:
        metrics = Metrics(out / "metrics.jsonl")
        trainer = Trainer(model, documents, held_out, options, compute, PAD, progress, metrics, on_best=keep)
        outcome = trainer.run()
    if not held_out:
        keep(outcome.steps, {})
    model.load_state_dict(torch.load(best_path)["model_state_dict"])
    progress.stage("export", f"writing {out}")
    report = {
        "model": "model1",
        "base": None,
        "parameters": model.n_parameters(),
        "trainable_parameters": model.n_parameters(),
        "size_bytes": best_path.stat().st_size,
        **run_report(outcome, best, dataset, compute, energy),
        "seed": options.seed,
        "config": asdict(options) | {"data": list(data)},
    }
    export(model.cpu().eval(), tokenizer, out)
    draw_curves(out, f"Model 1, {model.n_parameters() / 1e6:.1f}M parameters, from scratch")
    write_report(out, report)
    return report


def export(model: ModernTransformer, tokenizer: Tokenizer, out: Path) -> None:
    """Write the interchange formats beside the checkpoint."""
    export_hf(model, tokenizer, out / "hf")
    export_gguf(out / "hf", out / "model.gguf")


def build_parser() -> OneLineParser:
    parser = OneLineParser(
        prog="train_art_ai_model",
        description=__doc__,
        epilog=settings_help(Model1Options),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", choices=PROFILES, default="demo", help="a set of settings (default: demo)")
    parser.add_argument("--data", nargs="+", metavar="SOURCE", help=f"data sources (default: {DEFAULT_DATA})")
    parser.add_argument("--out", type=Path, default=MODEL1_FOLDER, metavar="DIR", help="where everything is written")
    parser.add_argument("--max-steps", type=int, metavar="N", help="stop after N optimizer steps")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; may be repeated"
    )
    parser.add_argument("--progress", type=Path, metavar="FILE", help="keep the state of the run in FILE, as JSON")
    return parser


def run(arguments: argparse.Namespace) -> None:
    settings = arguments.set + ([f"max_steps={arguments.max_steps}"] if arguments.max_steps is not None else [])
    options = with_settings(PROFILES[arguments.profile], settings)
    data = tuple(arguments.data or DEFAULT_DATA[arguments.profile])
    with Progress(arguments.progress) as progress:
        report = train_model1(options, data, arguments.out, progress)
        print(
            f"Model 1: {report['parameters'] / 1e6:.1f}M parameters, {report['tokens']:,} tokens in "
            f"{report['train_seconds']:.0f} s ({report['tokens_per_second']:,.0f} tokens/s)"
        )
        if report["val_loss"] is not None:
            print(
                f"held out: perplexity {report['val_perplexity']:.1f}, {report['val_bits_per_byte']:.3f} bits per byte"
            )
        for question in DEMO_QUESTIONS:
            print(f"  {question}\n    {complete(arguments.out / 'art_ai_best.pt', question)}")
        progress.stage("done", f"written to {arguments.out}")


def main(argv: list[str] | None = None) -> int:
    return run_command(run, build_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
