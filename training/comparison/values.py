"""A value of the report with the files that it rests on, and how values are written for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Status = Literal["", "estimated", "known"]
"""Nothing to add, an estimate where a meter would be needed, or published elsewhere and not measured here."""
Show = Callable[[Any], str]
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNIT = re.compile(r"([+−]?[\d.,]+)(.*)")


@dataclass(frozen=True)
class Source:
    """Where a value stands: a file of the report's ``sources`` and the JSON pointer (RFC 6901) in it."""

    file: str
    key: str

    def __str__(self) -> str:
        return f"{self.file} {self.key}".strip()


@dataclass(frozen=True)
class Value:
    """A value as it is shown, as it was read, and where."""

    raw: Any  # as the file has it; ``{"estimate", "low", "high"}`` for an interval
    text: str  # as people read it
    sources: tuple[Source, ...]  # where it stands, or the values that it was computed from
    status: Status = ""
    how: str = ""  # how it was computed from them; empty where it was read
    show: Show = str  # what writes one number of its kind

    @property
    def title(self) -> str:
        """Where it comes from, in one line."""
        return "; ".join(map(str, self.sources)) + (f" ({self.how})" if self.how else "")

    @property
    def estimate(self) -> float:
        """The middle of an interval, or the number itself."""
        return self.raw[_middle(self.raw)] if isinstance(self.raw, dict) else self.raw

    def point(self) -> Value:
        """The estimate without its interval."""
        return self.part(_middle(self.raw)) if isinstance(self.raw, dict) else self

    def part(self, key: str) -> Value:
        """One number of an interval: ``estimate``, ``low`` or ``high``."""
        sources = tuple(replace(source, key=f"{source.key}/{key}") for source in self.sources)
        return replace(self, raw=self.raw[key], text=self.show(self.raw[key]), sources=sources)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of its interval, where it has one."""
        return ends(self.raw)

    def excludes(self, number: float) -> bool:
        """Whether it has an interval, and the number is not in it."""
        return self.ends is not None and not self.ends[0] <= number <= self.ends[1]

    def apart_from(self, other: Value) -> bool:
        """Whether both have intervals that do not touch."""
        if self.ends is None or other.ends is None:
            return False
        return self.ends[0] > other.ends[1] or other.ends[0] > self.ends[1]


def _middle(raw: Any) -> str:
    return "median" if "median" in raw else "estimate"


def ends(raw: Any) -> tuple[float, float] | None:
    """Of an interval as ``evaluation.json`` or the votes' statistics have it; None where there is none."""
    for low, high in (("low", "high"), ("ci_low", "ci_high")):
        if isinstance(raw, dict) and raw.get(low) is not None and raw.get(high) is not None:
            return raw[low], raw[high]
    return None


def shown(raw: Any, show: Show) -> str:
    """A number, or an interval with its ends."""
    if not isinstance(raw, dict):
        return show(raw)
    middle, both = show(raw[_middle(raw)]), ends(raw)
    if both is None or both[0] == both[1]:
        return middle
    return f"{middle} ({span(both[0], both[1], show)})"


def span(low: float, high: float, show: Show) -> str:
    """From one number to another, their unit once: 36.9 to 46.5%."""
    first, second = show(low), show(high)
    number, unit = _UNIT.fullmatch(first), _UNIT.fullmatch(second)
    if number is not None and unit is not None and number[2] == unit[2]:
        first = number[1]
    return f"{first} to {second}"


def ratio(above: Value, below: Value) -> Value | None:
    """How many times the one is of the other."""
    if not below.estimate:
        return None
    times = above.estimate / below.estimate
    status: Status = "estimated" if "estimated" in (above.status, below.status) else ""
    points = above.point(), below.point()
    return Value(times, multiple(times), points[0].sources + points[1].sources, status, "the first ÷ the second")


# -- how numbers are written ----------------------------------------------------------------------------------------


def whole(number: float) -> str:
    """1,234"""
    return f"{number:,.0f}"


def large(number: float) -> str:
    """6.84 million"""
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if abs(number) >= size:
            return f"{_three(number / size)} {name}"
    return whole(number)


def multiple(number: float) -> str:
    """20 times"""
    return f"{_three(number) if number < 100 else whole(number)} times"


def decimal(number: float) -> str:
    """0.535"""
    return f"{number:.3f}".replace("-", "−")


def signed(number: float) -> str:
    """+0.021, with a real minus"""
    text = f"{number:+.3f}".replace("-", "−")
    return text if text.strip("+−0.") else "0.000"


def one_place(number: float) -> str:
    """12.3"""
    return f"{number:,.1f}".replace("-", "−")


def percent(share: float) -> str:
    """45.2%"""
    return f"{100 * share:.1f}%"


def points(share: float) -> str:
    """+4.5 points: a difference of two shares"""
    text = f"{100 * share:+.1f} points".replace("-", "−")
    return "0.0 points" if text[1:] == "0.0 points" else text


def size(number: float) -> str:
    """32.6 MB, in powers of ten as shops and disks count"""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= unit:
            return f"{_three(number / unit)} {name}"
    return f"{number:.0f} bytes"


def duration(seconds: float) -> str:
    """9.5 minutes"""
    if seconds < 0.1:
        return f"{_three(1000 * seconds)} ms"
    if seconds < 120:
        return f"{_three(seconds)} s"
    return f"{_three(seconds / 60)} minutes" if seconds < 7200 else f"{_three(seconds / 3600)} hours"


def energy(kwh: float) -> str:
    """2.19 Wh"""
    return _in_thousandths(kwh, ("kWh", "Wh", "mWh"))


def mass(kg: float) -> str:
    """0.521 g"""
    return _in_thousandths(kg, ("kg", "g", "mg"))


def _in_thousandths(number: float, units: Sequence[str]) -> str:
    """In the largest unit of which there is a tenth at least; each is a thousandth of the one before."""
    for name in units:
        if number >= 0.1:
            return f"{_three(number)} {name}"
        number *= 1000
    return f"{number / 1000:.2g} {units[-1]}"


def operations(number: float) -> str:
    """3.59 × 10¹³"""
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_RAISED)}"


def shortened(digest: str) -> str:
    """The first digits of a hash."""
    return f"{digest[:12]}…"


def rate(number: float) -> str:
    """a learning rate: 0.004"""
    return f"{number:g}"


def _three(number: float) -> str:
    """Three significant digits, never an exponent."""
    places = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2 if abs(number) >= 1 else 3
    return f"{number:,.{places}f}"
