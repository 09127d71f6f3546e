"""Which files this project wrote, so that no command removes or replaces one of a user's.

    FOLDER/.diptych.json    the names of what was written there, each with its size and a hash, and what it is

A file is replaced only while it is as it was written and by its like: results never take the place of a model. A whole
folder is replaced only where that holds for everything in it. What
is being written lies in a folder `.diptych-…` beside its place, which no other process touches while this one lives.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from training.common import locks

MANIFEST = ".diptych.json"
WORKSPACE = ".diptych-"
SYSTEM_FILES = (".DS_Store", "Thumbs.db", "desktop.ini")
"""What file managers leave in any folder, as macOS leaves `._NAME`: neither ours nor in the way. It stays."""
EDGE = 1 << 20
"""Bytes at a file's beginning and end that its print reads of a large model, in a few milliseconds."""
WHOLE = 64 << 20
"""Bytes of a file that is read whole: all tables of votes, most corpora."""
SHOWN = 3
WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
OURS: dict[str, Any] = {"written_by": "diptych", "kind": None, "files": {}, "kinds": {}}


class ForeignFileError(ValueError):
    """A place that holds a file of somebody else's; the message is one line and says what to do."""


def place(text: str) -> Path:
    """A path, for ``add_argument(type=place)``; ``~`` is the home, which no shell has put in its place in
    ``--out=~/models``: a folder of that name is easily removed with the home."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; name a path")
    return Path(os.path.expanduser(text))


def is_ours(path: Path, kind: str = "") -> bool:
    """Whether a file is as this project wrote it, and of this kind (by default, what its name says)."""
    as_written = _is_as_written(path, _read(path.parent)["files"].get(path.name, []))
    return as_written and _kind_of(path) in (None, kind or path.name)


def _kind_of(path: Path) -> str | None:
    """What a file of ours is: its name, or what the command said that was told where to write it; None where a version
    wrote it that noted no kinds."""
    manifest = _read(path.parent)
    kind: str | None = manifest["kinds"].get(path.name, path.name if manifest["kind"] else None)
    return kind


def foreign(out: Path, files: Iterable[str], folders: Mapping[str, str] = {}) -> list[str]:
    """What stands in ``out`` where a command will write these files, and folders of these kinds, and is not ours."""
    found = [MANIFEST] if manifest_is_anothers(out) else []
    found += [name for name in files if os.path.lexists(out / name) and not is_ours(out / name)]
    for name, kind in folders.items():
        folder = out / name
        if folder.is_dir():
            found += [f"{name}/{stranger}" for stranger in _strangers(folder, kind)]
        elif os.path.lexists(folder):
            found.append(name)
    return found


def unwritable(out: Path, folders: Iterable[str] = ()) -> list[str]:
    """What stands against this user's writing to ``out`` and replacing these folders in it, such as what another user's
    run has left there."""
    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.is_dir())
    places = [there] if there != out.absolute() else [out, out / MANIFEST, *(out / name for name in folders)]
    shut = next((path for path in places if path.exists() and not os.access(path, os.W_OK)), None)
    remedy = "change its owner or its rights, or name another place"
    return [f"{shut} cannot be written by this user; {remedy}"] if shut else []


def refusal(folder: Path, names: list[str]) -> str:
    """One line about files that are in the way."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    was, it = ("was", "it") if len(names) == 1 else ("were", "them")
    return (
        f"{folder} holds {', '.join(names[:SHOWN])}{more}, which {was} not written here by this project or changed "
        f"since; nothing is overwritten: move {it} away, or name another place"
    )


def check_file(path: Path, kind: str = "") -> None:
    """Raises ForeignFileError where another's file, a folder, or a file of ours of another kind stands at ``path``."""
    if manifest_is_anothers(path.parent):
        raise ForeignFileError(refusal(path.parent, [MANIFEST]))
    if not os.path.lexists(path) or is_ours(path, kind):
        return
    there = _kind_of(path)
    if there and is_ours(path, there):
        raise ForeignFileError(
            f"{path} holds what another command of this project wrote ({there}), not {kind or path.name}; nothing is "
            "overwritten: name another place"
        )
    raise ForeignFileError(refusal(path.parent, [path.name]))


