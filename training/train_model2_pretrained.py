"""Fine-tune Model 2, a pretrained base, on the data that Model 1 is trained on.

    python training/train_model2_pretrained.py --profile demo
    python -m training.train_model2_pretrained --base gpt2-large --profile seed --data my_texts/
    python training/train_model2_pretrained.py --method lora --set learning_rate=0.0002

The folder `--out` then holds `final/` (Hugging Face's form), `model.gguf`, `training_curves.png`, `metrics.jsonl` and
`training_report.json`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

if __name__ == "__main__":  # run as a file: make the repository's packages importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from training.bases import BASES, Base, load_base
from training.dataset import Dataset, load_dataset, spread_over_facts
from training.device import Compute, choose_compute
from training.export import export_gguf
from training.fine_tuning import Full, Lora, PackedCausalLM
from training.generation import MODEL2_FOLDER, generate
from training.options import OneLineParser, OptionsError, run_command, settings_help, with_settings
from training.packing import tokenise
from training.progress import Progress
from training.report import Energy, Metrics, draw_curves, run_report, write_report
from training.scoring import Score
from training.train_art_ai_model import DEFAULT_DATA, DEMO_QUESTIONS
from training.trainer import Trainer, TrainingOptions

Method = Literal["full", "lora", "qlora"]


@dataclass(frozen=True)
class Model2Options(TrainingOptions):
    """Everything that decides Model 2: its base, and its training, with other defaults than those in common."""

    base: str = "smollm2-135m"
    """A name that --help lists, a local folder, or an id of the Hub"""
    method: Method = "full"
    """full: the weights themselves; lora: small matrices beside them; qlora: the same over a base of 4 bits"""
    frozen: float = 0.0
    """Share of the layers, from the lowest, that stay as they are, and the embedding with them (full only)"""
    lora_rank: int = 16
    """Rank of the matrices that lora puts beside each linear layer"""
    max_samples: int | None = None
    """Train on at most so many samples, one of each fact before a second of any"""
    gguf: Literal["f16", "q8_0"] = "q8_0"
    """Numbers in model.gguf"""
    batch_rows: int = 8
    micro_batch_rows: int = 8
    evaluations: int = 1

    def problems(self) -> list[str]:
        problems = super().problems()
        if not 0 <= self.frozen < 1:
            problems.append(f"frozen={self.frozen} must be at least 0 and below 1")
        if self.lora_rank < 1:
            problems.append(f"lora_rank={self.lora_rank} must be at least 1")
        if self.method == "qlora":
            problems.append("method=qlora is not available yet; use lora, which needs a base of 16 bits in memory")
        return problems

    def check_base(self, base: Base) -> None:
        """Raises OptionsError where the settings do not fit the base."""
        if self.row_length > base.context:
            raise OptionsError(
                [f"row_length={self.row_length} exceeds the {base.context} tokens that {base.name} reads; lower it"]
            )


PROFILES = {
    "demo": Model2Options(
        frozen=0.34,
        max_samples=2000,
        batch_rows=4,
        micro_batch_rows=4,
        learning_rate=6e-4,
        max_held_out=120,
        max_seconds=105.0,
    ),
    "seed": Model2Options(
        row_length=512,
        batch_rows=32,
        micro_batch_rows=4,
        epochs=3.0,
        learning_rate=1e-4,
        evaluations=20,
        max_held_out=1000,
    ),
}


def train_model2(options: Model2Options, data: tuple[str, ...], out: Path, progress: Progress) -> dict[str, Any]:
    """Fine-tune, save and export; returns the report that is also written to ``training_report.json``."""
    options.check()
    out.mkdir(parents=True, exist_ok=True)
    compute = choose_compute(options.dtype)
    progress.stage("corpus", f"reading {', '.join(data)}")
    dataset = load_dataset(data, options.max_rows_per_source, options.max_held_out)
    dataset = Dataset(spread_over_facts(dataset.train, options.max_samples), dataset.held_out)
    progress.stage("download", f"loading {options.base}")
    base = load_base(options.base, progress)
    options.check_base(base)
    torch.manual_seed(options.seed)
    method = make_method(base, options, compute)
    best: dict[str, Score] = {}

    def keep(step: int, scores: dict[str, Score]) -> None:
        best.update(scores)
        method.keep(out)

    trainer = make_trainer(base, dataset, options, compute, progress, Metrics(out / "metrics.jsonl"), keep)
    before = score_base(trainer, base, progress)
    trained = sum(p.numel() for p in base.model.parameters() if p.requires_grad)
    progress.stage(
        "train",
        f"training {trained:,} of {base.model.num_parameters():,} parameters on "
        f"{len(trainer.batches.documents.tokens):,} tokens, {compute.name}, {compute.dtype_name} ({compute.reason})",
    )
    with Energy().measure(options.country) as energy:
        outcome = trainer.run()
    if not dataset.held_out:
        keep(outcome.steps, {})
    progress.stage("export", f"writing {out}")
    method.finish(out)
    report = {
        "model": "model2",
        "base": options.base,
        "method": options.method,
        "parameters": base.model.num_parameters(),
        "trainable_parameters": trained,
        "size_bytes": sum(file.stat().st_size for file in (out / "final").glob("*.safetensors")),
        **run_report(outcome, best, dataset, compute, energy),
        "base_val_loss": before.loss if before.tokens else None,
        "base_val_bits_per_byte": before.bits_per_byte if before.tokens else None,
        "seed": options.seed,
        "config": asdict(options) | {"data": list(data)},
    }
    export_gguf(out / "final", out / "model.gguf", options.gguf)
    draw_curves(out, f"Model 2, {report['parameters'] / 1e6:.0f}M parameters, fine-tuned ({options.method})")
    write_report(out, report)
    return report


def make_method(base: Base, options: Model2Options, compute: Compute) -> Full | Lora:
    if options.method == "lora":
        return Lora(base, options.lora_rank, compute.dtype)
    return Full(base, options.frozen, compute.dtype)


def make_trainer(
    base: Base,
    dataset: Dataset,
    options: Model2Options,
    compute: Compute,
    progress: Progress,
    metrics: Metrics,
    keep: Callable[[int, dict[str, Score]], None],
) -> Trainer:
    """The loop over the samples in the base's chat form."""
    form = base.chat_form()
    documents = tokenise(dataset.train, base.encode_batch, form, options.loss_on)
    held_out = {
        kind: tokenise(samples, base.encode_batch, form, options.loss_on) for kind, samples in dataset.held_out.items()
    }
    return Trainer(
        PackedCausalLM(base.model),
        documents,
        held_out,
        options,
        compute,
        base.pad_id,
        progress,
        metrics,
        on_best=keep,
    )


