"""Energy and CO2 in everyday terms, each with its conversion and where that comes from.

The comparison and the page both take their words from here, so that nobody reads two conversions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Yardstick:
    """An everyday thing that an amount is told in."""

    name: str  # of the thing
    each: float  # kWh, or kg of CO2, for one base unit of it
    units: tuple[tuple[str, float], ...]  # names of its units, each with its size in base units, the smallest first
    form: str  # the sentence's part, with the amount and its unit
    conversion: str  # what the thing takes, in words
    source: str  # where that is from


_TIME = (("seconds", 1.0), ("minutes", 60.0), ("hours", 3600.0), ("days", 86_400.0), ("years", 31_557_600.0))
_VOLUME = (("ml", 1.0), ("l", 1000.0), ("m³", 1_000_000.0))
_DISTANCE = (("mm", 0.001), ("cm", 0.01), ("m", 1.0), ("km", 1000.0))

ENERGY = (
    Yardstick(
        "LED lamp", 0.010 / 3600, _TIME, "a 10 W LED lamp for {}",
        "a lamp of 10 W takes 0.01 kWh an hour", "10 W x 1 h",
    ),
    Yardstick(
        "kettle", 0.1 / 1000, _VOLUME, "boiling {} of water",
        "0.1 kWh a litre in an electric kettle",
        "specific heat of water, 4.186 kJ/(kg K), from 20 to 100 °C: 0.093 kWh, and 7% of losses",
    ),
    Yardstick(
        "electric car", 0.21 / 1000, _DISTANCE, "an electric car for {}",
        "21 kWh for 100 km, the average of 342 cars in real traffic",
        "Weiss et al. 2024, Sustainability 16(17), 7529, https://doi.org/10.3390/su16177529",
    ),
)  # fmt: skip
CO2 = (
    Yardstick(
        "new car", 0.1081 / 1000, _DISTANCE, "a new car for {}",
        "108.1 g of CO2 a km, the average of new cars in the EU, Iceland and Norway in 2022 in the official test",
        "European Environment Agency, https://www.eea.europa.eu/en/analysis/indicators/co2-performance-of-new-passenger/",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Equivalent:
    """An amount in everyday terms: ``text`` as in "boiling 22 ml of water"."""

    name: str
    text: str
    amount: float
    unit: str
    conversion: str
    source: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def everyday_energy(kwh: float) -> list[Equivalent]:
    """``kwh`` in every yardstick of ``ENERGY``. Raises ValueError for an amount that is negative or not a number."""
    return _in_terms_of(ENERGY, kwh, "kWh")


def everyday_co2(kg: float) -> list[Equivalent]:
    """``kg`` of CO2 in every yardstick of ``CO2``. Raises ValueError as ``everyday_energy`` does."""
    return _in_terms_of(CO2, kg, "kg of CO2")


def _in_terms_of(yardsticks: Sequence[Yardstick], amount: float, unit: str) -> list[Equivalent]:
    if not 0 <= amount < float("inf"):
        raise ValueError(f"{amount} {unit} is no amount; it must be at least 0 and finite")
    return [_equivalent(yardstick, amount / yardstick.each) for yardstick in yardsticks]


def _equivalent(yardstick: Yardstick, base_units: float) -> Equivalent:
    """In the largest unit of which there is at least one (two of time, since "1.2 minutes" reads badly)."""
    least = 2.0 if yardstick.units is _TIME else 1.0
    name, size = next(
        ((name, size) for name, size in reversed(yardstick.units) if base_units / size >= least), yardstick.units[0]
    )
    amount = base_units / size
    text = yardstick.form.format(f"{rounded(amount)} {name}")
    return Equivalent(yardstick.name, text, amount, name, yardstick.conversion, yardstick.source)


def rounded(value: float) -> str:
    """Two significant digits, without an exponent: more would claim a precision that no conversion has."""
    if value == 0:
        return "0"
    if value < 0.0001:
        return "less than 0.0001"
    return f"{float(f'{value:.2g}'):,.6f}".rstrip("0").rstrip(".")
