"""The app: testers' and researchers' pages."""

from __future__ import annotations

import sys

_OURS = ("app", "feedback", "training")


def main() -> int:
    """What `python app.py` does: serve, or say in one line what this Python lacks."""
    if sys.version_info < (3, 10):  # noqa: UP036 - here it is told
        text = "Python {}.{} is too old: Diptych needs 3.10 to 3.13, as in: python3.11 app.py"
        print(text.format(*sys.version_info), file=sys.stderr)
        return 2
    try:
        from app.cli import main as serve  # here, where a package that lacks can be told
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", *_OURS):
            raise
        text = "app.py: {} has no {}; `make app` puts all packages into .venv, for .venv/bin/python app.py"
        print(text.format(sys.executable, error.name), file=sys.stderr)
        return 2
    return serve()
