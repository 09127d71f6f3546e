"""``training_report.json``: its keys, and how it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.common.checkpoint_folder import REPORT
from training.common.files import replace_text

REPORT_KEYS = [
    "model",
    "base",
    "parameters",
    "trainable_parameters",
    "size_bytes",
    "samples",
    "tokens",
    "epochs",
    "train_seconds",
    "tokens_per_second",
    "peak_memory_bytes",
    "energy_kwh",
    "co2_kg",
    "energy_source",
    "device",
    "dtype",
    "val_loss",
    "val_perplexity",
    "val_bits_per_byte",
    "seed",
    "config",
]
"""What ``training_report.json`` always has; more may stand beside."""


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """``training_report.json``; a key of ``REPORT_KEYS`` that is missing is a mistake of ours."""
    missing = [key for key in REPORT_KEYS if key not in report]
    assert not missing, f"training_report.json lacks {missing}"
    replace_text(folder / REPORT, json.dumps(report, indent=2) + "\n")
