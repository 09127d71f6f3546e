"""Train Model 1 from scratch.

    python training/train_art_ai_model.py --profile demo
    python -m training.train_art_ai_model --profile seed --data my_texts/ --out checkpoints/my_model
    python training/train_art_ai_model.py --set learning_rate=0.003 --set n_layers=6

The folder `--out` then holds `art_ai_best.pt`, `tokenizer.model`, `hf/`, `model.gguf`, `training_curves.png`,
`metrics.jsonl` and `training_report.json`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a file: make the repository's packages importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import training  # noqa: F401 - before PyTorch, whose threads it tells how to wait

from training.common.checkpoint_folder import MODEL1_FOLDER
from training.common.cli import OneLineParser, run_command
from training.inference.generation import complete
from training.loop.plan import estimate_tokens, few_tokens
from training.loop.plans import plan, room_problems
from training.runs.command import DEMO_QUESTIONS, Run, TrainingCommand, build_parser, chosen
from training.runs.model1 import set_up
from training.settings.model1 import PROFILES, Model1Options

COURSEWORK_PERPLEXITY = {"seed": (15, 20)}
"""Held-out perplexity that the coursework behind this project names for a profile. No run of ours shows it."""


def parser() -> OneLineParser:
    return build_parser("train_art_ai_model", __doc__, PROFILES, MODEL1_FOLDER)


def run(arguments: argparse.Namespace) -> None:
    options, data = chosen(arguments, PROFILES)
    if arguments.plan or arguments.plan_for:
        options.check()
        bytes_per_token = 3.4 if options.vocab_size < 16_000 else 4.2
        tokens = estimate_tokens(data, options, bytes_per_token)
        found = plan(options, tokens, arguments.plan_for)
        *lines, verdict = found.describe().splitlines()
        if warning := few_tokens(options.epochs * tokens, found.parameters):  # --max-steps would be no want of data
            lines.append(f"data         {warning}")
        print("\n".join([*lines, verdict]))
        return
    Model1Training(arguments, options, data).run()


class Model1Training(TrainingCommand[Model1Options]):
    """Model 1's training."""

    def room_problems(self, options: Model1Options, out: Path) -> list[str]:
        return room_problems(options, out)

    def set_up(self, options: Model1Options, data: tuple[str, ...], out: Path, *more: Any) -> Run:
        return set_up(options, data, out, *more)

    def print_result(self, report: dict[str, Any]) -> None:
        if report["val_loss"] is not None:
            named = COURSEWORK_PERPLEXITY.get(self.arguments.profile)
            beside = f" (the coursework names {named[0]}-{named[1]})" if named else ""
            print(
                f"held out: perplexity {report['val_perplexity']:.1f}{beside}, "
                f"{report['val_bits_per_byte']:.3f} bits per byte"
            )
        for question in DEMO_QUESTIONS:
            print(f"  {question}\n    {complete(self.arguments.out / 'art_ai_best.pt', question)}")


def main(argv: list[str] | None = None) -> int:
    return run_command(run, parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
