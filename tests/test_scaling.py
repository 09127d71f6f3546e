"""What benchmarks/scaling.py foretells from runs of a known law."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.scaling import FULL_SIZE, Point, foretell, report

RUNS = [(1_100_000, 0.05), (2_100_000, 0.05), (3_300_000, 0.05), (3_300_000, 0.2), (3_300_000, 0.9)]


def law(parameters: float, epochs: float) -> float:
    return 0.6 + 50 / parameters**0.34 + 0.2 / epochs**0.3


def test_a_known_law_is_found_again() -> None:
    points = [Point(size, epochs, law(size, epochs)) for size, epochs in RUNS]
    found = foretell(points, FULL_SIZE, 5)
    assert found.low < law(FULL_SIZE, 5) < found.high
    assert found.middle == pytest.approx(law(FULL_SIZE, 5), abs=0.06)
    assert found.irreducible[0] < 0.6 < found.irreducible[1]


def test_what_was_measured_is_foretold_best() -> None:
    """The further from the runs, the wider."""
    points = [Point(size, epochs, law(size, epochs)) for size, epochs in RUNS]
    near, far = (foretell(points, size, epochs) for size, epochs in (RUNS[-1], (FULL_SIZE, 5)))
    assert near.high - near.low < far.high - far.low
    assert near.middle == pytest.approx(law(*RUNS[-1]), abs=0.02)


def test_scores_that_do_not_fall_foretell_no_gain() -> None:
    found = foretell([Point(size, epochs, 1.5) for size, epochs in RUNS], FULL_SIZE, 5)
    assert found.middle == pytest.approx(1.5, abs=0.05)


def test_the_report_has_every_run_and_the_course_of_the_longest(tmp_path: Path) -> None:
    course = [
        {"step": 1, "seconds": 1.0, "loss": 8.3},
        {"step": 40, "seconds": 65.0, "val_loss": 3.0, "val_bits_per_byte": 1.75, "answers": {"Who?": "A |\nB"}},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in course))
    rows = [
        {"size": f"{size / 1e6:.1f}M", "minutes": minutes, "folder": str(tmp_path), "report": _measured(size, epochs)}
        for minutes, (size, epochs) in zip((5.0, 5.0, 5.0, 20.0, 90.0), RUNS, strict=True)
    ]
    text = report(rows)
    assert "| 1 | 40 | 1.750 | A \\| B |" in text
    assert text.count("| 3,300,000 |") == 3
    assert "bits per byte, 95% from" in text


def _measured(size: int, epochs: float) -> dict[str, object]:
    seen = {"parameters": size, "epochs": epochs, "tokens": int(2e7 * epochs), "steps": 100, "samples": 300_000}
    scores = {"val_bits_per_byte": law(size, epochs), "val_perplexity": 9.0}
    return seen | scores | {"device": "cpu (2 threads)", "dtype": "fp32"}
