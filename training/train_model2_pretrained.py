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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

if __name__ == "__main__":  # run as a file: make the repository's packages importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import training  # noqa: F401 - before PyTorch, whose threads it tells how to wait

import torch

from training.bases import BASES, Base, load_base
from training.checkpoint import Start, TrainingStates
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
from training.compute import Compute
from training.corpus import is_embedded
from training.dataset import TokenisedDataset, load_dataset, spread_over_facts, tokenise_dataset
from training.distributed import World
from training.export import export_gguf
from training.fine_tuning import Full, Lora, PackedCausalLM, QLora, four_bit_problems
from training.generation import MODEL2_FOLDER, generate
from training.gguf_format import gguf_problem
from training.known_bases import base_problems, list_bases, plan_base
from training.options import MOST, OneLineParser, Range, run_command
from training.plan import estimate_tokens
from training.prepare import Recipe, prepare
from training.progress import Progress
from training.report import read_metrics, run_report
from training.scoring import Score
from training.settings import TrainingOptions
from training.tracking import tracking
from training.trainer import Trainer
from training.verdict import USABLE_BITS_PER_BYTE

Method = Literal["full", "lora", "qlora"]


@dataclass(frozen=True)
class Model2Options(TrainingOptions):
    """Everything that decides Model 2: its base, and its training, with other defaults than those in common."""

    base: str = "smollm2-135m"
    """A name that --help lists, a local folder, or an id of the Hub"""
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
    batch_rows: int = 8
    micro_batch_rows: int = 8
    evaluations: int = 1

    def problems(self) -> list[str]:
        problems = super().problems()
        if self.method != "full" and self.parallel == "fsdp":
            problems.append(f"parallel=fsdp is for method=full; use parallel=ddp with method={self.method}")
        if self.method == "qlora":
            problems += four_bit_problems()
        return problems


