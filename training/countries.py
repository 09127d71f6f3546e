"""The countries whose electricity mix is known, by their ISO 3166 codes of three letters."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def known_countries() -> frozenset[str]:
    """The codes that codecarbon has a mix for, read without importing it; none where it is not installed."""
    spec = find_spec("codecarbon")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        mixes = Path(folder) / "data" / "private_infra" / "global_energy_mix.json"
        if mixes.is_file():
            return frozenset(json.loads(mixes.read_text(encoding="utf-8")))
    return frozenset()


def country_problem(code: str) -> str | None:
    """What is wrong with a country's code, and which is meant: codecarbon takes an unknown one for the world's mix."""
    known = known_countries()
    if not known or code in known:
        return None
    import pycountry

    try:
        meant = pycountry.countries.lookup(code.strip())
    except LookupError:
        meant = None
    if meant is None:
        return f"country={code} is no ISO 3166 code of three letters, such as GBR or FRA"
    if meant.alpha_3 in known:
        return f"country={code} must be the code of three letters; that of {meant.name} is {meant.alpha_3}"
    return f"country={code}: no electricity mix is known for {meant.name}; take that of a country like it, such as GBR"
