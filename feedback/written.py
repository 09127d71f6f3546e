"""Which files this project wrote, so that no command removes or replaces one of a user's.

What was written into a folder is noted there in ``.diptych.json``: names, each with the file's size and a hash, and
what it is. This needs Python's own library alone, and holds for votes (``export/write.py``) as for models
(``training/common/files.py``).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

MANIFEST = ".diptych.json"
OURS: dict[str, Any] = {"written_by": "diptych", "kind": None, "files": {}, "kinds": {}}
EDGE = 1 << 20  # bytes at a file's beginning and end that its print reads of a large model, in a few milliseconds
WHOLE = 64 << 20  # bytes of a file that is read whole: all tables of votes, most corpora
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


def is_ours(path: Path, kind: str = "") -> bool:
    """Whether a file is as this project wrote it, and of this kind (by default, what its name says)."""
    as_written = is_as_written(path, noted(path.parent)["files"].get(path.name, []))
    return as_written and kind_of(path) in (None, kind or path.name)


def kind_of(path: Path) -> str | None:
    """What a file of ours is: its name, or what the command said that was told where to write it; None where a version
    wrote it that noted no kinds."""
    manifest = noted(path.parent)
    kind: str | None = manifest["kinds"].get(path.name, path.name if manifest["kind"] else None)
    return kind


def note(manifest: dict[str, Any], name: str, print_: str, kind: str = "") -> None:
    """Note a file as ours; the print before stays valid until the next."""
    manifest["files"][name] = [*manifest["files"].get(name, [])[-1:], print_]
    manifest["kinds"][name] = kind or name


def noted(folder: Path) -> dict[str, Any]:
    """What is noted in a folder; nothing where there is no note of ours."""
    return _manifest(folder) or OURS | {"files": {}, "kinds": {}}


def manifest_is_anothers(folder: Path) -> bool:
    """Whether something of somebody else's stands where we note what is ours, so that nothing can be written here."""
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        return os.path.lexists(path)
    return path.stat().st_size > 0 and _manifest(folder) is None


def _manifest(folder: Path) -> dict[str, Any] | None:
    """None where there is none, or another's file of that name."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["written_by"] == OURS["written_by"]:
            return OURS | content | {name: dict(content.get(name, {})) for name in ("files", "kinds")}
    return None


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Put a manifest in its place, whole."""
    with replacing(folder / MANIFEST) as file:
        file.write(json.dumps(manifest, indent=1) + "\n")


def is_as_written(path: Path, prints: list[str]) -> bool:
    """Whether a file has one of these prints."""
    if path.is_symlink() or not path.is_file():
        return False
    return any(print_of(path, like=print_) == print_ for print_ in prints)


def print_of(path: Path, *, growing: bool = False, like: str = "") -> str:
    """A file's size and a hash of its content, of a large one of the first and last ``EDGE`` bytes.

    Args:
        growing: of the beginning that the file has now.
        like: of as much of the file as this print was of.
    """
    if not path.is_file():
        return ""
    size = path.stat().st_size
    growing = growing or "+" in like
    whole = not growing and (like.startswith(f"{size}=") or (not like and 2 * EDGE < size <= WHOLE))
    length = min(size, int(like.partition("+")[0]) if "+" in like else size, EDGE if growing else size)
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(min(length, EDGE)))
        if whole:
            digest.update(file.read())
        elif length > EDGE:
            file.seek(max(EDGE, length - EDGE))
            digest.update(file.read(EDGE))
    return f"{length}{'+' if growing else '=' if whole else ' '}{digest.hexdigest()[:32]}"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """A file to write that takes the place of ``path`` when the block ends well, whoever wrote that; else it goes."""
    partial = path.with_name(f".{path.name.lstrip('.')}.{secrets.token_hex(4)}")
    try:
        with partial.open("x", encoding="utf-8") as file:
            yield file
        replace(partial, path)
    except BaseException:
        unlink(partial)
        raise


def replace(source: Path | str, target: Path) -> None:
    """``os.replace``, patiently."""
    patiently(lambda: os.replace(source, target))


def unlink(path: Path) -> None:
    """Remove a file that may be gone already, patiently."""
    patiently(lambda: path.unlink(missing_ok=True))


def patiently(act: Callable[[], None]) -> None:
    """Do what Windows refuses while somebody reads the file, as a virus scanner does what was just written: there it is
    tried for three seconds."""
    for seconds in _WAITS:
        try:
            act()
            return
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(seconds)
    act()