def check_folder(folder: Path, kind: str) -> None:
    """Raises ForeignFileError unless ``folder`` is missing, empty, or wholly of this kind as it was written."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise ForeignFileError(refusal(folder.parent, [folder.name]))
    if strangers := _strangers(folder, kind):
        raise ForeignFileError(refusal(folder, strangers))


@contextlib.contextmanager
def new_file(path: str | Path, kind: str = "") -> Iterator[Path]:
    """A path to write to, which takes the place of ``path`` when the block ends well; else the old file stays.

    Args:
        kind: what the file is, where a user chose its name; one of another kind is never replaced.

    Raises:
        ForeignFileError: at once, where another's file is there.
    """
    path = Path(path)
    check_file(path, kind)
    with workspace(path.parent, path.name) as place:
        partial = place / path.name
        yield partial
        check_file(path, kind)
        sign(
            path.parent, {path.name: print_of(partial)}, kind
        )  # before it is there: whenever a crash comes, both are known
        replace(partial, path)


def replace_text(path: Path, text: str, kind: str = "") -> None:
    """Write a text file so that a reader sees the old one or the new one, whole; ``kind`` as for ``new_file``."""
    with new_file(path, kind) as partial:
        partial.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def new_folder(folder: str | Path, kind: str, cache: bool = False) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``folder`` when the block ends well; else the old one stays.

    Args:
        kind: what the folder is. One of another kind is never replaced: it may be all there is of a model.
        cache: whether it lies in the cache: then what is damaged is replaced, and what is another's stays in it.

    Raises:
        ForeignFileError: at once, unless the folder is missing, empty, or wholly of this kind as it was written.
    """
    folder = Path(folder)
    folder = folder.resolve() if folder.is_symlink() else folder
    if not cache:
        check_folder(folder, kind)
    with workspace(folder.parent, folder.name) as place:
        partial = place / "new"
        partial.mkdir()
        yield partial
        _open_as_others_are(partial)
        sign_folder(partial, kind)
        if not cache:
            check_folder(folder, kind)
        if folder.exists():
            _move_what_stays(folder, partial)
            replace(folder, place / "old")
        try:
            replace(partial, folder)
        except BaseException:  # such as Ctrl-C: the old one must not go with the workspace
            if (place / "old").exists() and not os.path.lexists(folder):
                replace(place / "old", folder)
            raise


def _open_as_others_are(folder: Path) -> None:
    """Give the weights the rights of any new file: safetensors lets nobody but the owner read what it writes
    (https://github.com/safetensors/safetensors/issues/782)."""
    os.umask(mask := os.umask(0o077))
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o666 & ~mask)


def sign(folder: Path, prints: Mapping[str, str], kind: str = "") -> None:
    """Note files as ours, by name and print; the print before stays valid until the next."""
    with _locked_manifest(folder) as manifest:
        for name, print_ in prints.items():
            manifest["files"][name] = [*manifest["files"].get(name, [])[-1:], print_]
            manifest["kinds"][name] = kind or name


def sign_folder(folder: Path, kind: str) -> None:
    """Note everything that is in a folder as ours."""
    prints = {name: [print_of(folder / name)] for name in _names(folder)}
    content = OURS | {"kind": kind, "files": prints}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def sign_growing(path: Path) -> None:
    """Note a file as ours that lines are appended to: whatever follows, it begins as it does now."""
    sign(path.parent, {path.name: print_of(path, growing=True)})


def replace(source: Path | str, target: Path) -> None:
    """``os.replace``, patiently."""
    _patiently(lambda: os.replace(source, target))


def unlink(path: Path) -> None:
    """Remove a file that may be gone already, patiently."""
    _patiently(lambda: path.unlink(missing_ok=True))


def remove_tree(folder: Path) -> None:
    """Remove a folder of this process's own, patiently."""
    _patiently(lambda: shutil.rmtree(folder))


def _patiently(act: Callable[[], None]) -> None:
    """Do what Windows refuses while somebody reads the file, as a virus scanner does what was just written: there it is
    tried for three seconds."""
    for seconds in WAITS:
        try:
            act()
            return
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(seconds)
    act()


def remove_file(path: Path) -> None:
    """Remove a file of ours; another's stays."""
    if is_ours(path):
        unlink(path)


