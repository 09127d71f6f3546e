"""PyTorch in this process, with tiny models of both kinds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.serving import wait_until
from training.inference import generation
from training.inference.engines import EngineError, Message, Piece, Sampling
from training.inference.engines.pytorch import HuggingFace, TrainedFromScratch
from training.inference.engines.spec import open_engine

QUESTION = [Message("user", "What is Impressionism?")]
TEMPLATE = "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}<assistant>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers with random weights and a tokenizer of bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("final")
    symbols = ["<end>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({symbol: number for number, symbol in enumerate(symbols)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(symbols), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=256, eos_token_id=0, bos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Model 1 as the training saves it."""
    import torch

    from training.models.tokenizer import train_tokenizer
    from training.models.transformer import ModernTransformer

    folder = tmp_path_factory.mktemp("art_ai_model")
    texts = ["What is Impressionism? A movement in painting.", "Who painted Guernica? Picasso did, in 1937."] * 20
    tokenizer = train_tokenizer(texts, 330, folder / "tokenizer.model")
    torch.manual_seed(0)
    model = ModernTransformer(len(tokenizer), 32, 2, 4, 2, 48, 128)
    state = {"config": model.config, "model_state_dict": model.state_dict(), "tokenizer_sha256": tokenizer.sha256}
    torch.save(state, folder / "art_ai_best.pt")
    return folder / "art_ai_best.pt"


@contextmanager
def started(engine: Any) -> Iterator[Any]:
    engine.start()
    try:
        yield engine
    finally:
        engine.close()


def collect(engine: HuggingFace | TrainedFromScratch, sampling: Sampling) -> list[Piece]:
    return list(engine.stream(QUESTION, sampling, threading.Event()))


def together(engine: HuggingFace | TrainedFromScratch, sampling: Sampling, questions: list[str]) -> list[str]:
    def ask(question: str) -> str:
        pieces = engine.stream([Message("user", question)], sampling, threading.Event())
        return "".join(piece.text for piece in pieces)

    with ThreadPoolExecutor(len(questions)) as pool:
        return list(pool.map(ask, questions))


def test_a_folder_of_transformers(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    engine = open_engine(str(folder), "model2")
    assert isinstance(engine, HuggingFace)
    with started(engine):
        pieces = collect(engine, Sampling(20, 1.0, 0.9, 3))
        assert 1 <= sum(piece.tokens for piece in pieces) <= 20
        assert pieces[-1].finish in ("stop", "length")
        again = collect(engine, Sampling(20, 1.0, 0.9, 3))
        assert "".join(piece.text for piece in again) == "".join(piece.text for piece in pieces), (
            "a seed repeats an answer"
        )
        assert engine.fits(QUESTION, 20)
        assert not engine.fits(QUESTION, 250)
        with pytest.raises(EngineError, match="exceed the context of 256"):
            collect(engine, Sampling(250, 1.0, 0.9, 3))
        assert len(engine.describe()["sha256"]) == 64

        questions = [
            "Hello?",
            *(f"Question {number}: {'why ' * number}" for number in range(11)),
        ]  # more than there is room
        model: Any = AutoModelForCausalLM.from_pretrained(folder)
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        alone = []
        for question in questions:
            ids = tokenizer.apply_chat_template(
                [{"role": "user", "content": question}],
                add_generation_prompt=True,
                return_tensors="pt",
                return_dict=True,
            )
            with torch.inference_mode():
                output = model.generate(**ids, max_new_tokens=12, do_sample=False)
            alone.append(tokenizer.decode(output[0, ids["input_ids"].shape[1] :], skip_special_tokens=True))
        assert together(engine, Sampling(12, 0.0, 1.0, 1), questions) == alone, "decoded together as alone"


def test_a_cancel_frees_the_place_and_a_broken_decoding_is_told(folder: Path) -> None:
    engine = HuggingFace(folder)
    with started(engine):
        cancel = threading.Event()
        answer = engine.stream(QUESTION, Sampling(200, 1.0, 1.0, 3), cancel)
        next(answer)
        cancel.set()
        assert list(answer) == []
        assert collect(engine, Sampling(2, 0.0, 1.0, 3)), "the model is free again"
        engine._manager.model.forward = None  # what breaks in a step breaks the decoding of everybody
        with pytest.raises(EngineError):
            collect(engine, Sampling(200, 1.0, 1.0, 3))
        wait_until(lambda: not engine.health()["ok"])
        engine.close()
        engine.start()
        assert engine.health()["ok"]
        assert collect(engine, Sampling(2, 0.0, 1.0, 3)), "started again"


@pytest.mark.parametrize(
    "names", [["model.safetensors"], ["model-1.safetensors", "model-2.safetensors"], ["pytorch_model.bin"]]
)
def test_other_weights_are_another_model(names: list[str], tmp_path: Path) -> None:
    """In whatever form: votes on two models would else be counted as one study."""
    (tmp_path / "config.json").write_text("{}")
    for name in names:
        (tmp_path / name).write_text(name)
    told = [HuggingFace(tmp_path).describe()["sha256"]]
    for name in names:
        (tmp_path / name).write_text("trained on")
        told.append(HuggingFace(tmp_path).describe()["sha256"])
    assert len(set(told)) == 1 + len(names)


def test_a_broken_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineError, match="cannot load it"):
        HuggingFace(tmp_path).start()


def test_a_checkpoint_of_model_1(checkpoint: Path) -> None:
    engine = open_engine(str(checkpoint.parent), "model1")
    assert isinstance(engine, TrainedFromScratch)
    with started(engine):
        pieces = collect(engine, Sampling(20, 1.0, 1.0, 3))
        assert pieces[-1].finish in ("stop", "length")
        model, tokenizer = generation.load(checkpoint)
        questions = ["Who painted Guernica?", "What is a movement?", "Why?"]
        alone = [generation.generate(model, question, tokenizer, max_new_tokens=12) for question in questions]
        assert [text.strip() for text in together(engine, Sampling(12, 0.0, 1.0, 3), questions)] == alone
        assert engine.fits(QUESTION, 20)
        assert not engine.fits(QUESTION, 128)


def test_a_broken_checkpoint_and_a_missing_tokenizer(checkpoint: Path, tmp_path: Path) -> None:
    copy = tmp_path / "art_ai_best.pt"
    copy.write_bytes(checkpoint.read_bytes())
    with pytest.raises(EngineError, match=r"tokenizer\.model"):
        TrainedFromScratch(copy).start()
    copy.write_bytes(b"not a checkpoint")
    with pytest.raises(EngineError, match="not a readable checkpoint"):
        TrainedFromScratch(copy).start()
