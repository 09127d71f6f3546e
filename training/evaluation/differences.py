"""One model minus another, paired over the same items: which of the two is better, and by how much at least."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluation import held_out
from training.evaluation.intervals import paired_difference


def differences(models: Mapping[str, Mapping[str, Any]], *, seed: int = 0) -> dict[str, Any]:
    """The first model minus the second, as ``differences`` of ``evaluation.json``; empty for fewer than two.

    What only one of them has, or what was measured on other items, has no difference and is left out.
    """
    if len(models) < 2:
        return {}
    names = list(models)[:2]
    a, b = (models[name] for name in names)
    found: dict[str, Any] = {"models": names, "knowledge": _knowledge(a, b, seed)}
    if a["held_out"] and b["held_out"]:
        for part in held_out.PARTS:
            difference = held_out.difference(a["held_out"], b["held_out"], part, seed=seed)
            if difference is not None:
                found[f"held_out_{part}_bits_per_byte"] = difference
    if a["answers"] and b["answers"] and a["answers"]["per_sample"]["ids"] == b["answers"]["per_sample"]["ids"]:
        for key in ("words", "stopped", "repetition", "rouge_l"):
            ours, theirs = (model["answers"]["per_sample"][key] for model in (a, b))
            found[f"answers_{key}"] = paired_difference(ours, theirs, seed).as_dict()
    return found


def _knowledge(a: Mapping[str, Any], b: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    """Over the items of a benchmark that neither model has been trained on word for word."""
    found = []
    others = {entry["benchmark"]: entry for entry in b["knowledge"]}
    for entry in a["knowledge"]:
        other = others.get(entry["benchmark"])
        if other is None or other["sha256"] != entry["sha256"]:
            continue
        tainted = {*entry["contaminated"]["ids"], *other["contaminated"]["ids"]}
        right = [
            {item["id"]: float(item["chosen"] == item["answer"]) for item in one["items"] if item["id"] not in tainted}
            for one in (entry, other)
        ]
        common = [name for name in right[0] if name in right[1]]
        if common:
            ours, theirs = ([one[name] for name in common] for one in right)
            found.append(
                {
                    "benchmark": entry["benchmark"],
                    "n": len(common),
                    "accuracy": paired_difference(ours, theirs, seed).as_dict(),
                }
            )
    return found
