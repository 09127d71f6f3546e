from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from feedback.export import write
from feedback.statistics import load_study, summary
from feedback.statistics.summary import KEYS
from tests.feedback.protocol import open_test, vote_for

DOCUMENT = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()


def test_the_documented_script_gives_the_headline_from_the_csv(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db")
    for number in range(12):
        tester = test.enrol("1").id
        vote_for(test, tester, ["model1", "tie", "model2", "both_bad", "model1"][: 2 + number % 4])
        test.undo_vote(tester, test.last_battle(tester).id)
    write(test.database, "csv", tmp_path / "votes.csv")
    script = next(block for block in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL) if "read_csv" in block)
    assert script.count("\n") <= 20
    (tmp_path / "headline.py").write_text(script)
    output = subprocess.run(
        [sys.executable, tmp_path / "headline.py", tmp_path / "votes.csv"], capture_output=True, text=True, check=True
    ).stdout
    study = load_study(test.database)
    ours = summary(study.outcomes)["preference"]
    numbers = [float(number) for number in re.findall(r"\d\.\d{6}", output)]
    assert numbers == pytest.approx([ours["estimate"], ours["ci_low"], ours["ci_high"], ours["p_value"]], abs=1e-6)


def test_every_statistic_is_explained() -> None:
    told = set(re.findall(r"^\| `(\w+)`", DOCUMENT, re.MULTILINE))
    assert set(KEYS) - {"n_votes", "n_testers", "n_testers_closed", "counts"} <= told
