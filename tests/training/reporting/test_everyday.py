"""Everyday terms: the conversions are right, the units readable, and nonsense is refused."""

from __future__ import annotations

import pytest

from training.reporting.everyday import CO2, ENERGY, everyday_co2, everyday_energy, rounded


def test_the_conversions() -> None:
    # Worked out by hand: 0.02 kWh is 2 h of 10 W, 0.2 l at 0.1 kWh a litre, and 0.02/0.21 km.
    lamp, kettle, car = everyday_energy(0.02)
    assert lamp.text == "a 10 W LED lamp for 2 hours"
    assert kettle.text == "boiling 200 ml of water"
    assert car.text == "an electric car for 95 m"
    assert everyday_co2(1.081)[0].text == "a new car for 10 km"
    water = 4.186 * 80 / 3600  # kWh for a litre from 20 to 100 degrees, without losses
    assert water < ENERGY[1].each * 1000 < 1.1 * water


@pytest.mark.parametrize("kwh", [1e-9, 3e-6, 0.0022, 0.7, 42.0, 5e4, 1e9])
def test_every_amount_can_be_turned_back(kwh: float) -> None:
    for yardstick, found in zip(ENERGY, everyday_energy(kwh), strict=True):
        assert found.amount * dict(yardstick.units)[found.unit] * yardstick.each == pytest.approx(kwh)
        assert "e-" not in found.text
        assert "e+" not in found.text


def test_each_names_its_source() -> None:
    assert all(yardstick.source and yardstick.conversion for yardstick in (*ENERGY, *CO2))


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_what_is_no_amount_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match=r"kWh is no amount; it must be at least 0 and finite"):
        everyday_energy(amount)


def test_two_digits_are_enough() -> None:
    assert [rounded(value) for value in (0, 0.00001, 0.0123, 4.96, 12345)] == [
        "0", "less than 0.0001", "0.012", "5", "12,000",
    ]  # fmt: skip
