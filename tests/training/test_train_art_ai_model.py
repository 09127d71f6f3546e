"""Model 1's command, as users type it: the demo profile whole, and what it says of mistakes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.trained import ROOT, Run
from training import ModernTransformer, generate
from training.models.checkpoint import load
from training.reporting.report import REPORT_KEYS, read_metrics
from training.settings.model1 import PROFILES, Model1Options
from training.train_art_ai_model import DEMO_QUESTIONS, main

pytestmark = pytest.mark.slow


def test_everything_is_there(demo_model1: Run) -> None:
    names = {path.name for path in demo_model1.folder.iterdir()}
    assert names == {
        ".diptych.json",
        "README.md",
        "art_ai_best.pt",
        "tokenizer.model",
        "hf",
        "model.gguf",
        "training_curves.png",
        "metrics.jsonl",
        "training_report.json",
        "data_card.json",
        "data_card.md",
        "trained_on.uint64",
    }
    assert set(REPORT_KEYS) <= set(demo_model1.report)
    assert demo_model1.report["energy_kwh"] > 0
    assert demo_model1.report["energy_source"] in ("measured", "estimated")
    steps = [json.loads(line)["step"] for line in (demo_model1.folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


def test_plain_torch_load_reads_the_checkpoint(demo_model1: Run) -> None:
    checkpoint = torch.load(demo_model1.folder / "art_ai_best.pt")
    model = ModernTransformer(**checkpoint["config"])
    model.load_state_dict(checkpoint["model_state_dict"])
    assert model.n_parameters() == demo_model1.report["parameters"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is Impressionism?", r"^Impressionism is a movement .*(light|colour).*\.$"),
        ("Who painted Guernica?", r"^(Pablo Picasso painted Guernica|Guernica .* Picasso).*\.$"),
        ("What is a neural network?", r"^A neural network is .*(units|neurons|learns).*\.$"),
        ("Hello!", r"^(Hello|Hi|Good|Welcome|Nice).*[.?!]$"),
    ],
)
def test_it_answers_in_sentences_and_stops(demo_model1: Run, question: str, expected: str) -> None:
    assert question in DEMO_QUESTIONS
    model, tokenizer = load(demo_model1.folder / "art_ai_best.pt")
    answer = generate(model, question, tokenizer, max_new_tokens=200)
    assert re.match(expected, answer), answer
    assert len(tokenizer.encode(answer)) < 100  # it stopped by itself


def test_it_knows_facts_in_new_wordings_better_than_new_facts(demo_model1: Run) -> None:
    val = demo_model1.report["val"]
    assert val["new_wording"]["bits_per_byte"] < 0.5
    assert val["new_fact"]["bits_per_byte"] > 2 * val["new_wording"]["bits_per_byte"]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training.train_art_ai_model", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--data", "no/such/place"), "no/such/place"),
        (("--set", "n_heads=7", "--set", "seq_len=9000"), "n_heads=7 must divide dim=320; seq_len=9000 exceeds"),
        (("--set", "n_layer=7"), "unknown setting 'n_layer'; did you mean n_layers"),
        (("--profile", "tiny"), "invalid choice: 'tiny'"),
        (("--after", "0"), "'0' is no process; give its number"),
    ],
)
def test_a_mistake_is_one_line_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str
) -> None:
    try:
        code = main(["--out", str(tmp_path / "out"), *arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    error = capsys.readouterr().err
    assert code == 2
    assert expected in error.splitlines()[-1]
    assert "Traceback" not in error
    assert not (tmp_path / "out" / "art_ai_best.pt").exists()


def test_help_names_every_setting() -> None:
    done = command("--help")
    assert done.returncode == 0
    for name in Model1Options.__dataclass_fields__:
        assert re.search(rf"\n  --{name.replace('_', '-')}\s.*?\(default", done.stdout, re.S), name


def test_every_profile_is_possible() -> None:
    for options in PROFILES.values():
        options.check()


def test_it_prepares_itself_and_waits_for_the_end_of_another_process(tmp_path: Path) -> None:
    small = ["--max-steps", "1", "--dim", "40", "--n-layers", "1", "--max-held-out", "2", "--sample-tokens", "0"]
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    train = subprocess.Popen(
        [sys.executable, "-m", "training.train_art_ai_model", "--out", tmp_path, "--after", str(other.pid), *small],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert train.stdout is not None
    lines = iter(train.stdout.readline, "")
    assert any("training a tokenizer" in line for line in lines)
    time.sleep(6)  # without --after the first score is written by then
    assert train.poll() is None
    assert not (tmp_path / "metrics.jsonl").exists() or not read_metrics(tmp_path / "metrics.jsonl")
    other.communicate(b"\n")
    assert train.wait(120) == 0, "".join(lines)
    assert (tmp_path / "art_ai_best.pt").is_file()
