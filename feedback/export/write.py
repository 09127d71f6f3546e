"""Files that appear whole or not at all, and never in the place of a file that somebody else wrote.

What was written is noted beside it in ``.diptych.json``, in the form of ``training/common/files.py``: names, each with
the file's size and a hash, and what it is. A file is replaced only while it is as it was written, and by its like.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

MANIFEST = ".diptych.json"
_EDGE = 1 << 20  # bytes at a file's beginning and end that its print reads, where the file is larger than the next
_WHOLE = 64 << 20  # bytes of a file that is read whole


class ExportError(ValueError):
    """An export is not possible: one line with the value, the rule and the remedy."""


def check_place(path: str | Path, kind: str = "") -> None:
    """Raises ExportError where a folder, another's file or a file of ours of another kind stands at ``path``."""
    path = Path(path)
    if path.is_dir():
        raise ExportError(f"{path}: is a folder; name a file with --out")
    if os.path.lexists(path) and not _is_ours(path):
        raise ExportError(
            f"{path}: was not written here by this project, or was changed since; move it away, or name another file"
            " with --out"
        )
    there = _kind_of(path)
    if os.path.lexists(path) and there not in (None, kind or path.name):
        raise ExportError(
            f"{path}: holds what another command of this project wrote ({there}), not {kind or path.name}; name another"
            " file"
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
        _sign(path, _print(temporary), kind or path.name)
        _replace(temporary, path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror}); choose another place with --out") from None
    finally:
        if temporary is not None and temporary.exists():
            temporary.unlink()
    return size


def _replace(source: Path, target: Path) -> None:
    """`os.replace`; on Windows, where nobody replaces what somebody reads, tried for three seconds."""
    for seconds in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(seconds)
    os.replace(source, target)


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    prints = (_read(path.parent) or {"files": {}})["files"].get(path.name, [])
    return any(_print(path, like=print_) == print_ for print_ in prints)


def _kind_of(path: Path) -> str | None:
    """What a file of ours is; None where a version wrote it that noted no kinds."""
    content = _read(path.parent) or {"kind": None, "kinds": {}}
    kind: str | None = content["kinds"].get(path.name, path.name if content["kind"] else None)
    return kind


def _sign(path: Path, print_: str, kind: str) -> None:
    """Note a file as ours before it is in its place; the print before stays valid until the next."""
    manifest = path.parent / MANIFEST
    content = _read(path.parent)
    if content is None:
        if manifest.exists():
            raise ExportError(f"{manifest}: is another program's; choose another folder with --out")
        content = {"written_by": "diptych", "kind": None, "files": {}, "kinds": {}}
    content["kinds"][path.name] = kind
    content["files"][path.name] = [*content["files"].get(path.name, [])[-1:], print_]
    partial = path.with_name(f"{MANIFEST}{secrets.token_hex(4)}")
    try:
        with partial.open("x", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=1) + "\n")
        _replace(partial, manifest)
    except BaseException:  # such as a full disk
        partial.unlink(missing_ok=True)
        raise


def _read(folder: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["written_by"] == "diptych":
            both = {"files": dict(content["files"]), "kinds": dict(content.get("kinds", {}))}
            return {"kind": None} | dict(content) | both
    return None


def _print(path: Path, like: str = "") -> str:
    size = path.stat().st_size
    whole = like.startswith(f"{size}=") or (not like and 2 * _EDGE < size <= _WHOLE)
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_EDGE))
        if whole:
            digest.update(file.read())
        elif size > _EDGE:
            file.seek(max(_EDGE, size - _EDGE))
            digest.update(file.read(_EDGE))
    return f"{size}{'=' if whole else ' '}{digest.hexdigest()[:32]}"
