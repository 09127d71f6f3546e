"""Model 2's command: each family through the same path as the real base, and the real base itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.trained import ROOT, Run
from tests.training.llama_cpp import LlamaCpp
from tests.training.tiny_bases import FAMILIES, as_chat, save_tiny_base
from training.common.progress import Progress
from training.corpus import load
from training.data.dataset import spread_over_facts
from training.inference.generation import generate
from training.models.bases import load_base
from training.reporting.report import REPORT_KEYS
from training.settings.model2 import PROFILES, Model2Options
from training.train_model2_pretrained import main

ANSWERS = {
    "Who painted Guernica?": "Pablo Picasso painted Guernica.",
    "What is art?": "Art is what people make to be looked at.",
    "Hello!": "Hello, ask me about art.",
}
CARD = {"README.md", "data_card.json", "data_card.md", "trained_on.uint64"}
FILES = {".diptych.json", "final", "model.gguf", "training_curves.png", "metrics.jsonl", "training_report.json", *CARD}


def write_data(folder: Path) -> list[str]:
    """The answers, to be seen forty times an epoch, with enough rows beside them that the split holds some out."""
    answers = [{"question": q, "answer": a} for q, a in ANSWERS.items()]
    numbers = [{"question": f"Number {i}?", "answer": f"It is {i}."} for i in range(150)]
    for name, rows in (("answers", answers), ("numbers", numbers)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [f"{folder / 'answers.jsonl'}=40", str(folder / "numbers.jsonl")]


def settings(**values: Any) -> list[str]:
    return [argument for key, value in values.items() for argument in ("--set", f"{key}={value}")]


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_to_answer_and_to_stop(
    family: str, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = save_tiny_base(family, tmp_path / "base")
    data, out = write_data(tmp_path), tmp_path / "model2"
    command = ["--base", str(base), "--data", *data, "--out", str(out), "--max-steps", "70", "--method", method]
    changes = {"learning_rate": 0.02, "max_samples": "none", "epochs": 50, "max_seconds": "none", "frozen": 0}
    changes |= {"target_bits_per_byte": "none"}
    progress = tmp_path / "progress.json"
    assert main([*command, "--progress", str(progress), *settings(**changes, gguf="f16")]) == 0

    assert {path.name for path in out.iterdir()} == FILES | ({"adapter"} if method == "lora" else set())
    report = json.loads((out / "training_report.json").read_text())
    assert set(REPORT_KEYS) <= set(report)
    # Six for each weight of a product where all are trained, four or more beside LoRA; attention comes on top.
    assert report["flops"] == report["flops_per_token"] * report["tokens"]
    assert report["flops_per_token"] > (6 if method == "full" else 4) * 0.5 * report["parameters"]
    assert report["val_bits_per_byte"] < 0.5 * report["base_val_bits_per_byte"]
    assert f"{report['base_val_bits_per_byte']:.3f} bits per byte before" in capsys.readouterr().out
    assert json.loads(progress.read_text())["stage"] == "done"

    model = AutoModelForCausalLM.from_pretrained(out / "final", dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(out / "final")
    llama = LlamaCpp(out / "model.gguf")
    for question, answer in ANSWERS.items():
        assert generate(model, question, tokenizer, max_new_tokens=60) == answer
        prompt = llama.tokenise(llama.chat_prompt(as_chat(question)), special=True)
        assert tokenizer.decode(llama.greedy(prompt, 60), skip_special_tokens=True) == answer
    llama.close()


def test_a_stopped_run_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGTERM after step 5, then --resume: adapter and merged model are those of a run that was never stopped."""
    base, data = save_tiny_base("gpt2", tmp_path / "base"), write_data(tmp_path)
    command = ["--base", str(base), "--data", *data, "--method", "lora", "--max-steps", "8"]
    changes = {"learning_rate": 0.02, "max_samples": "none", "max_seconds": "none", "frozen": 0, "dtype": "fp32"}
    changes |= {"target_bits_per_byte": "none", "usable_bits_per_byte": "none"}
    command += settings(**changes, evaluations=4)
    assert main([*command, "--out", str(tmp_path / "whole")]) == 0
    show = Progress.step

    def stop_at_5(progress: Progress, step: int, *values: Any) -> None:
        show(progress, step, *values)
        if step == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    parts = ["--out", str(tmp_path / "parts")]
    with monkeypatch.context() as patched:
        patched.setattr(Progress, "step", stop_at_5)
        assert main([*command, *parts]) == 143
    assert "stopped at step 5 of 8, saved; go on with: " in capsys.readouterr().err
    assert main([*command, *parts]) == 2
    assert main([*command, *parts, "--resume", "--set", "seq_len=64"]) == 2
    assert "seq_len was 128 and is 64" in capsys.readouterr().err
    state = torch.load(tmp_path / "parts" / "resume" / "step-00000005" / "state.pt")
    assert main([*command, *parts, "--resume"]) == 0
    for file in ("adapter/adapter_model.safetensors", "final/model.safetensors"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()
    whole, report = (json.loads((tmp_path / run / "training_report.json").read_text()) for run in ("whole", "parts"))
    assert report["tokens"] == whole["tokens"]
    assert report["train_seconds"] > state["outcome"]["seconds"]
    assert report["energy_kwh"] > state["energy"]["kwh"] > 0  # of both parts
    assert report["co2_kg"] > state["energy"]["co2_kg"] > 0
    assert report["energy_source"] == state["energy"]["source"] == whole["energy_source"]
    assert not (tmp_path / "parts" / "resume").exists()
    assert main([*command, *parts, "--resume"]) == 0
    assert "holds this run already, finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [("config.json", "50000.0", "40000.0"), ("generation_config.json", '"transformers', '"top_k": 7, "transformers')],
)
def test_a_base_whose_settings_alone_have_changed_is_another_base(
    file: str,
    before: str,
    after: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = save_tiny_base("llama", tmp_path / "base")
    command = ["--base", str(base), "--data", *write_data(tmp_path), "--out", str(tmp_path / "out"), "--max-steps", "3"]
    command += settings(max_seconds="none", target_bits_per_byte="none", usable_bits_per_byte="none", frozen=0)
    show, text = Progress.step, (base / file).read_text()

    def stop_at_2(progress: Progress, step: int, *values: Any) -> None:
        show(progress, step, *values)
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "step", stop_at_2)
        assert main(command) == 143
    assert text != text.replace(before, after)
    (base / file).write_text(text.replace(before, after))
    capsys.readouterr()
    assert main([*command, "--resume"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--resume: {file} of the base {base} has changed since; give what the run was started with" in line
    (base / file).write_text(text)
    assert main([*command, "--resume", "--base", f"{base}/"]) == 0
    assert main([*command, "--resume"]) == 0
    assert "holds this run already, finished" in capsys.readouterr().out
    (base / file).write_text(text.replace(before, after))
    assert main([*command, "--resume", "--check"]) == 0
    assert main([*command, "--resume"]) == 0
    said = capsys.readouterr()
    assert (
        f"holds a finished run, but {file} of the base {base} has changed since; training anew" in said.out + said.err
    )


def test_a_frozen_part_is_saved_as_it_was(tmp_path: Path) -> None:
    base = load_base(str(save_tiny_base("llama", tmp_path / "base")))
    base.model.save_pretrained(tmp_path / "base")  # as one whose turns are known
    base.tokenizer.save_pretrained(tmp_path / "base")
    data, out = write_data(tmp_path), tmp_path / "model2"
    command = ["--base", str(tmp_path / "base"), "--data", *data, "--out", str(out), "--max-steps", "3"]
    assert main([*command, *settings(frozen=0.5, learning_rate=0.01)]) == 0
    before = base.model.bfloat16().state_dict()
    after = AutoModelForCausalLM.from_pretrained(out / "final").state_dict()
    changed = {name for name, tensor in after.items() if not tensor.equal(before[name])}
    assert changed
    assert all(name.startswith(("model.layers.1.", "model.norm.")) for name in changed)
    report = json.loads((out / "training_report.json").read_text())
    assert 0 < report["trainable_parameters"] < report["parameters"] / 2


def test_the_samples_chosen_are_of_as_many_facts_as_possible() -> None:
    samples = load(("art",))[:3000]
    facts = {sample.fact for sample in samples}
    assert {sample.fact for sample in spread_over_facts(samples, len(facts))} == facts
    assert sorted(s.id for s in spread_over_facts(samples, None)) == sorted(s.id for s in samples)
    questions = {sample.question for sample in spread_over_facts(load(("core",)), 2000)}
    assert {"What is Impressionism?", "Who painted Guernica?"} <= questions


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training.train_model2_pretrained", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--base", "smollm"), "unknown base 'smollm'; did you mean smollm2-135m"),
        (("--data", "no/such/place"), "no/such/place"),
        (
            ("--set", "max_grad_norm=0", "--set", "frozen=1"),
            "max_grad_norm=0.0 must be above 0; frozen=1.0 must be at least 0",
        ),
        (("--set", "epoch=7"), "unknown setting 'epoch'; did you mean epochs"),
        (("--method", "magic"), "method='magic' is not one of full, lora, qlora"),
        (("--method", "qlora"), "method=qlora needs an NVIDIA GPU with CUDA; use method=lora"),
    ],
)
def test_a_mistake_is_one_line_before_any_work(
    arguments: tuple[str, ...], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = () if "--base" in arguments else ("--base", str(save_tiny_base("gpt2", tmp_path / "base")))
    try:
        code = main(["--out", str(tmp_path / "out"), *base, *arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    error = capsys.readouterr().err
    assert code == 2
    assert expected in error.splitlines()[-1]
    assert "Traceback" not in error
    assert not (tmp_path / "out" / "final").exists()


def test_a_row_longer_than_the_base_reads_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = save_tiny_base("phi", tmp_path / "base")
    assert main(["--base", str(base), "--out", str(tmp_path / "out"), *settings(seq_len=300)]) == 2
    assert "seq_len=300 exceeds the 256 tokens" in capsys.readouterr().err.splitlines()[-1]


def test_help_names_every_setting() -> None:
    done = command("--help")
    assert done.returncode == 0
    for name in Model2Options.__dataclass_fields__:
        assert re.search(rf"\n  --{name.replace('_', '-')}\s.*?\(default", done.stdout, re.S), name


def test_every_profile_is_possible() -> None:
    for options in PROFILES.values():
        options.check()


@pytest.mark.slow
def test_the_real_base_gets_better(small_model2: Run) -> None:
    assert {path.name for path in small_model2.folder.iterdir()} == FILES
    report = small_model2.report
    assert report["parameters"] == 134_515_008
    assert report["val_bits_per_byte"] < 0.8 * report["base_val_bits_per_byte"]
    assert f"{report['base_val_bits_per_byte']:.3f} bits per byte before, {report['val_bits_per_byte']:.3f} after" in (
        small_model2.output
    )


@pytest.mark.slow
def test_the_real_base_answers_in_llama_cpp_without_saying_who_it_is(small_model2: Run) -> None:
    llama = LlamaCpp(small_model2.folder / "model.gguf")
    tokenizer = AutoTokenizer.from_pretrained(small_model2.folder / "final")
    prompt = llama.chat_prompt(as_chat("What is Impressionism?"))
    assert prompt == "<|im_start|>user\nWhat is Impressionism?<|im_end|>\n<|im_start|>assistant\n"
    for sample in load(("core",))[::400]:
        assert llama.tokenise(sample.answer) == tokenizer.encode(sample.answer, add_special_tokens=False)
    answer = tokenizer.decode(llama.greedy(llama.tokenise(prompt, special=True), 100), skip_special_tokens=True)
    assert "Impressionism" in answer
    assert len(answer.split()) < 60  # it stopped by itself
    llama.close()
