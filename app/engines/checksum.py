"""The SHA-256 of a checkpoint's file, so that a study's record says exactly what answered."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of the file at `path`, read in parts of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
