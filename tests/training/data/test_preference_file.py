"""The file of preferences: what is no such file is told by line, value, rule and remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.preferences import write_preferences
from training.data.preference_file import PreferencesError, read_preferences

TALK = [{"role": "assistant", "content": "A"}, {"role": "user", "content": "Why?"}]
NONE: Any = object()


def written(path: Path, place: int, changes: dict[str, Any]) -> Path:
    """A file with one line changed, as somebody may write it by hand."""
    write_preferences(path, "model2", None)
    lines = path.read_text().splitlines()
    row = {name: value for name, value in (json.loads(lines[place]) | changes).items() if value is not NONE}
    lines[place] = json.dumps(row)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_key_that_is_there_twice_is_named_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", 0, {})
    path.write_text(path.read_text().replace('"weight":', '"weight": 5, "weight":', 1))
    with pytest.raises(PreferencesError, match=r"a\.jsonl, line \d+: the key 'weight' is there twice; leave one out"):
        read_preferences(path)


@pytest.mark.parametrize(
    ("place", "changes", "said"),
    [
        (0, {"model": "model3"}, 'model = "model3" must be one of model1, model2'),
        (0, {"model_hashes": {"model2": "f"}}, 'model_hashes = {"model2": "f"} must be'),
        (0, {"model_hashes": None}, "model_hashes = null must be an object"),
        (0, {"n_votes": "30"}, 'n_votes = "30" must be a whole number'),
        (0, {"n_testers": True}, "n_testers = true must be a whole number"),
        (0, {"running": 1}, "running = 1 must be true or false"),
        (0, {"left_out": [1]}, "left_out = [1] must be an object"),
        (0, {"consent_training": "yes"}, 'consent_training = "yes" must be true, false or null'),
        (0, {"votes_hash": ""}, 'votes_hash = "" must be a text that is not empty'),
        (2, {"rejected": None}, "outcome = win must have an answer as chosen and an answer as rejected"),
        (2, {"outcome": "tie"}, "outcome = tie must have an answer as chosen and no answer as rejected"),
        (2, {"outcome": "won"}, 'outcome = "won" must be one of win, tie, both_bad'),
        (2, {"outcome": ["win"]}, 'outcome = ["win"] must be one of'),
        (2, {"split": "test"}, 'split = "test" must be one of train, held_out'),
        (2, {"weight": float("nan")}, "weight = NaN must be a number from 0 to 1000000"),
        (2, {"weight": float("inf")}, "weight = Infinity must be a number"),
        (2, {"weight": -1}, "weight = -1 must be a number"),
        (2, {"weight": "1"}, 'weight = "1" must be a number'),
        (2, {"weight": True}, "weight = true must be a number"),
        (2, {"weight": 10**400}, "weight = 1000"),
        (2, {"prompt": []}, "prompt = [] must be messages from the first question"),
        (2, {"prompt": "What?"}, 'prompt = "What?" must be messages'),
        (2, {"prompt": [{"role": "user", "content": " "}]}, "from the first question to the last, none empty"),
        (2, {"prompt": [{"role": "system", "content": "x"}]}, "must be messages"),
        (2, {"prompt": [{"role": "user"}]}, 'prompt = [{"role": "user"}] must be messages'),
        (2, {"prompt": [{"role": "user", "content": 1}]}, "must be messages"),
        (2, {"prompt": ["What?"]}, "must be messages"),
        (2, {"chosen": 3}, "chosen = 3 must be a text, null, or messages"),
        (2, {"chosen": TALK}, "must be a text, null, or messages from the first answer to the last"),
        (2, {"rejected": [*TALK, TALK[1]]}, "must be a text, null, or messages"),
        (2, {"tester": None}, "tester = null must be a text"),
        (2, {"id": 7}, "id = 7 must be a text"),
        (2, {"on_policy": "no"}, 'on_policy = "no" must be true or false'),
        (2, {"chosen_ended": 0}, "chosen_ended = 0 must be true, false or null"),
        (2, {"chosen": "half \ud83d"}, 'chosen = "half \\ud83d" must be whole characters'),
        (2, {"prompt": [{"role": "user", "content": "\ude00?"}]}, "must be whole characters"),
        (2, {"tester": NONE}, "lacks tester"),
        (0, {"study_hash": NONE}, "lacks study_hash"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_told_in_one_line(
    tmp_path: Path, place: int, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(PreferencesError) as error:
        read_preferences(written(tmp_path / "p.jsonl", place, changes))
    told = str(error.value)
    assert f"p.jsonl, line {place + 1}: " in told
    assert said in told
    assert told.endswith("make it with `python -m feedback preferences --out FILE`")
    assert told.isascii()
    assert "\n" not in told
    assert len(told) < 400


def test_a_line_that_is_nested_too_deeply_is_none(tmp_path: Path) -> None:
    path = write_preferences(tmp_path / "p.jsonl", "model2", None)
    for depth in (500, 100_000):
        path.write_text(path.read_text().splitlines()[0] + '\n{"id": ' + "[" * depth + "]" * depth + "}\n")
        with pytest.raises(PreferencesError, match=r"line 2: (is no JSON object|lacks)"):
            read_preferences(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"chosen": [*TALK, TALK[0]]},
        {"chosen": "\U0001f3a8", "chosen_ended": None, "rejected": "", "rejected_ended": False},
        {"weight": 0},
        {"outcome": "both_bad", "chosen": None},
    ],
)
def test_what_the_command_writes_is_taken(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = read_preferences(written(tmp_path / "p.jsonl", 2, changes))
    assert len(found.records) == 30
    assert {name: found.records[1][name] for name in changes} == changes
