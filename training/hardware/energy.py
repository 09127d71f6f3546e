"""Energy and CO2 of a run, from codecarbon, and the countries whose electricity mix is known."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from training.common.cli import contained

# Where codecarbon reads a meter; otherwise it multiplies the CPU's load with a table's figure.
METERED = ("intel_rapl", "intel_power_gadget", "powermetrics", "apple")


@dataclass(frozen=True)
class EnergyUse:
    """Energy in kWh with its CO2 in kg, and whether a meter told it; None where nothing could tell.

    A sum is known where both parts are, and measured where both parts are; a part of no energy has no ``source``.
    """

    kwh: float | None = None
    co2_kg: float | None = None
    source: Literal["measured", "estimated"] | None = None

    def __add__(self, other: EnergyUse) -> EnergyUse:
        if self.kwh is None or self.co2_kg is None or other.kwh is None or other.co2_kg is None:
            return EnergyUse()
        estimated = "estimated" in (self.source, other.source)
        source = "estimated" if estimated else self.source or other.source
        return EnergyUse(self.kwh + other.kwh, self.co2_kg + other.co2_kg, source)


NO_ENERGY = EnergyUse(0.0, 0.0)


class Energy:
    """Energy of a run from codecarbon, offline; ``earlier`` is that of its parts before it was stopped and went on."""

    def __init__(self) -> None:
        self.earlier = NO_ENERGY
        self._tracker: Any = None
        self._now = EnergyUse()

    def so_far(self) -> EnergyUse:
        """Of the whole run up to now, or to the end of the measurement."""
        if self._tracker is not None:
            self._now = contained("energy is not recorded", self._read, "flush") or EnergyUse()
        return self.earlier + self._now

    @contextlib.contextmanager
    def measure(self, country: str) -> Iterator[None]:
        """Track the process while the block runs; ``country`` is an ISO 3166 code of three letters.

        Where the machine has no meter the figures are codecarbon's estimate from load and CPU type, and
        ``source`` says so. A failure of codecarbon leaves the figures ``None`` and never stops a training.
        """
        self._tracker = contained("energy is not recorded", _started_tracker, country)
        try:
            yield
        finally:
            if self._tracker is not None:
                self._now = contained("energy is not recorded", self._read, "stop") or EnergyUse()
                self._tracker = None

    def _read(self, first: str) -> EnergyUse:
        """What the tracker has counted, after its method ``first``."""
        tracker = self._tracker
        with _without_output():
            getattr(tracker, first)()
        modes = [str(getattr(part, "_mode", "")) for part in tracker._hardware]
        metered = tracker._total_gpu_energy.kWh > 0 or any(mode in METERED for mode in modes)
        return EnergyUse(tracker._total_energy.kWh, tracker._total_emissions, "measured" if metered else "estimated")


def _started_tracker(country: str) -> Any:
    """Raises what codecarbon does, also where its constructor swallows it and leaves a tracker without its parts."""
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    with _without_output():
        tracker = OfflineEmissionsTracker(
            country_iso_code=country,
            save_to_file=False,
            log_level="error",
            tracking_mode="process",
            allow_multiple_runs=True,
            measure_power_secs=5,
        )
        tracker.start()
        tracker.flush()
    if not hasattr(tracker, "_hardware"):
        raise RuntimeError("codecarbon did not start; look at its configuration, .codecarbon.config")
    return tracker


@contextlib.contextmanager
def _without_output() -> Iterator[None]:
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stderr(nowhere),
        contextlib.redirect_stdout(nowhere),
    ):
        yield


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
