"""No test opens with a model that has not learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.model_files import NAMES, home
from training.common.checkpoint_folder import report_in
from training.reporting.verdict import shortfall


def report_of(spec: str) -> dict[str, Any]:
    """The training report beside the model that a SPEC names; empty where there is none that can be read."""
    folder = home(spec)
    return (report_in(folder) if folder else None) or {}


def refusal(spec: str) -> str:
    """Why a guard refused a version that learned from votes, as the end of a sentence; empty where none did."""
    told = report_of(spec).get("improvement")
    if not isinstance(told, dict) or told.get("accepted") is not False:
        return ""
    return f"was refused after it learned from votes: {'; '.join(reasons(told))}"


def reasons(told: Mapping[str, Any]) -> list[str]:
    """Why a version was refused, as the part of its report on learning has it."""
    found = told.get("refused_because")
    return list(map(str, found)) if isinstance(found, list) and found else ["its report says why"]


def shortfall_of(spec: str, model: str) -> str:
    """Why testers must not be shown the model of a SPEC, in a sentence without its full stop; empty where they may.

    A model without a report, such as that of a server, is shown: nothing tells how much it has learned.
    """
    why = refusal(spec) or shortfall(report_of(spec))
    return f"{NAMES[model]} {why}" if why else ""
