"""Training states: all that a run needs to go on exactly where it was, written so that no crash can spoil them.

    OUT/resume/run.json                  the settings and the data of the run
    OUT/resume/step-00000400/state.pt    weights, optimizers, random numbers, place in the data, counters

A state is written under another name, forced to the disk, and renamed: a reader finds whole states or none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from training.common.checkpoint_folder import FINAL, RESUME, CheckpointError, report_in
from training.common.files import (
    MANIFEST,
    manifest_is_anothers,
    print_of,
    refusal,
    remove_file,
    replace,
    replace_text,
    sign,
    unlink,
)
from training.data.documents import Documents
from training.hardware.shards import SHARDS, whole
from training.models.whole import check_weights
from training.reporting.verdict import is_cut_short, shortfall
from training.settings.common import in_new_names

STATE_PARTS = ("state.pt", SHARDS)
"""What a state consists of."""
_ASIDE = ".aside"
"""The ending of a state that another one of its step is about to replace."""
MAPPED = os.name != "nt"
"""Whether a state may be removed while its tensors are read from it; Windows removes no file that is mapped."""

Start = Literal["new", "resume", "restart"]
"""How a command treats an unfinished run in its folder: refuses it, goes on with it, or leaves it behind."""

MAY_CHANGE = (
    "learning_rate", "adamw_learning_rate", "max_grad_norm", "patience", "micro_batch_size", "activation_checkpointing",
    "compile", "save_seconds", "save_steps", "keep_checkpoints", "sample_tokens", "report_to", "country", "parallel",
    "usable_bits_per_byte",
)  # fmt: skip
"""Settings that may differ on resume: they do not move the run's course or order. A lower rate is the remedy after a
loss that was no number."""


SAME_RESULT = tuple(
    key for key in MAY_CHANGE if key not in ("learning_rate", "adamw_learning_rate", "max_grad_norm", "patience")
)
"""Settings that may differ where a finished run is taken for this one."""


REMEDY = "give what the run was started with, or --restart to begin anew"
BASE_FILES = "base_files"
"""The files of a base with their hashes, beside the settings of a run."""


class StateError(ValueError):
    """A training state that cannot be written or read; the message is one line and says what to do."""


class TrainingStates:
    """The states of the run in ``out``: the newest ``keep`` and that of the best score.

    Args:
        out: the folder of the run; the states lie in its folder ``resume``.
        config: the settings and the data, as in ``training_report.json``.
    """

    def __init__(self, out: str | Path, config: Mapping[str, Any], keep: int = 2) -> None:
        self.out, self.folder, self.keep = Path(out), Path(out) / RESUME, keep
        self.config = json.loads(json.dumps(dict(config)))

    def steps(self) -> list[int]:
        """The optimizer steps at which states were saved, ascending."""
        states = [*self.folder.glob("step-" + "[0-9]" * 8), *self._set_aside()]
        return sorted({int(path.stem.removeprefix("step-")) for path in states})

    def path(self, step: int) -> Path:
        """Where a state lies; one that was being replaced when the run was killed lies beside its place."""
        place = self.folder / f"step-{step:08d}"
        aside = place.with_suffix(_ASIDE)
        return aside if aside.is_dir() and not place.is_dir() else place

    def _set_aside(self) -> Iterator[Path]:
        return self.folder.glob("step-" + "[0-9]" * 8 + _ASIDE)

    def problems(self, start: Start) -> list[str]:
        """What stands against starting in this way (empty when nothing does)."""
        if self.folder.exists() and not self.folder.is_dir():
            return [refusal(self.out, [RESUME])]
        strangers = [name for name in self._strangers() if name.startswith(("run.json", "step-", "new.partial"))]
        if strangers := [*([MANIFEST] if manifest_is_anothers(self.folder) else []), *strangers]:
            return [refusal(self.folder, strangers)]
        if not self.steps() or start == "restart":
            return []
        if start == "new":
            return [
                f"{self.out} holds an unfinished run, saved at step {self.steps()[-1]}; add --resume to go on with it, "
                "--restart to leave it behind, or name another --out"
            ]
        saved = self.saved_config()
        if not saved:
            return [
                f"--resume: {self.folder / 'run.json'} is gone, which says with which settings the run was started; "
                "put it back, or give --restart to begin anew"
            ]
        changed = differences(saved, self.config)
        if not changed:
            return []
        return [f"--resume: {', '.join(changed)}; {REMEDY}"]

    def take(self, known: Mapping[str, Any]) -> None:
        """Add what is only known now to what the run is compared by, such as the files of a base that was fetched.

        Raises:
            StateError: the run was begun with others.
        """
        self.config |= known
        changed = differences(self.saved_config(), self.config) if self.steps() else []
        if changed:
            raise StateError(f"--resume: {', '.join(changed)}; {REMEDY}")

    def _strangers(self) -> list[str]:
        """What is in the folder and no training wrote: it stays, and no training begins over it."""
        if not self.folder.is_dir():
            return []
        found = []
        for path in sorted(self.folder.iterdir()):
            if re.fullmatch(r"new\.partial|step-\d{8}(\.partial|\.aside)?", path.name) and path.is_dir():
                found += [f"{path.name}/{inner.name}" for inner in path.iterdir() if inner.name not in STATE_PARTS]
            elif not (path.name == "run.json" and "data" in self.saved_config()):
                found.append(path.name)
        return found

    def saved_config(self) -> dict[str, Any]:
        """The settings and the data of the unfinished run; empty where there is none."""
        with contextlib.suppress(OSError, ValueError):
            saved = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
            if isinstance(saved, dict) and isinstance(saved.get("data", []), list):
                return in_new_names(saved)
        return {}

    def finished(self, data_key: str) -> list[str] | None:
        """How the finished run in ``out`` differs from this one, whose data have this key: empty when it is the same,
        None without one, or where it has more to do."""
        report = report_in(self.out)
        with contextlib.suppress(KeyError, TypeError, AttributeError):  # a report that somebody has changed
            if report is None:
                return None
            if is_cut_short(report) or shortfall(report) or report.get("written", {}).get(FINAL, FINAL) is None:
                return None
            changed = differences(in_new_names(report["config"]), self.config, SAME_RESULT)
            if report.get("data_key", data_key) != data_key:
                changed.append("the data's files have changed since")
            return changed
        return None

    def newest(self) -> dict[str, Any] | None:
        """The newest state that can be read, its tensors still on the disk; None where there is none.

        Raises:
            StateError: when there are states and none can be read.
        """
        for step in reversed(self.steps()):
            try:
                state = torch.load(self.path(step) / "state.pt", map_location="cpu", weights_only=True, mmap=MAPPED)
                check_weights(_named(state.get("weights")), self.path(step), "it is left behind")
                return state
            except CheckpointError as error:
                print(f"{error}; trying the one before", file=sys.stderr)
            except Exception as error:  # torch.load raises a dozen kinds for a file that is damaged
                print(
                    f"{self.path(step)} cannot be read ({type(error).__name__}), trying the one before", file=sys.stderr
                )
        if self.steps():
            raise StateError(f"no state in {self.folder} can be read; --restart leaves them behind and begins anew")
        return None

    def save(self, step: int, state: Mapping[str, Any], best_step: int | None = None) -> None:
        """Write a state and remove those that are no longer kept.

        Raises:
            StateError: when it cannot be written, as on a full disk; the older states stay as they are.
        """
        with self.writing(step) as folder, (folder / "state.pt").open("wb") as file:
            torch.save(dict(state), file)
        self.forget(best_step)

    def forget(self, best_step: int | None = None) -> None:
        """Remove the states that are no longer kept."""
        for old in self.steps()[: -self.keep]:
            if old != best_step:
                self._remove_state(old)

    def _remove_state(self, step: int) -> None:
        """Renamed first, so that a state which is half removed is none."""
        leftover = self.path(step).with_suffix(".partial")
        if self.path(step).is_dir():
            replace(self.path(step), leftover)
        _remove_parts(leftover)

    @contextlib.contextmanager
    def writing(self, step: int) -> Iterator[Path]:
        """A folder to fill, which becomes the state of ``step`` when the block ends well."""
        partial = self.folder / "new.partial"
        try:
            self._remove_leftovers()
            partial.mkdir(parents=True)
            if "data" in self.saved_config():  # of a version that noted no files
                sign(self.folder, {"run.json": print_of(self.folder / "run.json")})
            replace_text(self.folder / "run.json", json.dumps(self.config, indent=2) + "\n")
            yield partial
            for path in (*partial.rglob("*"), partial):
                _force_to_disk(path)
            place = self.folder / f"step-{step:08d}"
            aside = place.with_suffix(_ASIDE)
            if place.is_dir():  # saved before at this step: the old one stays until the new one is in its place
                replace(place, aside)
            replace(partial, place)
            _force_to_disk(self.folder)
            _remove_parts(aside)
        except (OSError, RuntimeError) as error:  # PyTorch's writer turns the system's errors into RuntimeError
            _remove_parts(partial)
            older = self.steps()
            kept = f"the state of step {older[-1]} is whole" if older else "there is none before it"
            go_on = "go on with --resume" if older else "train again"
            raise StateError(
                f"the state of step {step} cannot be written to {self.folder}: {reason_of(error)}; {kept}; make room "
                f"and {go_on}"
            ) from error

    def remove(self) -> None:
        """Remove all states, as after a finished run; what else somebody keeps in the folder stays."""
        self._remove_leftovers()  # first: what was set aside would stand for the state that it was replaced by
        for step in self.steps():
            self._remove_state(step)
        remove_file(self.folder / "run.json")
        with contextlib.suppress(OSError):
            if [path.name for path in self.folder.iterdir()] == [MANIFEST]:
                (self.folder / MANIFEST).unlink()
            self.folder.rmdir()

    def _remove_leftovers(self) -> None:
        replaced = [aside for aside in self._set_aside() if aside.with_suffix("").is_dir()]
        halves = self.folder.glob("step-" + "[0-9]" * 8 + ".partial")
        for leftover in (self.folder / "new.partial", *halves, *replaced):
            _remove_parts(leftover)


def _named(weights: Any) -> Iterable[tuple[str, Tensor]]:
    """The weights of a state by their names; those of a model in shares are not in it."""
    return weights.items() if isinstance(weights, Mapping) else ()


def _remove_parts(state: Path) -> None:
    """Remove a state and no more than that."""
    unlink(state / "state.pt")
    shutil.rmtree(state / SHARDS, ignore_errors=True)
    with contextlib.suppress(OSError):
        state.rmdir()


def differences(saved: Mapping[str, Any], now: Mapping[str, Any], may_change: Sequence[str] = MAY_CHANGE) -> list[str]:
    """Each setting that differs and may not, with both values; a setting that one side lacks is not compared.

    Data and bases are compared as places: with and without a slash at the end, relative and absolute are the same. Of
    the same base the files that have changed are named.
    """
    changed = [
        f"{key} was {saved[key]} and is {now[key]}"
        for key in now
        if key in saved and key not in (*may_change, BASE_FILES) and _comparable(key, saved) != _comparable(key, now)
    ]
    before, files = (config.get(BASE_FILES) or {} for config in (saved, now))
    if before and files and not any(one.startswith("base was ") for one in changed):
        names = sorted(name for name in {*before, *files} if before.get(name) != files.get(name))
        changed += [f"{name} of the base {now['base']} has changed since" for name in names]
    return changed


def _comparable(key: str, config: Mapping[str, Any]) -> Any:
    value = config[key]
    if key == "base" and value is not None:
        return _place(value)
    return list(map(_place, value)) if key == "data" else value


def _place(entry: str) -> str:
    return os.path.realpath(entry) if {os.sep, os.altsep} & {*entry} or os.path.exists(entry) else entry


def fingerprint(sets: Iterable[Documents], model: nn.Module) -> str:
    """A hash of the tokens that are learned and scored, and of the weights that stay as they are."""
    digest = hashlib.blake2b(digest_size=16)
    for documents in sets:
        for array in (documents.tokens, documents.learned, documents.offsets):
            digest.update(array.tobytes())
    for name, parameter in model.named_parameters():
        digest.update(f"{name} {tuple(parameter.shape)}".encode())
        if not parameter.requires_grad:
            digest.update(str(int(torch.hash_tensor(whole(parameter.detach())).view(torch.int64))).encode())
    return digest.hexdigest()


def random_states() -> dict[str, Any]:
    """The states of Python's, NumPy's and PyTorch's random numbers, in plain types and tensors."""
    kind, keys, *rest = np.random.get_state()
    version, numbers, gauss = random.getstate()
    states: dict[str, Any] = {
        "python": [version, list(numbers), gauss],
        "numpy": [str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), *(v for v in rest)],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        states["mps"] = torch.mps.get_rng_state()
    return states


def restore_random_states(states: Mapping[str, Any]) -> None:
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    if "mps" in states and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])


class Interruption:
    """Notes Ctrl-C, SIGTERM and a closed terminal (SIGHUP, unless nohup has it ignored; on Windows SIGBREAK, which also
    asks a group to end) while the block runs, so that the step can end first; a second one acts at once."""

    NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    NUMBERS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            heard = [n for n in self.NUMBERS if n.name != "SIGHUP" or signal.getsignal(n) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __exit__(self, *_: object) -> None:
        self._restore()


def _force_to_disk(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)  # Windows forces only what is written
    except PermissionError:  # Windows opens no folder
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def reason_of(error: BaseException) -> str:
    """The system's own words, which PyTorch may have wrapped."""
    causes: Sequence[BaseException | None] = (error, error.__cause__, error.__context__)
    words = (cause.strerror for cause in causes if isinstance(cause, OSError))
    return next((text for text in words if text), (str(error) or type(error).__name__).splitlines()[0])
