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
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a file: make the repository's packages importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import training  # noqa: F401 - before PyTorch, whose threads it tells how to wait

from training.common.checkpoint_folder import FINAL, MODEL2_FOLDER
from training.common.cli import OneLineParser, run_command
from training.inference.generation import generate
from training.loop.plan import estimate_tokens
from training.loop.plans import base_problems, list_bases, plan_base
from training.loop.resume import TrainingStates
from training.runs.command import DEMO_QUESTIONS, Run, TrainingCommand, build_parser, chosen
from training.runs.model2 import set_up, with_base_at_hand
from training.settings.model2 import PROFILES, Model2Options


def parser() -> OneLineParser:
    parser = build_parser("train_model2_pretrained", __doc__, PROFILES, MODEL2_FOLDER)
    parser.add_argument(
        "--list-bases", action="store_true", help="print the bases and what each needs, and do nothing else"
    )
    return parser


def run(arguments: argparse.Namespace) -> None:
    options, data = chosen(arguments, PROFILES)
    if arguments.list_bases:
        for line in list_bases(options):
            print(line, flush=True)
        return
    if arguments.plan or arguments.plan_for:
        options.check()
        print(plan_base(options, estimate_tokens(data, options, 4.2), arguments.plan_for).describe())
        return
    Model2Training(arguments, options, data).run()


class Model2Training(TrainingCommand[Model2Options]):
    """Model 2's training."""

    def room_problems(self, options: Model2Options, out: Path) -> list[str]:
        return base_problems(options, out)

    def set_up(self, options: Model2Options, data: tuple[str, ...], out: Path, *more: Any) -> Run:
        return set_up(options, data, out, *more)

    def settled(self) -> Model2Options:
        named = any(change.partition("=")[0].strip() == "base" for change in self.arguments.set)
        states = TrainingStates(self.arguments.out, {})
        return self.options if named else with_base_at_hand(self.options, states, self.arguments.start)

    def print_result(self, report: dict[str, Any]) -> None:
        if report["val_loss"] is not None:
            print(
                f"held-out answers: {report['base_val_bits_per_byte']:.3f} bits per byte before, "
                f"{report['val_bits_per_byte']:.3f} after (perplexity {report['val_perplexity']:.1f})"
            )
        show_answers(self.arguments.out / FINAL, self.options.trust_remote_code)


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