PROFILES = {
    "demo": Model2Options(
        frozen=0.34,
        max_samples=2000,
        batch_rows=4,
        micro_batch_rows=4,
        learning_rate=6e-4,
        sample_tokens=0,  # the only evaluation is the last, and the saved model is asked right after it
        max_held_out=120,
        max_seconds=1200.0,
        target_bits_per_byte=0.45,
        usable_bits_per_byte=USABLE_BITS_PER_BYTE,
        schedule="wsd",
        fall_within=1.15,
        looks=8,
        look_samples=40,
        save_seconds=180.0,
        keep_checkpoints=1,
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


def prepare_data(options: Model2Options, data: tuple[str, ...], base: Base, progress: Progress) -> TokenisedDataset:
    """The data in the tokens of the base.

    Files and data sets of the Hub are prepared once and mapped from the cache; the embedded corpus is made in memory.
    """
    form, limits = base.chat_form(), (options.max_rows_per_source, options.max_held_out)
    if not is_embedded(data):
        recipe = Recipe(data, base.encoder.sha256, form, options.loss_on, *limits, options.max_samples)
        return prepare(recipe, lambda texts, path: base.encoder, say=progress.say).dataset
    dataset = load_dataset(data, *limits)
    dataset = replace(dataset, train=spread_over_facts(dataset.train, options.max_samples))
    return tokenise_dataset(dataset, base.encode_batch, form, options.loss_on)


@dataclass(frozen=True)
class Setup:
    """A run that is ready to train."""

    dataset: TokenisedDataset
    base: Base
    method: Full | Lora
    trainer: Trainer

    @property
    def trainable(self) -> int:
        return sum(p.numel() for p in self.base.model.parameters() if p.requires_grad)


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

    def answers() -> dict[str, str]:
        length = options.sample_tokens
        with compute.autocast():
            return {q: generate(base.model, q, base.tokenizer, max_new_tokens=length) for q in SAMPLE_QUESTIONS}

    metrics = world.metrics(out / "metrics.jsonl", state["outcome"]["steps"] if state else None)
    trainer = world.trainer(
        model,
        dataset.train,
        dataset.held_out,
        options if options.method == "full" else replace(options, parallel="ddp"),
        compute,
        base.pad_id,
        progress,
        metrics,
        lambda step, scores: method.keep(out),
        states,
        answers,
    )
    setup = Setup(dataset, base, method, trainer)
    if state is not None:
        trainer.restore(state)
    return setup


def train_model2(
    options: Model2Options,
    data: tuple[str, ...],
    out: Path,
    progress: Progress,
    start: Start = "new",
    world: World = World(),  # noqa: B008 - frozen: one process
) -> dict[str, Any]:
    """Fine-tune, save and export; returns the report that is also written to ``training_report.json``.

    Of several processes the first one writes; the others return an empty report.
    """
    states = begin(options, data, out, start, base_problems)
    key = key_of(options, data)
    run = set_up(options, data, out, progress, states, states.newest() if start == "resume" else None, world)
    base, trainer = run.base, run.trainer
    report_to = options.report_to if world.is_first else "none"
    with tracking(report_to, out, states.config) as listener:
        trainer.metrics.listener = listener
        before = score_base(trainer, base, progress)
        progress.stage(
            "train",
            f"training {run.trainable:,} of {base.model.num_parameters():,} parameters on "
            f"{len(trainer.batches.documents.tokens):,} tokens, {trainer.compute.name}, {trainer.compute.dtype_name} "
            f"({trainer.compute.reason}){describe_cuts(trainer.batches.documents, options.row_length)}",
        )
        with trainer.energy.measure(options.country):
            outcome = trainer.run()
    if not trainer.held_out:
        trainer.on_best(outcome.steps, {})
    if not world.is_first:
        return {}
    progress.stage("export", f"writing {out}")
    trained = run.trainable
    run.method.finish(out)
    report = {
        "model": "model2",
        "base": options.base,
        "method": options.method,
        "parameters": base.model.num_parameters(),
        "trainable_parameters": trained,
        "size_bytes": sum(file.stat().st_size for file in (out / "final").glob("*.safetensors")),
        **run_report(outcome, outcome.best, run.dataset, trainer.compute, trainer.energy_used),
        "base_val_loss": before.get("loss"),
        "base_val_bits_per_byte": before.get("bits_per_byte"),
        "seed": options.seed,
        "config": configuration(options, data),
    }
    title = f"Model 2, {report['parameters'] / 1e6:.0f}M parameters, fine-tuned ({options.method})"
    gguf = out / "model.gguf"
    finish(out, report, {gguf.name: lambda: export_gguf(out / "final", gguf, options.gguf)}, title, run.dataset, key)
    if not trainer.is_cut_short:
        states.remove()
    return report


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
    before = sum((trainer.score(documents) for documents in trainer.held_out.values()), Score(0.0, 0, 0))
    if not before.tokens:
        return {}
    trainer.metrics.write(step=0, seconds=0.0, val_loss=before.loss, val_bits_per_byte=before.bits_per_byte)
    return {"loss": before.loss, "bits_per_byte": before.bits_per_byte}


def parser() -> OneLineParser:
    parser = build_parser("train_model2_pretrained", __doc__, PROFILES, MODEL2_FOLDER)
    parser.add_argument(
        "--base", metavar="NAME|PATH", help=f"{', '.join(BASES)}, a folder or an id of the Hub (default: smollm2-135m)"
    )
    parser.add_argument(
        "--list-bases", action="store_true", help="print the bases and what each needs, and do nothing else"
    )
    parser.add_argument("--method", choices=("full", "lora", "qlora"), help="what is trained (default: full)")
    return parser


def run(arguments: argparse.Namespace) -> None:
    options, data = chosen(arguments, PROFILES, {"base": arguments.base, "method": arguments.method})
    if arguments.list_bases:
        for line in list_bases(options):
            print(line, flush=True)
        return
    if arguments.plan or arguments.plan_for:
        options.check()
        print(plan_base(options, estimate_tokens(data, options, 4.2), arguments.plan_for).describe())
        return

    def tell(report: dict[str, Any]) -> None:
        if report["val_loss"] is not None:
            print(
                f"held-out answers: {report['base_val_bits_per_byte']:.3f} bits per byte before, "
                f"{report['val_bits_per_byte']:.3f} after (perplexity {report['val_perplexity']:.1f})"
            )
        show_answers(arguments.out / "final", options.trust_remote_code)

    carry_out(arguments, options, data, base_problems, set_up, train_model2, tell)


def show_answers(final: Path, trust_remote_code: bool) -> None:
    """Ask the saved model, which proves that it loads."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(final, trust_remote_code=trust_remote_code)
    for question in DEMO_QUESTIONS:
        print(f"  {question}\n    {generate(model, question, max_new_tokens=80)}")


def main(argv: list[str] | None = None) -> int:
    return run_command(run, parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
