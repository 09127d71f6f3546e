"""Whatever zone the machine is in, over midnight and the change of summer time: times are UTC, and say so."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from feedback.blind_test import BlindTest
from feedback.export import FORMATS, describing, write
from feedback.report import write_report
from feedback.statistics import load_study, summary
from tests.feedback.protocol import Clock, answered, open_test, rows

ZONES = {  # with a moment in the last half hour of its summer time, of which the clock shows the next hour twice
    "Pacific/Auckland": datetime(2026, 4, 4, 13, 40, tzinfo=timezone.utc),
    "America/St_Johns": datetime(2026, 11, 1, 4, 10, tzinfo=timezone.utc),
}


@pytest.fixture(params=sorted(ZONES))
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system takes no zone from the environment")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def _voted(path: Path, begun: datetime) -> tuple[BlindTest, list[datetime]]:
    """A test with two votes before and two behind the moment when the clocks are set back, and two around midnight."""
    clock, moments = Clock(), list[datetime]()
    test = open_test(path, clock)
    midnight = begun.astimezone().replace(hour=23, minute=40, tzinfo=None).astimezone(timezone.utc)
    for start in sorted((begun, midnight)):
        clock.now = start
        tester = test.enrol("1").id
        for _ in range(4):
            clock.forward(14.9)
            test.vote(tester, answered(test, tester).id, "left")
            moments.append(clock.now)
        test.close(tester, "quit")
    return test, moments


def test_times_of_exports_and_of_the_report_are_utc_in_any_zone(zone: str, tmp_path: Path) -> None:
    test, moments = _voted(tmp_path / "v.db", ZONES[zone])
    assert len({moment.astimezone().date() for moment in moments}) > 1, "there is a midnight between them"
    assert len({moment.astimezone().utcoffset() for moment in moments}) > 1, "and a change of summer time"
    write(test.database, "csv", tmp_path / "votes.csv")
    with (tmp_path / "votes.csv").open(encoding="utf-8", newline="") as file:
        told = [datetime.fromisoformat(row["voted_at"].replace("Z", "+00:00")) for row in csv.DictReader(file)]
    assert all(abs(one - moment) < timedelta(seconds=1) for one, moment in zip(told, moments, strict=True))
    write(test.database, "arena", tmp_path / "arena.json")
    stamps = [battle["tstamp"] for battle in json.loads((tmp_path / "arena.json").read_text(encoding="utf-8"))]
    assert stamps == [one.timestamp() for one in told]
    assert rows(test, "SELECT COUNT(*) FROM testers WHERE closed_why = 'timeout'") == [(0,)], "an hour more is none"
    assert summary(load_study(test.database).outcomes)["n_votes"] == 8
    page, _, _ = write_report(test.database, tmp_path / "report")
    opened = rows(test, "SELECT opened_at FROM studies")[0][0]
    assert opened.endswith("Z")
    assert opened in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_each_time_of_an_export_is_said_to_be_utc(tmp_path: Path, name: str) -> None:
    test = open_test(tmp_path / "v.db")
    answered(test, test.enrol("1").id)
    codebook = describing(test.database, name, test.study_id, "codebook.md").decode()
    times = [line for line in codebook.splitlines() if "| time |" in line or "_at`" in line]
    assert [line for line in times if "UTC" not in line] == []
