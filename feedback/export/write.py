"""Files that appear whole or not at all, and never in the place of a file that somebody else wrote."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from ..written import (
    MANIFEST,
    is_ours,
    kind_of,
    manifest_is_anothers,
    note,
    noted,
    print_of,
    replace,
    write_manifest,
)


class ExportError(ValueError):
    """An export is not possible: one line with the value, the rule and the remedy."""


def check_place(path: str | Path, kind: str = "") -> None:
    """Raises ExportError where a folder, another's file or a file of ours of another kind stands at ``path``."""
    path = Path(path)
    if path.is_dir():
        raise ExportError(f"{path}: is a folder; name a file with --out")
    if not os.path.lexists(path) or is_ours(path, kind):
        return
    there = kind_of(path)
    if there and is_ours(path, there):
        raise ExportError(
            f"{path}: holds what another command of this project wrote ({there}), not {kind or path.name}; name another"
            " file"
        )
    raise ExportError(
        f"{path}: was not written here by this project, or was changed since; move it away, or name another file"
        " with --out"
    )


def replace_file(
    path: str | Path,
    chunks: Iterable[bytes],
    observe: Callable[[bytes], object] = len,
    kind: str = "",
    mode: int | None = None,
) -> int:
    """Write chunks beside ``path`` and put the file in its place once it is complete; returns its size in bytes.

    ``observe`` sees every chunk (a digest, a progress bar). ``kind`` is what the file is, where a user chose its name:
    one of another kind is never replaced. ``mode`` is who may read it: by default whoever may read a new file.
    Raises ExportError.
    """
    path = Path(path)
    check_place(path, kind)
    temporary = None
    try:
        place = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with open(place, "xb", opener=lambda name, flags: os.open(name, flags, mode or 0o666)) as file:
            temporary = place
            size = 0
            for chunk in chunks:
                file.write(chunk)
                observe(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        check_place(path, kind)
        if manifest_is_anothers(path.parent):
            raise ExportError(f"{path.parent / MANIFEST}: is another program's; choose another folder with --out")
        manifest = noted(path.parent)
        # Before it is in its place, so that both prints are known whenever a crash comes.
        note(manifest, path.name, print_of(temporary), kind)
        write_manifest(path.parent, manifest)
        replace(temporary, path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror}); choose another place with --out") from None
    finally:
        if temporary is not None and temporary.exists():
            temporary.unlink()
    return size
