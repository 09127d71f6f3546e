"""What was begun last at /admin, so that the app goes on with it when it is started again without options.

Else a restart would let the models of before answer in the test of a new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.demo_training import CHECKPOINTS
from app.model_files import settled
from feedback.export.write import replace_file
from training.common import json_text
from training.inference.engines.spec import MODELS

FOLDER = "studies"  # beside the database


@dataclass(frozen=True)
class Begun:
    """A study file, and the SPEC of each model that is another than the app serves by default."""

    study: Path
    specs: dict[str, str]

    @property
    def missing(self) -> str:
        """What of it is no longer there; empty where all is."""
        files = [str(self.study), *(spec for spec in self.specs.values() if not spec.startswith("openai:"))]
        return next((file for file in files if not Path(file).exists()), "")


def write_begun(database: Path, study: Path, specs: Mapping[str, str]) -> None:
    """Keep what runs from now on. Raises ExportError."""
    content: dict[str, str] = {"study": str(study.resolve())}
    content |= {model: settled(specs[model]) for model in MODELS}
    replace_file(place_of(database), [json.dumps(content, indent=1).encode()], mode=0o600)  # a SPEC may hold a password


def read_begun(database: Path) -> Begun | None:
    """What was begun last on a database; None where nothing was, or it cannot be read."""
    try:
        saved = json_text.loads(place_of(database).read_text(encoding="utf-8"))
        specs: dict[str, str] = {
            model: str(saved[model]) for model in MODELS if saved[model] != settled(str(CHECKPOINTS[model]))
        }
        return Begun(Path(saved["study"]), specs)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def place_of(database: Path) -> Path:
    """The file in which it is kept."""
    return database.parent / FOLDER / f"{database.name}.begun.json"
