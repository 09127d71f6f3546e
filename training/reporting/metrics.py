"""``metrics.jsonl``: what a run measured, step by step."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.common import json_text
from training.common.cli import contained
from training.common.files import replace_text, sign_growing


class Metrics:
    """``metrics.jsonl``: one JSON object a line, appended as the run goes; ``listener`` gets each row too."""

    def __init__(
        self, path: Path, keep_until_step: int | None = None, listener: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self.path, self.listener = path, listener
        kept = [] if keep_until_step is None else [row for row in read_metrics(path) if row["step"] <= keep_until_step]
        replace_text(path, "".join(json.dumps(row) + "\n" for row in kept))
        self._signed, self._fails = False, False

    def write(self, **row: Any) -> None:
        try:
            self._append(row)
        except OSError as error:  # a full disk: the run goes on, and where its states find no room either it says so
            if not self._fails:
                print(f"{self.path.name} lacks measurements: {error}", file=sys.stderr)
            self._fails = True
        if self.listener is not None and not contained("the tracker gets no more measurements", self._tell, row):
            self.listener = None

    def _append(self, row: dict[str, Any]) -> None:
        line = "\n" * self._fails + json.dumps(row) + "\n"  # the row before may be half written
        if self._signed:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        else:  # a run that is killed before the file is known as one that grows must find it known as it is
            replace_text(self.path, self.path.read_text(encoding="utf-8") + line)
            sign_growing(self.path)
            self._signed = True
        self._fails = False

    def _tell(self, row: dict[str, Any]) -> bool:
        if self.listener is not None:
            self.listener(row)
        return True


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Rows of ``metrics.jsonl``; a last line cut short by a crash is left out, as all that is no row."""
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                rows.append(json_text.loads(line))
    return [row for row in rows if isinstance(row, dict)]
