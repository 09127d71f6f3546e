"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path


class ExportError(ValueError):
    """An export is not possible: one line with the value, the rule and the remedy."""


def replace_file(path: str | Path, chunks: Iterable[bytes], observe: Callable[[bytes], object] = len) -> int:
    """Write chunks beside ``path`` and put the file in its place once it is complete; returns its size in bytes.

    ``observe`` sees every chunk (a digest, a progress bar).

    Raises:
        ExportError: the place cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise ExportError(f"{path}: is a folder; name a file with --out")
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            size = 0
            for chunk in chunks:
                file.write(chunk)
                observe(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror}); choose another place with --out") from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
    return size
