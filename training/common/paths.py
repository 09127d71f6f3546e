"""Names of files that are no UTF-8, for programs that take nothing else."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def named_in_utf8(path: Path) -> Iterator[Path]:
    """The same file or folder by a name in UTF-8: its own, else that of a link to it, there while the block runs."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="diptych-", ignore_cleanup_errors=True) as place:
            link = Path(place, "link").with_suffix(path.suffix if path.suffix.isascii() else "")
            link.symlink_to(path.absolute())
            yield link
    else:
        yield path
