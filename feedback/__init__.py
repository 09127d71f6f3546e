"""Votes, their storage and their statistics: a blind preference study without a web page or a model in sight.

``study`` reads the study file, ``database`` keeps SQLite in order, ``assignment`` draws sides and prompts,
``blind_test`` is the only writer of the protocol, ``statistics`` turns votes into estimates, ``export`` writes the
formats that other tools read.  Nothing here imports a web framework or a deep-learning library.
"""

from contextlib import suppress

with suppress(ImportError):  # this folder alone, beside a researcher's own code, has no commands
    import diptych  # noqa: F401 - first, since it tells what this Python lacks

__version__ = "0.1.0"
