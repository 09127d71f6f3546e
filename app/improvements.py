"""The versions of a model that learned from votes: folders of their own below its own, each with its report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.model_files import home, improvement_of, report_of
from feedback.versions import WEIGHTS, improved
from training.common.checkpoint_folder import report_in
from training.inference.engines.spec import MODELS

Kinship = Literal["", "one kind", "model1", "model2"]
"""How two models are related: Model 1 from scratch beside a pretrained one, as far as is known; both from scratch or
both pretrained; or the one that is named made from the other by learning from votes."""
FOLDER = "improved"
REFUSED = "refused"


@dataclass(frozen=True)
class Improvement:
    """One of them: its folder, and what its report says of how it was made and what came of it."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def accepted(self) -> bool:
        """Whether no guard refused it; only then may testers be shown it."""
        return self.record.get("accepted") is True

    @property
    def name(self) -> str:
        """As its folder is called: `2`, the second one."""
        return self.folder.name


def improvements_of(spec: str) -> list[Improvement]:
    """What was made of the model of a SPEC, the newest first."""
    folder = home(spec)
    made = [one for one in _family(folder) if _parent(one) == folder] if folder else []
    return sorted(made, key=lambda improvement: int(improvement.name), reverse=True)


def next_folder(spec: str) -> Path | None:
    """Where the next one of a SPEC's model goes, or goes on; None where its model has no folder of a training.

    What is made of an improvement stands beside it, by the next free number.
    """
    folder = home(spec)
    if folder is None:
        return None
    done = {improvement.name for improvement in _family(folder)}
    return next(place for number in range(1, 10_000) if (place := _versions(folder) / str(number)).name not in done)


def _versions(folder: Path) -> Path:
    """The folder of all versions of a family of models."""
    return folder.parent if folder.parent.name == FOLDER else folder / FOLDER


def _family(folder: Path) -> list[Improvement]:
    """All versions that are finished, refused ones too."""
    found = []
    with contextlib.suppress(OSError):  # there are none, or they are not ours to read
        for place in _versions(folder).iterdir():
            record = next(
                (record for at in (place, place / REFUSED) if (record := improvement_of(report_in(at)))), None
            )
            if record and place.name.isdecimal():
                found.append(Improvement(place, record))
    return found


def _parent(improvement: Improvement) -> Path | None:
    """The folder of what it was made of."""
    made_of = improvement.record.get("parent")
    path = made_of.get("path") if isinstance(made_of, dict) else None
    return home(str(path)) if path else None


def is_made_of(spec: str, parent: Mapping[str, Any]) -> bool:
    """Whether the model of a SPEC learned from votes, once or more, on what an engine describes as `parent`."""
    hashes = [parent[key] for key in ("sha256", WEIGHTS) if parent.get(key)]
    return any(made_of.get("sha256") in hashes for made_of in _ancestors(spec))


def _ancestors(spec: str) -> Iterator[Mapping[str, Any]]:
    """What the model of a SPEC was made of, what that was made of, and so on: versions are never replaced."""
    seen = set()
    while spec not in seen:
        seen.add(spec)
        made_of = improvement_of(report_of(spec)).get("parent")
        if isinstance(made_of, dict):
            yield made_of
            spec = str(made_of.get("path") or "")


def kinship_of(specs: Mapping[str, str], models: Mapping[str, Mapping[str, Any]]) -> Kinship:
    """How the two models of a study, as their engines describe them, are related."""
    for model in MODELS:
        if improved(models) == model:
            return model
    reports = [report_of(spec) for spec in specs.values()]
    from_scratch = {report.get("base") is None for report in reports if report.get("model")}
    return "one kind" if len(from_scratch) == 1 and all(reports) else ""
