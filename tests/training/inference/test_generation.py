"""Answers: greedy, sampled, streamed, stopped, and refused when a checkpoint cannot be used."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.tiny_bases import save_tiny_base
from training.common.checkpoint_folder import CheckpointError
from training.corpus.sample import Message
from training.inference.decoding import Decoder, penalise, sample
from training.inference.generation import generate, generate_batch
from training.models.bases import load_base
from training.models.checkpoint import load, save_checkpoint
from training.models.tokenizer import BEGIN, END, Tokenizer, train_tokenizer
from training.models.transformer import ModernTransformer
from training.settings.model1 import Model1Options


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    texts = ["What is Impressionism? A movement in painting.", "Who painted Guernica? Picasso did, in 1937."] * 20
    return train_tokenizer(texts, 330, tmp_path_factory.mktemp("model") / "tokenizer.model")


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> ModernTransformer:
    torch.manual_seed(0)
    model = ModernTransformer(len(tokenizer), 32, 2, 4, 2, 48, 64).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def ids_of(model: ModernTransformer, prompt: list[int], **settings: Any) -> list[int]:
    """The answer to one prompt, alone; it has no end but its length."""
    (answer,) = Decoder(model, rows=1).answers([prompt], **{"stop_ids": (), **settings})
    return answer.ids


def test_greedy_with_cache_equals_the_whole_sequence_each_time(model: ModernTransformer) -> None:
    prompt = [BEGIN, 20, 30, 40]
    ids = list(prompt)
    for _ in range(20):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    assert ids_of(model, prompt, max_new_tokens=20) == ids[len(prompt) :]


def test_it_stops_at_the_end_token_and_at_the_limit(model: ModernTransformer) -> None:
    free = ids_of(model, [BEGIN, 20], max_new_tokens=12)
    assert len(free) == 12
    assert ids_of(model, [BEGIN, 20], max_new_tokens=12, stop_ids=(free[5],)) == free[: free.index(free[5])]


def test_a_long_conversation_loses_its_oldest_tokens(model: ModernTransformer) -> None:
    prompt = [BEGIN, *range(10, 200)]
    short = [BEGIN, *prompt[-(64 - 10 - 1) :]]
    assert ids_of(model, prompt, max_new_tokens=10) == ids_of(model, short, max_new_tokens=10)


def test_sampling_follows_the_probabilities() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    generator = torch.Generator().manual_seed(0)
    drawn = [sample(logits, temperature=1.0, top_p=1.0, top_k=0, generator=generator) for _ in range(4000)]
    shares = torch.bincount(torch.tensor(drawn), minlength=4) / 4000
    torch.testing.assert_close(shares, logits.exp(), atol=0.03, rtol=0)
    nucleus = {sample(logits, temperature=1.0, top_p=0.7, top_k=0, generator=generator) for _ in range(300)}
    assert nucleus == {0, 1}
    assert {sample(logits, temperature=1.0, top_p=1.0, top_k=1, generator=generator) for _ in range(50)} == {0}
    assert sample(logits, temperature=0.0, top_p=1.0, top_k=0, generator=None) == 0


def test_repetition_penalty_lowers_both_signs() -> None:
    assert penalise(torch.tensor([2.0, -2.0, 1.0]), [0, 1], 2.0).tolist() == [1.0, -4.0, 1.0]


def prompts(n: int) -> list[list[int]]:
    random.seed(0)
    return [[BEGIN, *(random.randrange(6, 300) for _ in range(random.randrange(0, 30)))] for _ in range(n)]


@pytest.mark.parametrize("settings", [{}, {"temperature": 1.0, "top_p": 0.9, "top_k": 40, "repetition_penalty": 1.3}])
def test_conversations_that_join_and_leave_get_what_each_gets_alone(
    model: ModernTransformer, settings: dict[str, float]
) -> None:
    lengths = [7, 1, 12, 3, 9, 20, 2, 11]
    alone = [
        ids_of(model, prompt, max_new_tokens=n, seed=n, **settings)
        for prompt, n in zip(prompts(8), lengths, strict=True)
    ]
    decoder, waiting, answers = Decoder(model, rows=3), list(zip(prompts(8), lengths, strict=True)), []
    while waiting or decoder.running:
        while waiting and decoder.free:
            prompt, n = waiting.pop(0)
            answers.append(decoder.add(prompt, max_new_tokens=n, stop_ids=(), seed=n, **settings))
        decoder.step()
    assert [answer.ids for answer in answers] == alone
    assert {answer.finished for answer in answers} == {"length"}


def test_a_cancelled_conversation_leaves_the_others_alone(model: ModernTransformer) -> None:
    first, second = prompts(2)
    expected = ids_of(model, second, max_new_tokens=10)
    decoder = Decoder(model, rows=2)
    cancelled = decoder.add(first, max_new_tokens=10, stop_ids=())
    kept = decoder.add(second, max_new_tokens=10, stop_ids=())
    with pytest.raises(RuntimeError, match="all 2 rows are taken"):
        decoder.add(first)
    decoder.step()
    decoder.remove(cancelled)
    assert decoder.free == 1
    while decoder.running:
        decoder.step()
    assert kept.ids == expected
    assert len(cancelled.ids) == 1


def test_a_batch_of_model1_equals_one_by_one(model: ModernTransformer, tokenizer: Tokenizer) -> None:
    questions = ["What is Impressionism?", "Who?", "Who painted Guernica? Picasso did, in 1937.", "", "Dalí 🎨?"]
    conversations = [[Message("user", question)] for question in questions]
    conversations.append([Message("user", "Who?"), Message("assistant", "Picasso did."), Message("user", "When?")])
    one_by_one = [generate_batch(model, tokenizer, [c], max_new_tokens=12)[0] for c in conversations]
    assert generate_batch(model, tokenizer, conversations, max_new_tokens=12, batch_size=2) == one_by_one
    assert one_by_one[:5] == [generate(model, question, tokenizer, max_new_tokens=12) for question in questions]
    drawn = generate_batch(model, tokenizer, conversations, max_new_tokens=12, temperature=1.0, seed=5, batch_size=4)
    again = [
        generate_batch(model, tokenizer, [c], max_new_tokens=12, temperature=1.0, seed=5 + i)[0]
        for i, c in enumerate(conversations)
    ]
    assert drawn == again


def test_a_batch_of_transformers_equals_one_by_one(tmp_path: Path) -> None:
    base = load_base(str(save_tiny_base("llama", tmp_path / "base")))
    questions = ["What is Impressionism?", "Who?", "Who painted Guernica, and when and where did he paint it?"]
    one_by_one = [generate(base.model, question, base.tokenizer, max_new_tokens=15) for question in questions]
    batch = generate_batch(base.model, base.tokenizer, [[Message("user", q)] for q in questions], max_new_tokens=15)
    assert batch == one_by_one
    assert all(one_by_one)
    end = one_by_one[0][3:5]
    stopped = generate(base.model, questions[0], base.tokenizer, max_new_tokens=15, stop=[end])
    assert stopped == one_by_one[0].split(end)[0].strip()


def test_an_answer_ends_before_a_stop_string_and_at_a_stop_id(model: ModernTransformer, tokenizer: Tokenizer) -> None:
    settings: dict[str, Any] = {"max_new_tokens": 30, "temperature": 1.0, "seed": 3}
    question = "Who painted Guernica?"
    ids = ids_of(model, tokenizer.encode_chat([Message("user", question)]), stop_ids=[END], **settings)
    whole = tokenizer.decode(ids)
    assert generate(model, question, tokenizer, **settings) == whole.rstrip("\ufffd").strip()
    end = whole[8:11]
    assert generate(model, question, tokenizer, stop=[end], **settings) == whole.split(end)[0].strip()
    shorter = tokenizer.decode(ids[: ids.index(ids[6])])
    assert generate(model, question, tokenizer, stop=[ids[6]], **settings) == shorter.rstrip("\ufffd").strip()


def test_half_a_character_at_the_end_is_left_out(model: ModernTransformer, tokenizer: Tokenizer) -> None:
    prompt, cut = tokenizer.encode_chat([Message("user", "Who?")]), 0
    for seed in range(20):
        settings: dict[str, Any] = {"max_new_tokens": 9, "temperature": 1.0, "seed": seed}
        whole = tokenizer.decode(ids_of(model, prompt, stop_ids=[END], **settings))
        cut += whole.endswith("\ufffd")
        assert generate(model, "Who?", tokenizer, **settings) == whole.rstrip("\ufffd").strip()
    assert cut


def test_a_checkpoint_comes_back_and_bad_ones_are_refused(
    model: ModernTransformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    path = tokenizer.path.parent / "art_ai_best.pt"
    save_checkpoint(model.config, model.state_dict(), tokenizer, Model1Options(), 1, path)
    loaded, _ = load(path)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))
    with pytest.raises(CheckpointError, match="does not exist"):
        load(tmp_path / "missing.pt")
    (tmp_path / "cut.pt").write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="is not a readable checkpoint"):
        load(tmp_path / "cut.pt")
    (tmp_path / "art_ai_best.pt").write_bytes(path.read_bytes())
    train_tokenizer(["something else entirely, with other words"] * 9, 310, tmp_path / "tokenizer.model")
    with pytest.raises(CheckpointError, match=r"is not the tokenizer that art_ai_best.pt was trained with"):
        load(tmp_path / "art_ai_best.pt")
