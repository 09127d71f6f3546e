"""Public Git repositories at pinned commits: that one commit and the paths that are read, kept on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock
from tqdm import tqdm

from training.common.cache import cache_folder
from training.corpus.sample import CorpusError

HOST = "https://github.com/"
SLOWEST_BYTES, SLOWEST_SECONDS = 1000, 60
"""A transfer that falls below so many bytes a second for so many seconds is broken off: going on costs little."""
# `git rev-parse --local-env-vars`, without those of the configuration.
_OTHER_REPOSITORY = {
    f"GIT_{name}"
    for name in (
        "DIR", "WORK_TREE", "IMPLICIT_WORK_TREE", "COMMON_DIR", "INDEX_FILE", "OBJECT_DIRECTORY", "PREFIX",
        "ALTERNATE_OBJECT_DIRECTORIES", "SHALLOW_FILE", "GRAFT_FILE", "NAMESPACE",
    )
}  # fmt: skip
_FAILURE = re.compile(r"(?:remote: |fatal: |error: )+")
_PROGRESS = re.compile(r"(Receiving objects|Resolving deltas|Updating files):\s+\d+% \((\d+)/(\d+)\)")


@dataclass(frozen=True)
class Checkout:
    """What is wanted of a repository."""

    repository: str  # ``owner/name`` on GitHub
    commit: str  # the full hash; every file is what it was then
    paths: tuple[str, ...]
    """Folders and files, or Git's patterns of them (``docs/*.md``); one after the other is fetched, so that a break
    loses one of them at most."""

    @property
    def address(self) -> str:
        """A page that shows the files as they were at the commit."""
        return f"{HOST}{self.repository}/tree/{self.commit}"

    @property
    def folder(self) -> Path:
        """Where its files are once they are fetched."""
        return cache_folder() / "repositories" / self.repository.replace("/", "--") / self.commit[:12]


def files(wanted: Checkout, patterns: Sequence[str]) -> list[Path]:
    """The files of a repository that match the patterns, in the order of their names; fetched if they are not here.

    Raises:
        CorpusError: No git, no network, no room, or no such repository or commit, in one line.
    """
    folder = fetched(wanted)
    found = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    if not found:
        raise CorpusError(f"{wanted.repository}: no file {', '.join(patterns)} at {wanted.commit[:12]}; report this")
    return found


def fetched(wanted: Checkout) -> Path:
    """The folder with the files; what an earlier call has fetched is not fetched again."""
    folder = wanted.folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            missing = [path for path in wanted.paths if path not in _done(folder)]
            if missing:
                _fetch(wanted, missing)
    except OSError as error:
        raise CorpusError(f"{folder.parent}: cannot be written ({error.strerror}); set XDG_CACHE_HOME") from error
    return folder


def _done(folder: Path) -> list[str]:
    """The paths that are wholly here: each is noted when its files are."""
    note = _note(folder)
    return note.read_text(encoding="utf-8").splitlines() if note.is_file() else []


def _note(folder: Path) -> Path:
    return folder / ".git" / "diptych-paths"


def _fetch(wanted: Checkout, paths: Sequence[str]) -> None:
    folder = wanted.folder
    if not (folder / ".git" / "HEAD").is_file():
        shutil.rmtree(folder, ignore_errors=True)  # a break before Git had made its own folder
        _git(wanted, "init", "--quiet", str(folder), at=folder.parent)
    # A break inside Git leaves its locks; ours says that nobody else is at work here.
    for lock in (folder / ".git").rglob("*.lock"):
        lock.unlink()
    if _output(wanted, "rev-parse", "--verify", "--quiet", "HEAD") != wanted.commit:
        address = f"{HOST}{wanted.repository}"
        if not _output(wanted, "config", "remote.origin.url"):
            _git(wanted, "remote", "add", "origin", address)
        _git(wanted, "config", "remote.origin.promisor", "true")
        _git(wanted, "config", "remote.origin.partialclonefilter", "blob:none")
        _git(wanted, "fetch", "--progress", "--depth=1", "--no-tags", "--filter=blob:none", "origin", wanted.commit)
        _git(wanted, "update-ref", "--no-deref", "HEAD", wanted.commit)
    if _output(wanted, "rev-parse", "HEAD") != wanted.commit:
        raise CorpusError(f"{wanted.repository}: {HOST}{wanted.repository} sent another commit than {wanted.commit}")
    _git(wanted, "config", "core.sparseCheckout", "true")
    chosen = folder / ".git" / "info" / "sparse-checkout"
    chosen.parent.mkdir(exist_ok=True)
    for path in paths:
        # Git fetches what a wider selection lacks in one go, and compares every object with its hash: what is here is
        # what the commit names. (`git checkout COMMIT -- PATH` would ask for each of 28,000 files by itself.)
        # The selection is a file of patterns: `git sparse-checkout set --no-cone` came with Git 2.35, and Ubuntu 22.04
        # has 2.34.
        chosen.write_text("".join(f"/{pattern}\n" for pattern in (*_done(folder), path)), encoding="utf-8")
        _git(wanted, "read-tree", "--reset", "-u", "HEAD")
        with _note(folder).open("a", encoding="utf-8") as note:
            note.write(f"{path}\n")


def _output(wanted: Checkout, *arguments: str) -> str:
    process = _started(wanted, wanted.folder, arguments, stdout=subprocess.PIPE)
    return process.communicate()[0].decode().strip()


def _git(wanted: Checkout, *arguments: str, at: Path | None = None) -> None:
    """Run Git with a progress bar; its failure is one line that says what to do."""
    process = _started(wanted, at or wanted.folder, arguments)
    assert process.stderr is not None
    try:
        last = _follow(process.stderr, wanted.repository)
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if code:
        raise CorpusError(_why(wanted, last))


def _started(
    wanted: Checkout, folder: Path, arguments: Sequence[str], stdout: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=_environment(),
        )
    except FileNotFoundError:
        raise CorpusError(
            f"{wanted.repository}: git is not installed; install it (Debian: apt install git), or train with "
            "--data embedded"
        ) from None


def _environment() -> dict[str, str]:
    """Git's answers in English, no question for a password, an end to a transfer that has stopped, and no repository
    that the caller's environment names: a training that a hook of Git starts would else rewrite the caller's own."""
    return {
        **{name: value for name, value in os.environ.items() if name not in _OTHER_REPOSITORY},
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_HTTP_LOW_SPEED_LIMIT": str(SLOWEST_BYTES),
        "GIT_HTTP_LOW_SPEED_TIME": str(SLOWEST_SECONDS),
    }


def _follow(stderr: IO[bytes], name: str) -> str:
    """Show what Git says of its progress as a bar; what it says went wrong."""
    said: list[str] = []
    with tqdm(desc=name, unit=" objects", leave=False, delay=1.0, disable=None) as bar:
        for line in _lines(stderr):
            if found := _PROGRESS.search(line):
                bar.set_description_str(f"{name}: {found[1].lower()}", refresh=False)
                bar.total, bar.n = int(found[3]), int(found[2])
                bar.refresh()
            elif found := _FAILURE.match(line):
                said.append(line[found.end() :])
    return "; ".join(dict.fromkeys(said))


def _lines(stderr: IO[bytes]) -> Iterator[str]:
    """Lines that end with a newline or, as bars do, with a carriage return."""
    rest = b""
    while chunk := os.read(stderr.fileno(), 65_536):
        *whole, rest = re.split(rb"[\r\n]", rest + chunk)
        yield from (line.decode(errors="replace").strip() for line in whole if line.strip())
    if rest.strip():
        yield rest.decode(errors="replace").strip()


_REASONS = (
    (r"not our ref|couldn't find remote ref|no such (?:ref|commit)|unadvertised object", "it has no longer the commit"),
    (r"Repository not found|does not (?:appear to be|exist)|could not read Username", "no such repository any more"),
    (r"No space left|disk quota", "the disk is full"),
    (r"did not match any file", "the commit lacks a path that is read"),
)


def _why(wanted: Checkout, said: str) -> str:
    unknown = "it cannot be reached, or the connection broke; the same command goes on where it stopped"
    reason = next((why for pattern, why in _REASONS if re.search(pattern, said, re.IGNORECASE)), unknown)
    return (
        f"{wanted.repository} at {wanted.commit[:12]}: {reason} ({said[:200]}). "
        "Without it, train with --data embedded or with files of your own"
    )
