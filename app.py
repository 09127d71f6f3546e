"""Serve Diptych: `python app.py --help`."""

import sys

import diptych  # noqa: F401 - first, since it tells what this Python lacks
from app.cli import main

if __name__ == "__main__":
    sys.exit(main())
