"""A checkpoint's folder: where the two models' lie, and what a training writes into it."""

from __future__ import annotations

from pathlib import Path

FILES = (
    *("art_ai_best.pt", "tokenizer.new", "tokenizer.model", "model.gguf", "README.md", "training_curves.png"),
    *("metrics.jsonl", "training_report.json", "data_card.json", "data_card.md"),
)
FOLDERS = {"hf": "hf", "final": "final", "adapter": "adapter"}
"""What a training of either model writes into ``--out``, beside its states: names of folders with their kinds."""


MODEL1_FOLDER = Path(__file__).resolve().parents[2] / "checkpoints" / "art_ai_model"


MODEL2_FOLDER = Path(__file__).resolve().parents[2] / "checkpoints" / "model2_pretrained"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one line and says what to do."""
