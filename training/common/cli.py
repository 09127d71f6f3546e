"""What every command does: its arguments, one line for a mistake, an exit code."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib.util
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from diptych import command, is_unread, lacking_or_mistyped, unrecognized
from training.common import config
from training.common.options import OptionsError, as_meant, describe

T = TypeVar("T")

called_as = ""
"""What a user typed for this command, where that is not its own name: `diptych train model1`."""


class Stopped(Exception):
    """A run that was told to stop, by Ctrl-C or a signal, after it had saved what it needs to go on; ``resumable``
    where the command has ``--resume``."""

    def __init__(self, number: int, message: str, resumable: bool = True) -> None:
        super().__init__(message)
        self.exit_code = 128 + number
        self.resumable = resumable


class _Ended(BaseException):
    """A signal, on its way through what cleans up behind itself; no ``Exception``, which ``contained`` would keep."""


@contextlib.contextmanager
def stoppable(message: str, resumable: bool = True) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end the block as an error does, so that nothing half written stays, with
    ``Stopped``; a second one acts at once."""
    before: dict[int, Any] = {}

    def restore() -> None:
        while before:
            signal.signal(*before.popitem())

    def end(number: int, frame: Any) -> None:
        restore()
        raise _Ended(number)

    if threading.current_thread() is threading.main_thread():
        names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # Windows has the last in place of the third
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        before |= {
            number: signal.signal(number, end) for number in numbers if signal.getsignal(number) != signal.SIG_IGN
        }
    try:
        yield
    except _Ended as ended:
        raise Stopped(ended.args[0], message, resumable) from None
    finally:
        restore()


@command
def run_command(main: Callable[[argparse.Namespace], int | None], parser: argparse.ArgumentParser, argv: Any) -> int:
    """Run a command: 0 on success, 2 and one line on stderr on a user's mistake, 130 on Ctrl-C, 143 on SIGTERM.

    Mistakes are ``ValueError``, ``OSError`` and what derives from them; ``--debug`` shows the traceback instead.
    """
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.prog = called_as or parser.prog
    arguments = argparse.Namespace(debug=False)
    try:
        arguments = parser.parse_args(argv)
        return main(arguments) or 0
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Stopped as stop:
        if os.environ.get("RANK", "0") == "0":  # of several processes one tells it
            how = f"; go on with: {resume_command(parser.prog, argv)}" if stop.resumable else ""
            print(f"{parser.prog}: {stop}{how}", file=sys.stderr)
        return stop.exit_code
    except (ValueError, OSError) as error:
        if is_unread(error) or arguments.debug:
            raise
        print(f"{parser.prog}: {in_one_line(error)}", file=sys.stderr)
        return 2


def in_one_line(error: Exception) -> str:
    """What went wrong; for a file the system's reason and what to do."""
    if not isinstance(error, OSError) or error.strerror is None:
        return " ".join(str(error).split())
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):  # of a copy it is the second place that is full
        place = error.filename2 or error.filename or "a file cannot be written"
        return f"{place}: {error.strerror}; free some space, or name another place"
    if error.filename is None:
        return " ".join(str(error).split())
    remedy = "check the path" if error.errno == errno.ENOENT else "check its permissions, or name another place"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{error.filename}: is no folder; name another place"
    return f"{error.filename}: {error.strerror}; {remedy}"


def resume_command(prog: str, argv: Sequence[str] | None) -> str:
    """The command line that goes on with this run, to be copied."""
    words = list(sys.orig_argv) if argv is None else [*prog.split(), *argv]
    if argv is None and "LOCAL_WORLD_SIZE" in os.environ:  # started by torchrun, of whose options this one is known
        started = (word for word in words[1:] if word != "-u")
        words = ["torchrun", "--nproc-per-node", os.environ["LOCAL_WORLD_SIZE"], *started]
    words = [word for word in words if word not in ("--resume", "--restart")] + ["--resume"]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)  # quoted as the shell reads it


class OneLineParser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose errors are one line, without the usage before it, and which reads ``--config``."""

    effective: Callable[[argparse.Namespace], Mapping[str, Any]] = staticmethod(lambda arguments: {})
    """What ``--print-config`` shows in the place of ``arguments.set`` and of what is decided later; raises OptionsError
    with all that is wrong with them."""
    problems: Sequence[str] = ()
    _words: Sequence[str] = ()

    def __init__(self, **options: Any) -> None:
        """Takes names in full alone: of a short one, such as `--conf`, nobody knows what it will mean."""
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> Any:
        """Ends with this and with what has been found wrong before it."""
        message = lacking_or_mistyped(message, self._words, self._option_string_actions)
        message = " ".join("; ".join([*self.problems, message]).split())
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Tells of a number that is none how it is written, where argparse would say `invalid int value`."""
        kind: Any = action.type
        if kind not in (int, float):
            return super()._get_value(action, arg_string)
        try:
            return kind(arg_string)
        except ValueError:
            message = f"{arg_string!r} is not {describe(kind)}{as_meant(arg_string, kind)}"
            raise argparse.ArgumentError(action, message) from None

    def _print_message(self, message: str, file: Any = None) -> None:
        """Raises OSError where nobody reads a help text, which argparse would keep to itself."""
        (file or sys.stderr).write(message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._words = words = sys.argv[1:] if args is None else list(args)
        file = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        file.add_argument("--config", nargs="?")  # one without a file is told below, in our one line
        takes_file = "--config" in self._option_string_actions
        path = file.parse_known_args(words)[0].config if takes_file else None
        self.problems = problems = [] if path is None else config.take(path, self, words)
        arguments, unknown = super().parse_known_args(words, namespace)
        if takes_file and (problems or unknown or arguments.print_config):
            settings: Mapping[str, Any] = {}
            try:
                settings = self.effective(arguments)
            except OptionsError as error:
                problems += error.problems
            if not problems and not unknown:
                print(config.written(self._actions, arguments, settings))
                self.exit(0)
        if unknown:  # told here, so that a subcommand's parser does it, which knows its options
            problems.append(unrecognized(unknown, self._option_string_actions))
        if problems:
            *self.problems, last = problems
            self.error(last)
        return arguments, unknown


def contained(what: str, do: Callable[..., T], *arguments: Any) -> T | None:
    """What ``do`` gives, or None and one line: a fault in what comes beside a model never costs the run."""
    try:
        return do(*arguments)
    except BaseException as error:
        if not isinstance(error, Exception | SystemExit) and not is_panic(error):
            raise
        reason = " ".join(str(error).split())[:300] or "no reason given"
        with contextlib.suppress(OSError):
            print(f"{what}: {reason} ({type(error).__name__})", file=sys.stderr)
        return None


def is_panic(error: BaseException) -> bool:
    """Whether a library written in Rust gave up, as tokenizers does at some files: no ``Exception`` in Python."""
    return type(error).__module__ == "pyo3_runtime"


def is_installed(name: str) -> bool:
    """Whether there is a package, and not just a folder of its name, as W&B leaves one wherever it has run."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None
