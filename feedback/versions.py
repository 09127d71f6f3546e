"""Which models answered in a study: each by the SHA-256 of what was loaded, so that votes on two versions of one model
are never taken for votes on one.

A study has the two versions that it was begun with; others begin another study (`registry.register`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DIGITS = 16  # of a hash, where it is shown and in the column of an export
PREFIX = "sha256:"
"""Keeps a spreadsheet from reading a hash of digits as a number."""
UNKNOWN = ""  # of a server, which tells no weights
NAMES = {"model1": "Model 1", "model2": "Model 2"}
IMPROVES = "improves"
"""Key in the description of a model that was made from the other one of its study by learning from votes."""


WEIGHTS = "weights_sha256"
"""Key of the hash by which earlier releases knew a model that is a folder: of its weights, without its tokenizer and
settings."""


def as_before(models: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The description of both models as earlier releases wrote it into a study."""
    found = {}
    for model, described in models.items():
        found[model] = {**described, "sha256": described[WEIGHTS]} if WEIGHTS in described else dict(described)
        found[model].pop(WEIGHTS, None)
    return found


def version(description: Mapping[str, Any]) -> str:
    """The version of a model as exports have it, such as `sha256:3f2a91c0b7e1d604`; `UNKNOWN` without a hash."""
    sha256 = description.get("sha256")
    return f"{PREFIX}{str(sha256)[:DIGITS]}" if sha256 else UNKNOWN


def sql(model: str) -> str:
    """The same of a row of the table `studies`, as SQL."""
    digest = f"json_extract(studies.models, '$.{model}.sha256')"
    return f"ifnull('{PREFIX}' || substr({digest}, 1, {DIGITS}), '{UNKNOWN}')"


def versions(models: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The version of each model of a study."""
    return {model: version(description) for model, description in models.items()}


def improved(models: Mapping[str, Mapping[str, Any]]) -> str:
    """Which model of a study was made from the other one by learning from votes; empty where neither was."""
    return next((model for model, description in models.items() if description.get(IMPROVES)), "")


def in_words(description: Mapping[str, Any]) -> str:
    """A model for people: what was loaded, and its version."""
    source = str(description.get("source") or description.get("name") or "")
    return f"{source} ({version(description) or 'a server, which tells no version'})"


def who_answered(models: Mapping[str, Mapping[str, Any]]) -> str:
    """Both models of a study with their versions, in a line."""
    new = improved(models)
    roles = {model: " the new one," if model == new else " the old one," if new else "" for model in models}
    return ". ".join(f"{NAMES[model]}:{roles[model]} {in_words(models[model])}" for model in NAMES) + "."


def changed(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> str:
    """In what the models of two studies differ, in words."""
    return "; ".join(
        f"{NAMES[model]} was {in_words(before[model])} and is {in_words(after[model])}"
        for model in NAMES
        if before[model] != after[model]
    )
