"""Votes as preferences in a file, and a tiny base that learns from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.training.tiny_bases import byte_pairs, tiny_model
from training.models.bases import Base, prepare_for_chat

ANSWERS = (
    "It is a movement of light and colour.",
    "No idea.",
    "A painter of the north, who lived by the sea.",
)


def write_preferences(path: Path, model: str, sha256: str | None, n: int = 30, **header: Any) -> Path:
    """Votes of six testers on eight questions; the longer of two answers of three is preferred."""
    first = {
        "kind": "diptych-preferences", "version": 1, "study": "s#1", "study_hash": "aa", "votes_hash": "bb",
        "model": model, "model_hashes": {"model1": None, "model2": None} | {model: sha256}, "n_votes": n, "n_pairs": n,
        "n_testers": 6, "running": False, "left_out": {},
    } | header  # fmt: skip
    records = [
        {
            "id": f"v{k}", "prompt_id": f"q{k % 8}", "category": "art", "outcome": "win", "on_policy": k % 2 == 0,
            "prompt": [{"role": "user", "content": f"What is thing {k % 8}?"}], "chosen": ANSWERS[2 * (k % 2)],
            "rejected": ANSWERS[1], "chosen_author": model, "rejected_author": "model1", "weight": 0.5 + k % 3,
            "tester": f"t{k % 6}", "split": "held_out" if k % 5 == 0 else "train",
        }
        for k in range(n)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in (first, *records)))
    return path


def tiny_base() -> Base:
    tokenizer = byte_pairs(True)
    model = tiny_model("llama", len(tokenizer))
    prepare_for_chat(model, tokenizer)
    return Base("tiny", model, tokenizer, 0)
