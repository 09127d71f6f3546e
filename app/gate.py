"""No test opens with a model that has not learned."""

from __future__ import annotations

from typing import Any

from app.model_files import NAMES, home
from training.common.checkpoint_folder import report_in
from training.reporting.verdict import shortfall


def report_of(spec: str) -> dict[str, Any]:
    """The training report beside the model that a SPEC names; empty where there is none that can be read."""
    folder = home(spec)
    return (report_in(folder) if folder else None) or {}


def shortfall_of(spec: str, model: str) -> str:
    """Why testers must not be shown the model of a SPEC, in a sentence without its full stop; empty where they may.

    A model without a report, such as that of a server, is shown: nothing tells how much it has learned.
    """
    why = shortfall(report_of(spec))
    return f"{NAMES[model]} {why}" if why else ""
