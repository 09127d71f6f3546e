"""Results that were measured already, by a hash of all that they depend on: a second run takes a second or two."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training.common.cache import cache_folder, is_forgotten
from training.common.cli import contained
from training.common.files import replacing

_PACKAGE = Path(__file__).resolve().parents[1]
_LIBRARIES = ("torch", "transformers", "tokenizers", "sentencepiece", "rouge-score", "sacrebleu", "xllamacpp")


class ResultCache:
    """Results as JSON files in a folder of the cache; without ``use`` everything is measured again, and takes the place
    of what was there."""

    def __init__(self, use: bool = True) -> None:
        self.folder, self.use = cache_folder() / "evaluation", use
        self._writable = True

    def get(self, part: str, depends_on: Mapping[str, Any], measure: Callable[[], Any]) -> Any:
        """The result of ``measure``, or the one that it gave when everything in ``depends_on`` was the same.

        What ``measure`` raises is not kept.
        """
        key = _hash({"part": part, "code": code_version(), **depends_on})
        path = self.folder / f"{part}-{key[:32]}.json"
        if self.use:
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                with contextlib.suppress(OSError):  # a cache that can only be read
                    os.utime(path)
                return found
            except (OSError, ValueError):
                pass
        result = measure()
        text = json.dumps(result, allow_nan=False) + "\n"
        if self._writable and contained("results are not kept for the next time", self._keep, path, text) is None:
            self._writable = False
        return result

    def _keep(self, path: Path, text: str) -> bool:
        self._remove_old()
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text)
        return True

    def _remove_old(self) -> None:
        for path in self.folder.glob("*.json"):
            with contextlib.suppress(OSError):  # another evaluation removes it too, or, on Windows, reads it
                if re.fullmatch(r".+-[0-9a-f]{32}\.json", path.name) and is_forgotten(path):
                    path.unlink()


@cache
def code_version() -> str:
    """A hash of the code of ``training``, of the embedded corpus and of the libraries' versions.

    Of all the code, not of the rooms that measure: what those import would be left out in silence.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in (".py", ".toml")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    digest.update(" ".join(version(library) for library in _LIBRARIES).encode())
    return digest.hexdigest()


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
