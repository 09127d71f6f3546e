"""``training_report.json``: its keys, written and read."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

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
    replace_text(folder / "training_report.json", json.dumps(report, indent=2) + "\n")


def read_report(out: Path) -> dict[str, Any] | None:
    """``training_report.json`` of a folder; None where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        report = json.loads((out / "training_report.json").read_text(encoding="utf-8"))
        return report if isinstance(report, dict) else None
    return None
