"""llama.cpp in this process, with a real model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import xllamacpp
from gguf import GGUFWriter

from training.inference.engines import Engine, EngineError, Message, Sampling
from training.inference.engines.llama_cpp import CONTEXT, SLOTS, SMALL_BYTES, LlamaCpp, trained_context
from training.inference.engines.openai_server import OpenAIServer

QUESTION = [Message("user", "What is Impressionism?")]


@pytest.fixture(scope="module")
def engine(gguf: Path) -> Iterator[LlamaCpp]:
    engine = LlamaCpp(gguf)
    engine.start()
    yield engine
    engine.close()


def answer(engine: Engine, sampling: Sampling) -> tuple[str, int, str]:
    pieces = list(engine.stream(QUESTION, sampling, threading.Event()))
    return "".join(piece.text for piece in pieces), sum(piece.tokens for piece in pieces), pieces[-1].finish


def test_an_answer_comes_in_pieces_and_says_why_it_ended(engine: LlamaCpp) -> None:
    text, tokens, finish = answer(engine, Sampling(8, 0.7, 0.9, 1))
    assert text.strip()
    assert 1 <= tokens <= 8
    assert finish == ("length" if tokens == 8 else "stop")


def test_a_seed_repeats_an_answer(engine: LlamaCpp) -> None:
    assert answer(engine, Sampling(12, 1.0, 1.0, 5)) == answer(engine, Sampling(12, 1.0, 1.0, 5))
    assert answer(engine, Sampling(12, 0.0, 1.0, 1)) == answer(engine, Sampling(12, 0.0, 1.0, 2)), "0 is greedy"


def test_its_own_http_server_answers_an_openai_spec_the_same(engine: LlamaCpp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real server behind `openai:`, with its key; temperature 0, so that both ways must give the same words."""
    assert engine._http is not None
    monkeypatch.setenv("OPENAI_API_KEY", engine._http.headers["Authorization"].removeprefix("Bearer "))
    remote = OpenAIServer(f"{str(engine._http.base_url).rstrip('/')}/v1", "model")
    remote.start()
    sampling = Sampling(24, 0.0, 1.0, 3)
    assert answer(remote, sampling) == answer(engine, sampling)
    remote.close()


def test_several_conversations_at_once(engine: LlamaCpp) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda seed: answer(engine, Sampling(8, 1.0, 1.0, seed)), range(6)))
    assert all(tokens for _, tokens, _ in answers)


def test_a_cancel_ends_the_reading_of_a_long_question(engine: LlamaCpp) -> None:
    cancel = threading.Event()
    cancel.set()
    long = [Message("user", "painting " * 40)]
    assert list(engine.stream(long, Sampling(2000, 1.0, 1.0, 1), cancel)) == []
    producers = [thread for thread in threading.enumerate() if thread.name == "engine-relay"]
    for producer in producers:
        producer.join(2)
    assert not any(producer.is_alive() for producer in producers), "llama.cpp has stopped reading"
    assert answer(engine, Sampling(4, 0.7, 0.9, 1))[1], "its place is free again"


def test_no_more_room_is_taken_than_the_model_can_read(gguf: Path, tmp_path: Path) -> None:
    reads = trained_context(gguf)
    assert reads is not None
    for context, each in ((CONTEXT, min(CONTEXT, reads)), (reads // 2, reads // 2)):
        assert LlamaCpp(gguf, context)._parameters(xllamacpp, "key").n_ctx == SLOTS * each
    (tmp_path / "no.gguf").write_bytes(b"GGUF" + bytes(7))
    assert trained_context(tmp_path / "no.gguf") is None
    assert LlamaCpp(tmp_path / "no.gguf")._parameters(xllamacpp, "key").n_ctx == SLOTS * CONTEXT


def test_the_context_is_found_behind_what_other_programs_write_first(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "a.gguf", "gpt2")
    writer.add_tags(["text-generation", "art"])
    writer.add_array("general.numbers", [1, 2, 3])
    writer.add_bool("general.is_good", True)
    writer.add_context_length(1024)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert trained_context(tmp_path / "a.gguf") == 1024


def test_the_context_is_counted_with_the_models_tokenizer(engine: LlamaCpp) -> None:
    assert engine.fits(QUESTION, 48)
    assert not engine.fits(QUESTION, CONTEXT)
    endless = [Message("user", "x y " * 4000)]
    assert not engine.fits(endless, 1)
    with pytest.raises(EngineError, match="exceeds"):
        list(engine.stream(endless, Sampling(8, 0.7, 0.9, 1), threading.Event()))


def test_what_is_recorded_does_not_depend_on_the_folder(engine: LlamaCpp, gguf: Path) -> None:
    described = engine.describe()
    assert described["kind"] == "llama.cpp"
    assert described["source"] == gguf.name
    assert len(described["sha256"]) == 64
    assert engine.health()["ok"] is True


@pytest.mark.parametrize(
    ("cores", "size", "threads"), [(1, SMALL_BYTES, (1, 1)), (2, 1000, (1, 1)), (2, SMALL_BYTES, (1, 1)),
                                   (8, 1000, (4, 4)), (8, SMALL_BYTES, (4, 8))],
)  # fmt: skip
def test_threads_for_one_conversation_and_for_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, size: int, threads: tuple[int, int]
) -> None:
    """On two cores one each, so that no thread waits for another at every operation."""
    monkeypatch.setattr("training.inference.engines.llama_cpp.usable_cores", lambda: cores)
    path = tmp_path / "model.gguf"
    with path.open("wb") as file:
        file.truncate(size)
    found = LlamaCpp(path)._parameters(xllamacpp, "key")
    assert (found.cpuparams.n_threads, found.cpuparams_batch.n_threads) == threads


def test_a_file_that_is_no_model(tmp_path: Path, gguf: Path) -> None:
    with pytest.raises(EngineError, match="no such file"):
        LlamaCpp(tmp_path / "missing.gguf").start()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(gguf.read_bytes()[:200_000])
    with pytest.raises(EngineError, match="cannot load it"):
        LlamaCpp(cut).start()
    with pytest.raises(EngineError, match="not started"):
        list(LlamaCpp(gguf).stream(QUESTION, Sampling(1, 0, 1, 1), threading.Event()))
