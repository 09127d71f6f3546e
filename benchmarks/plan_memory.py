"""The memory that a plan foretells beside the peak of a real run of the training command, at two sizes.

python -m benchmarks.plan_memory --steps 40 --out plan_memory.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.outputs import own_file, write
from training.common.options import with_settings
from training.loop.plans import plan
from training.settings.model1 import PROFILES

ROOT = Path(__file__).resolve().parents[1]
COMMON = ("max_seconds=none", "max_held_out=40", "sample_tokens=0", "evaluations=1")
SIZES = {
    "demo": (),
    "27M": ("dim=512", "n_layers=8", "n_heads=8", "n_kv_heads=2", "ffn_dim=1408", "vocab_size=8192"),
}


def measure(settings: tuple[str, ...], steps: int) -> int:
    """Peak bytes of a run, as its report has them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "training.train_art_ai_model", "--data", "core", "--out", folder]
        command += ["--max-steps", str(steps), *(word for setting in settings for word in ("--set", setting))]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        return int(json.loads((Path(folder) / "training_report.json").read_text())["peak_memory_bytes"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40, help="optimizer steps of each run (default: 40)")
    parser.add_argument("--out", type=own_file, metavar="FILE", help="write the table as Markdown")
    arguments = parser.parse_args()
    lines = ["| size | planned | measured | planned / measured |", "|---|---|---|---|"]
    for name, sizes in SIZES.items():
        settings = (*COMMON, *sizes)
        planned, measured = plan(with_settings(PROFILES["demo"], settings), 0).total, measure(settings, arguments.steps)
        lines.append(f"| {name} | {planned / 1e9:.2f} GB | {measured / 1e9:.2f} GB | {planned / measured:.2f} |")
        print(lines[-1], flush=True)
    write(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
