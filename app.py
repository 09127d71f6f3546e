"""Serve Diptych: `python app.py --help`."""

from __future__ import annotations

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - here it is told
    text = "Python {}.{} is too old: Diptych needs 3.10 to 3.13, as in: python3.11 app.py"
    sys.stderr.write(text.format(*sys.version_info) + "\n")
    sys.exit(2)

try:
    from app.cli import main
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] in ("", "app", "feedback", "training"):
        raise
    text = "app.py: {} has no {}; `make app` puts all packages into .venv, for .venv/bin/python app.py\n"
    sys.stderr.write(text.format(sys.executable, error.name))
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main())
