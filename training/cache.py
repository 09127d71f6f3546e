"""Where things stay that can be made again: downloads, and prepared data."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/diptych`` or ``~/.cache/diptych``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diptych"


def give_a_home() -> None:
    """Name a home and a user in the environment where the system knows neither, as in a container started with
    ``--user 12345``: else libraries make a folder called ``~``, or end at asking who is there."""
    number = os.getuid()
    try:
        pwd.getpwuid(number)
        return
    except KeyError:
        os.environ.setdefault("LOGNAME", f"user{number}")
    if not os.environ.get("HOME"):
        home = Path(tempfile.gettempdir()) / f"diptych-home-{number}"
        home.mkdir(mode=0o700, exist_ok=True)
        os.environ["HOME"] = str(home)
