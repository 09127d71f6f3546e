"""What is wrong with a run is told before any work: all of it, in one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trained import ROOT
from tests.training.tiny_bases import save_tiny_base
from tests.training.tiny_run import counting
from training import train_art_ai_model, train_model2_pretrained
from training.common.options import OptionsError
from training.common.progress import Progress
from training.loop.resume import TrainingStates
from training.models.bases import load_base
from training.models.known_bases import KNOWN
from training.models.tokenizer import train_tokenizer
from training.runs import model1, model2
from training.runs.command import describe_cuts
from training.runs.model1 import set_up
from training.settings.model1 import Model1Options
from training.settings.model2 import Model2Options


@pytest.fixture
def refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a training command that must end in one line, and gives that."""

    def run(main: Callable[[list[str]], int], *arguments: str) -> str:
        assert main(["--out", str(tmp_path / "out"), *arguments]) == 2
        assert not (tmp_path / "out").exists()
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


def test_all_problems_of_model1_are_told_at_once(refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    giant = [word for key in ("dim=65536", "n_heads=64", "n_kv_heads=64", "n_layers=8") for word in ("--set", key)]
    line = refusal(train_art_ai_model.main, "--data", "no/such/place", "--report-to", "wandb", *giant)
    for part in ("no/such/place: no such file", "pip install wandb", "the run needs about", "the run writes up to"):
        assert part in line
    line = refusal(train_art_ai_model.main, "--data", "no/such/place", "--set", "n_heads=7", "--set", "max_grad_norm=0")
    for part in ("no/such/place: no such file", "n_heads=7 must divide dim=320", "max_grad_norm=0.0 must be above 0"):
        assert part in line


def test_all_problems_of_model2_are_told_before_the_base_is_loaded(
    refusal: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = refusal(train_model2_pretrained.main, "--base", "gpt5", "--data", "no/such/place")
    assert "no/such/place: no such file" in line
    assert "unknown base 'gpt5'; did you mean gpt2" in line

    base = save_tiny_base("gpt2", tmp_path / "base")
    (base / "model.safetensors").unlink()  # nobody may want to load it
    monkeypatch.setattr("training.loop.plan.memory_bytes", lambda device: 300_000_000)
    monkeypatch.setattr("training.loop.plan.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 9}))
    line = refusal(train_model2_pretrained.main, "--base", str(base), "--data", "no/such/place")
    for part in ("no/such/place", "the run needs about 0.6 GB", "0.3 GB; try --set", "0.0 GB free; make room"):
        assert part in line


def test_four_bits_need_cuda_and_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = Model2Options(method="qlora").problems()
    assert "method=qlora needs an NVIDIA GPU with CUDA; use method=lora" in problem
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (problem,) = Model2Options(method="qlora").problems()
    assert "run `pip install bitsandbytes`, or use method=lora" in problem


def test_samples_longer_than_a_row_are_counted() -> None:
    documents = counting(50, 0)
    longer = int((documents.lengths > 8).sum())
    assert 0 < longer < 50
    assert f"; {longer} of 50 samples are longer than seq_len=8" in describe_cuts(documents, 8)
    assert describe_cuts(documents, 100) == ""


@pytest.fixture
def quiz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small file of questions, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = [{"question": f"Who made work {n}?", "answer": f"Degas made it in 1{n:03}."} for n in range(300)]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(tmp_path / "quiz.jsonl")


def test_a_tokenizer_of_another_size_is_refused(quiz: str, tmp_path: Path) -> None:
    train_tokenizer(["Degas made it in 1880.", "Who made work 7?"] * 99, 290, tmp_path / "tokenizer.model")
    state: dict[str, Any] = {"outcome": {"steps": 5}, "dtype": "fp32"}
    options, states = Model1Options(vocab_size=300), TrainingStates(tmp_path, {})
    with pytest.raises(OptionsError, match=r"vocab_size=300 and .*tokenizer\.model has 290 pieces; make them equal"):
        set_up(options, (quiz,), tmp_path, Progress(), states, state)


def test_the_seed_profile_tells_the_perplexity_that_the_coursework_names_beside_the_one_reached(
    quiz: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = "dim=32 n_layers=1 n_heads=2 n_kv_heads=1 ffn_dim=32 vocab_size=300 max_seq_len=64 seq_len=32"
    brief = "batch_size=4 micro_batch_size=4 evaluations=1 sample_tokens=0 dtype=fp32"
    changes = [word for setting in f"{small} {brief}".split() for word in ("--set", setting)]
    command = ["--profile", "seed", "--data", quiz, "--out", str(tmp_path / "out"), "--max-steps", "2", *changes]
    assert train_art_ai_model.main([*command, "--plan"]) == 0
    assert "memory       0." in capsys.readouterr().out
    assert train_art_ai_model.main(command) == 0
    reached = json.loads((tmp_path / "out" / "training_report.json").read_text())["val_perplexity"]
    assert f"held out: perplexity {reached:.1f} (the coursework names 15-20)" in capsys.readouterr().out


def test_a_plan_for_a_card_tells_each_part_and_what_to_change(quiz: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--profile", "seed", "--data", quiz, "--plan-for", "rtx-3090-ti", "--set", "micro_batch_size=64"]
    assert train_art_ai_model.main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    parts = "parameters tokens steps memory weights gradients optimizer activations time"
    assert [line.split()[0] for line in lines if line.split()[0] in parts] == parts.split()
    assert lines[0] == "parameters   285,762,560"
    assert lines[-1].startswith("does not fit; try --set micro_batch_size=32 or --set activation_checkpointing=true")


def test_both_models_hold_the_same_samples_out(quiz: str, tmp_path: Path) -> None:
    base = load_base(str(save_tiny_base("llama", tmp_path / "base")))
    options = Model1Options(vocab_size=300)
    one, tokenizer = model1.prepare_data(options, (quiz,), tmp_path / "tokenizer.model", Progress())
    two = model2.prepare_data(Model2Options(), (quiz,), base, Progress())
    assert one.held_out.keys() == two.held_out.keys()
    for kind in one.held_out:
        texts = tokenizer.decode(one.held_out[kind].tokens.tolist()), base.tokenizer.decode(two.held_out[kind].tokens)
        asked = [sorted(re.findall(r"work (\d+)", text)) for text in texts]
        assert asked[0] == asked[1]
        assert len(asked[0]) == len(one.held_out[kind]) > 0


def test_the_table_of_bases_tells_size_licence_and_what_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.loop.plans.KNOWN", {"gpt2": KNOWN["gpt2"]})
    assert train_model2_pretrained.main(["--list-bases", "--set", "seq_len=32", "--set", "micro_batch_size=1"]) == 0
    head, row, note = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["base", "parameters", "download", "context"]
    assert row.split()[:2] == ["gpt2", "124.4M"]
    assert "0.55 GB" in row
    assert "1,024  MIT        fp32" in row
    assert row.endswith("full, lora, qlora")
    assert "1 rows of 32 tokens" in note


def test_a_mistake_waits_for_no_compiler_and_no_library_of_tables() -> None:
    """What every command loads before its first word; these take longer than PyTorch itself."""
    heavy = "{'torch._dynamo', 'sympy', 'scipy.stats', 'pandas', 'transformers', 'torch.distributed.fsdp'}"
    code = f"import sys, training.runs.model1, training.runs.model2; print({heavy} & set(sys.modules) or 'light')"
    root = Path(train_art_ai_model.__file__).parents[1]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout == "light\n"


@pytest.mark.parametrize("command", ["train_art_ai_model", "train_model2_pretrained"])
def test_python_without_docstrings_is_told_before_a_training(command: str, tmp_path: Path) -> None:
    """Both ended with 0 and without `hf/` and the GGUF: transformers reads its own docstrings."""
    call = [sys.executable, "-OO", "-m", f"training.{command}", "--out", str(tmp_path / "out")]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "transformers needs; leave -OO and PYTHONOPTIMIZE=2 out" in line
    assert not (tmp_path / "out").exists()
