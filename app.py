"""Serve Diptych: `python app.py --help`."""

from __future__ import annotations

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - here it is told
    sys.exit("Python {}.{} is too old: Diptych needs 3.10 to 3.13, as in: python3.11 app.py".format(*sys.version_info))

from app.cli import main

if __name__ == "__main__":
    sys.exit(main())