def score_base(trainer: Trainer, base: Base, progress: Progress) -> Score:
    """The base's loss on the held-out answers, before any training."""
    progress.stage("evaluate", f"scoring {base.name} as it is")
    before = sum((trainer.score(documents) for documents in trainer.held_out.values()), Score(0.0, 0, 0))
    if before.tokens:
        trainer.metrics.write(step=0, seconds=0.0, val_loss=before.loss, val_bits_per_byte=before.bits_per_byte)
    return before


def build_parser() -> OneLineParser:
    parser = OneLineParser(
        prog="train_model2_pretrained",
        description=__doc__,
        epilog=settings_help(Model2Options),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--base", metavar="NAME|PATH", help=f"{', '.join(BASES)}, a folder or an id of the Hub (default: smollm2-135m)"
    )
    parser.add_argument("--method", choices=("full", "lora", "qlora"), help="what is trained (default: full)")
    parser.add_argument("--profile", choices=PROFILES, default="demo", help="a set of settings (default: demo)")
    parser.add_argument("--data", nargs="+", metavar="SOURCE", help=f"data sources (default: {DEFAULT_DATA})")
    parser.add_argument("--out", type=Path, default=MODEL2_FOLDER, metavar="DIR", help="where everything is written")
    parser.add_argument("--max-steps", type=int, metavar="N", help="stop after N optimizer steps")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; may be repeated"
    )
    parser.add_argument("--progress", type=Path, metavar="FILE", help="keep the state of the run in FILE, as JSON")
    return parser


def run(arguments: argparse.Namespace) -> None:
    given = {"base": arguments.base, "method": arguments.method, "max_steps": arguments.max_steps}
    settings = [f"{key}={value}" for key, value in given.items() if value is not None]
    options = with_settings(PROFILES[arguments.profile], arguments.set + settings)
    data = tuple(arguments.data or DEFAULT_DATA[arguments.profile])
    with Progress(arguments.progress) as progress:
        report = train_model2(options, data, arguments.out, progress)
        print(
            f"Model 2: {report['parameters'] / 1e6:.1f}M parameters, {report['tokens']:,} tokens in "
            f"{report['train_seconds']:.0f} s ({report['tokens_per_second']:,.0f} tokens/s)"
        )
        if report["val_loss"] is not None:
            print(
                f"held-out answers: {report['base_val_bits_per_byte']:.3f} bits per byte before, "
                f"{report['val_bits_per_byte']:.3f} after (perplexity {report['val_perplexity']:.1f})"
            )
        show_answers(arguments.out / "final")
        progress.stage("done", f"written to {arguments.out}")


def show_answers(final: Path) -> None:
    """Ask the saved model, which proves that it loads."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(final)
    for question in DEMO_QUESTIONS:
        print(f"  {question}\n    {generate(model, question, max_new_tokens=80)}")


def main(argv: list[str] | None = None) -> int:
    return run_command(run, build_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