def remove_folder(folder: Path, kind: str) -> None:
    """Remove a folder that is wholly of this kind as it was written; any other stays."""
    if folder.is_dir() and not folder.is_symlink() and _read(folder)["kind"] == kind and not _strangers(folder, kind):
        remove_tree(folder)


def _move_what_stays(old: Path, new: Path) -> None:
    """Systems' files, and in the cache another's."""
    ours = {name.partition("/")[0] for name in _read(old)["files"]} | {path.name for path in new.iterdir()}
    for path in list(old.iterdir()):
        if path.name not in ours:
            replace(path, new / path.name)


def _names(folder: Path) -> list[str]:
    """Files and empty folders, but for what systems leave and the manifest."""
    paths = (path for path in sorted(folder.rglob("*")) if not path.is_dir() or path.is_symlink() or _is_empty(path))
    there = (path for path in paths if path.parent != folder or not (path.name == MANIFEST or _is_systems(path)))
    return [path.relative_to(folder).as_posix() for path in there]


def _is_systems(path: Path) -> bool:
    return path.name in SYSTEM_FILES or path.name.startswith("._")


def _is_empty(folder: Path) -> bool:
    return next(folder.iterdir(), None) is None


def _strangers(folder: Path, kind: str) -> list[str]:
    if not folder.is_dir():
        return []
    manifest = _read(folder)
    known = manifest["files"] if manifest["kind"] == kind else {}
    taken = [MANIFEST] if manifest_is_anothers(folder) else []
    return taken + [name for name in _names(folder) if not _is_as_written(folder / name, known.get(name, []))]


def _is_as_written(path: Path, prints: list[str]) -> bool:
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


def _manifest(folder: Path) -> dict[str, Any] | None:
    """None where there is none, or another's file of that name."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["written_by"] == OURS["written_by"]:
            return OURS | content | {name: dict(content.get(name, {})) for name in ("files", "kinds")}
    return None


def manifest_is_anothers(folder: Path) -> bool:
    """Whether something of somebody else's stands where we note what is ours, so that nothing can be written here."""
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        return os.path.lexists(path)
    return path.stat().st_size > 0 and _manifest(folder) is None


def _read(folder: Path) -> dict[str, Any]:
    return _manifest(folder) or OURS | {"files": {}, "kinds": {}}


@contextlib.contextmanager
def _locked_manifest(folder: Path) -> Iterator[dict[str, Any]]:
    """The manifest to change, which no other process changes meanwhile: replaced whole when the block ends well."""
    path = folder / MANIFEST
    if manifest_is_anothers(folder):
        raise ForeignFileError(refusal(folder, [MANIFEST]))
    handle = locks.alone_with(path)
    try:
        if manifest_is_anothers(folder):
            raise ForeignFileError(refusal(folder, [MANIFEST]))
        content = _read(folder)
        yield content
        with replacing(path) as file:
            file.write(json.dumps(content, indent=1) + "\n")
    finally:
        locks.close(handle)


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


@contextlib.contextmanager
def workspace(parent: Path, target: str) -> Iterator[Path]:
    """A folder of this process's own in ``parent``, removed with all that is left in it."""
    parent.mkdir(parents=True, exist_ok=True)
    _clear_dead_workspaces(parent)
    try:
        place = Path(tempfile.mkdtemp(prefix=WORKSPACE, dir=parent))
    except OSError as error:  # whose name nobody has heard of
        raise OSError(error.errno, error.strerror, str(parent / target)) from error
    handle = locks.opened(place)
    try:
        locks.lock(handle)
        content = OURS | {"kind": "workspace", "target": target}
        (place / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        locks.close(handle)


def _clear_dead_workspaces(parent: Path) -> None:
    """Remove what processes left that were killed; a folder that one of them had moved away takes its place again."""
    for place in parent.glob(f"{WORKSPACE}*"):
        if _read(place)["kind"] != "workspace":
            continue
        handle = locks.opened(place)
        try:
            # one that is read no more has just been removed by its owner
            if locks.lock(handle, wait=False) and _read(place)["kind"] == "workspace":
                target = parent / json.loads((place / MANIFEST).read_text(encoding="utf-8"))["target"]
                if (place / "old").exists() and (place / "new").exists() and not os.path.lexists(target):
                    replace(place / "new", target)
                shutil.rmtree(place, ignore_errors=True)
        finally:
            locks.close(handle)


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in parts of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
