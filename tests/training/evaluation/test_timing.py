"""The engines of the app, measured: asked for real, and a process's peak memory that is its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.chat_server import ChatServer
from tests.training.evaluation.tiny_checkpoint import OPTIONS
from training.evaluation import timing
from training.evaluation.timing import PASSAGE, QUESTIONS, Job, measure
from training.inference.engines import CONTEXT, Piece, Sampling

SHORT: dict[str, Any] = {"tokens": 12, "seconds": 0.01}


def check(result: dict[str, Any]) -> None:
    assert result["load_seconds"] > 0
    assert result["peak_memory_bytes"] > 10**7
    assert result["answer_tokens"] == 12
    assert all(result["tokens_per_second"][n] > 0 for n in ("1", "8"))
    assert all(result["kwh_per_1000_tokens"][n] > 0 for n in ("1", "8"))
    assert result["energy_source"] in ("measured", "estimated")
    # An answer of 12 tokens takes longer than its first, which is what its speed says.
    assert result["first_token_seconds"] < 12 / result["tokens_per_second"]["1"]
    assert 1 < result["characters_per_token"] < 8


def test_a_gguf_with_llama_cpp(saved_checkpoint: Path) -> None:
    result = measure(Job("llama.cpp", str(saved_checkpoint / "model.gguf"), **SHORT))
    check(result)
    assert (result["engine"], result["device"]) == ("llama.cpp", "cpu")


def test_every_answer_has_its_length_however_many_are_asked(saved_checkpoint: Path) -> None:
    engine = timing.open_engine(Job("llama.cpp", str(saved_checkpoint / "model.gguf")))
    engine.start()
    assert [answer.tokens for answer in timing.ask(engine, QUESTIONS, 7)] == [7] * 8


def test_a_checkpoint_without_a_gguf_with_pytorch(saved_checkpoint: Path) -> None:
    engine = timing.open_engine(Job("transformers", str(saved_checkpoint / "art_ai_best.pt")))
    engine.start()
    answers = timing.ask(engine, QUESTIONS, 7)
    assert [answer.tokens for answer in answers] == [7] * 8
    assert all(answer.first > 0 for answer in answers)
    same = timing.open_engine(Job("transformers", str(saved_checkpoint / "hf")))
    same.start()
    assert timing.characters_per_token(same, PASSAGE) == timing.characters_per_token(engine, PASSAGE)
    assert engine.setup()["engine"] == "transformers"
    assert OPTIONS.max_seq_len < CONTEXT  # so that the model's own context is the limit
    engine.close()
    same.close()


def test_of_a_server_only_speed_is_measured() -> None:
    server = ChatServer()
    try:
        result = measure(Job("openai", server.spec.removeprefix("openai:"), **SHORT))
    finally:
        server.close()
    assert result["tokens_per_second"]["8"] > 0
    assert result["first_token_seconds"] > 0
    unknown = ("load_seconds", "peak_memory_bytes", "energy_source", "characters_per_token", "threads")
    assert [result[key] for key in unknown] == [None] * 5
    assert result["kwh_per_1000_tokens"] == {"1": None, "8": None}
    assert all(body["max_tokens"] <= 12 for body in server.requests)


def test_a_slow_model_gives_shorter_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def start(self) -> None:
            pass

        def stream(self, messages: Any, sampling: Sampling, cancel: Any) -> Iterator[Piece]:
            self.asked.append(sampling.max_new_tokens)
            timing.time.sleep(0.05)
            yield Piece("x", sampling.max_new_tokens)

        def count(self, text: str) -> None:
            return None

        def setup(self) -> dict[str, Any]:
            return {}

    slow = Slow()
    monkeypatch.setattr(timing, "open_engine", lambda job: slow)
    monkeypatch.setattr(timing, "ANSWER_SECONDS", 0.2)  # at 8 tokens in 0.05 s that is at most 32
    assert 8 <= measure(Job("openai", "", 64, 0.01))["answer_tokens"] <= 32
    assert slow.asked[1:] == [slow.asked[1]] * len(slow.asked[1:])


def test_the_peak_of_a_process_is_not_that_of_the_one_that_started_it() -> None:
    told = "from training.hardware.memory import peak_memory_bytes; print(peak_memory_bytes())"
    parent = f"import subprocess, sys; held = bytearray(400_000_000); subprocess.run([sys.executable, '-c', {told!r}])"
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True)
    assert 10**6 < int(done.stdout) < 2 * 10**8


def test_what_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"not a model")
    command = [sys.executable, "-m", "training.evaluation.timing", f'{{"engine": "llama.cpp", "source": "{path}"}}']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{path}: llama.cpp cannot load it (cut short, or not a GGUF model)" in done.stderr.splitlines()[-1]
