"""How every command of Diptych begins and ends: with one line where this Python is too old or lacks a package, and
quietly where nobody reads on.

Each package imports this before anything else. Pythons that are too old can read it, so that it can tell them.
"""

import os
import sys

if (  # as long as Python looks for `-m training.corpus`, the folder where it is typed is the first that it searches:
    getattr(sys, "argv", [""])[:1] == ["-m"]  # a random.py of a user's there is no library
    and {"app", "feedback", "training"}
    & {word.split(".")[0].replace("-m", "") for word in getattr(sys, "orig_argv", [])}
    and not getattr(sys.flags, "safe_path", sys.flags.isolated)
    and sys.path[0] != os.path.dirname(os.path.abspath(__file__))
):
    del sys.path[0]

import errno
import functools
import io
import select
from typing import Any, Callable, Iterable, Sequence  # noqa: UP035 - as Python 3.8 has it

ROOT = os.path.dirname(os.path.abspath(__file__))
OURS = ("app", "diptych", "feedback", "training")
UNREAD = 141
"""The exit code where nobody reads what is printed: as if by SIGPIPE."""


def command(main: Callable[..., int]) -> Callable[..., int]:
    """`main` of a command, ended with UNREAD and without a word where nobody reads what it prints any more, as `head`
    does not; where it prints its help, too, after which argparse raises SystemExit. What a terminal's encoding has not
    is printed as ``\\U0001f3a8``."""

    @functools.wraps(main)
    def run(*words: Any, **options: Any) -> int:
        for stream in (sys.stdout, sys.stderr):  # a path or an answer may be no text in a terminal's encoding
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8" if os.name == "nt" else None, errors="backslashreplace")
        try:
            try:
                return main(*words, **options)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
        except OSError as error:
            if not is_unread(error):
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tells of it at its end
            return UNREAD

    return run


def is_unread(error: BaseException) -> bool:
    """Whether the error says that nobody reads standard output any more; the pipe that broke may be another."""
    if os.name == "nt":  # has no poll, and tells it by another number
        return isinstance(error, OSError) and error.errno in (errno.EPIPE, errno.EINVAL) and error.filename is None
    if not isinstance(error, BrokenPipeError) or sys.stdout is None:
        return False
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in output.poll(0))


def lacking(name: str, error: ImportError) -> str:
    """What the command tells of a package that is not there, or in another version; nothing where the fault is ours."""
    package = (error.name or "").partition(".")[0]
    if package in ("", *OURS):
        return ""
    what = f"{sys.executable} has no {package}"
    if not isinstance(error, ModuleNotFoundError):
        what = f"{sys.executable} has not the {package} that is needed ({' '.join(str(error).split())})"
    return f"{name}: {what}; {_remedy(name)}"


def nearest(name: str, names: Iterable[str], otherwise: str = "", cutoff: float = 0.6) -> str:
    """The names that somebody may have meant, in capitals or not, as a question."""
    import difflib  # late: few commands are mistyped

    known = {known.lower(): known for known in names}
    near = [known[one] for one in difflib.get_close_matches(name.lower(), known, n=3, cutoff=cutoff)]
    return f"did you mean {', '.join(near)}?" if near else otherwise


def unrecognized(words: Sequence[str], options: Iterable[str]) -> str:
    """What a command tells of arguments that it does not take, with the options that may have been meant."""
    names = list(options)
    near = (nearest(word.partition("=")[0], names) for word in words if word.startswith("-"))
    return "; ".join(filter(None, [f"unrecognized arguments: {' '.join(words)}", *near]))


def lacking_or_mistyped(message: str, words: Iterable[str], options: Iterable[str]) -> str:
    """argparse's error; where it tells of options that are required, with those that are there, mistyped."""
    known = list(options)
    names = [word.partition("=")[0] for word in words if word.startswith("--")]
    mistyped = [name for name in names if not any(option.startswith(name) for option in known)]
    return f"{message}; {unrecognized(mistyped, known)}" if mistyped and "are required" in message else message


def _remedy(name: str, python: str = "python3") -> str:
    if name.startswith("diptych") or not os.path.exists(os.path.join(ROOT, "bootstrap.py")):
        extra = "app" if name == "diptych app" else "train"
        return f'install it with: pip install "diptych[{extra}]" (in a clone: pip install ".[{extra}]")'
    environment = os.path.join(ROOT, ".venv")
    if os.path.realpath(sys.prefix) == os.path.realpath(environment):
        return f"`make dev` (or {python} bootstrap.py dev) brings .venv up to date"
    its_python = os.path.join(environment, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))
    if os.path.exists(os.path.join(environment, ".installed")):
        return f"use {its_python}, which has all packages"
    make = "make app" if python == "python3" else f"make app PYTHON={python}"
    return f"`{make}` (or {python} bootstrap.py app) puts all packages into .venv; then use {its_python}"


def _typed() -> str:
    """The command that this process is, as it was typed; nothing for a process that is none of ours."""
    if sys.argv[0] == "-m":  # as long as Python looks for the module
        words = getattr(sys, "orig_argv", [])  # since 3.10
        return " ".join(["python", *words[words.index("-m") :][:2]] if "-m" in words else ["python -m ..."])
    path = os.path.abspath(sys.argv[0])
    if os.path.splitext(os.path.basename(path))[0] == "diptych":
        return " ".join(["diptych", *sys.argv[1 : 3 if sys.argv[1:2] == ["train"] else 2]])
    inside = path[len(ROOT) + 1 :] if path.startswith(ROOT + os.sep) else ""
    return inside if inside.split(os.sep)[0] in ("app.py", "bootstrap.py", *OURS) else ""


def _begin() -> None:
    name = _typed() if getattr(sys, "argv", None) else ""
    if not name:
        return
    if sys.version_info < (3, 10):  # noqa: UP036 - here it is told
        version = ".".join(map(str, sys.version_info[:2]))
        told = f"{name}: Python {version} is too old: Diptych needs 3.10 to 3.13"
        sys.stderr.write(f"{told}; {_remedy(name, 'python3.11')}\n")
        sys.exit(2)
    before = sys.excepthook

    def tell(kind: Any, error: BaseException, trace: Any) -> None:
        told = lacking(name, error) if isinstance(error, ImportError) and "--debug" not in sys.argv else ""
        if not told:
            before(kind, error, trace)
            return
        print(told, file=sys.stderr)
        raise SystemExit(2)

    sys.excepthook = tell


_begin()
