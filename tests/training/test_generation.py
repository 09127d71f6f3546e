"""Answers: greedy, sampled, streamed, stopped, and refused when a checkpoint cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.generation import CheckpointError, generate, load, penalise, sample, stream, stream_ids
from training.model import ModernTransformer
from training.tokenizer import BEGIN, END, Tokenizer, train_tokenizer
from training.train_art_ai_model import Model1Options, save_checkpoint


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


def test_greedy_with_cache_equals_the_whole_sequence_each_time(model: ModernTransformer) -> None:
    prompt = [BEGIN, 20, 30, 40]
    ids = list(prompt)
    for _ in range(20):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    assert list(stream_ids(model, prompt, max_new_tokens=20, stop=())) == ids[len(prompt) :]


def test_it_stops_at_the_end_token_and_at_the_limit(model: ModernTransformer) -> None:
    free = list(stream_ids(model, [BEGIN, 20], max_new_tokens=12, stop=()))
    assert len(free) == 12
    assert list(stream_ids(model, [BEGIN, 20], max_new_tokens=12, stop=(free[5],))) == free[: free.index(free[5])]


def test_a_long_conversation_loses_its_oldest_tokens(model: ModernTransformer) -> None:
    prompt = [BEGIN, *range(10, 200)]
    short = [BEGIN, *prompt[-(64 - 10 - 1) :]]
    assert list(stream_ids(model, prompt, max_new_tokens=10, stop=())) == list(
        stream_ids(model, short, max_new_tokens=10, stop=())
    )


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


def test_pieces_join_to_the_answer(model: ModernTransformer, tokenizer: Tokenizer) -> None:
    pieces = list(stream(model, tokenizer, [("user", "Dalí 🎨?")], max_new_tokens=30, temperature=1.0, seed=3))
    again = generate(model, "Dalí 🎨?", tokenizer, max_new_tokens=30, temperature=1.0, seed=3)
    assert "".join(pieces).strip() == again
    assert END not in tokenizer.encode(again)


def test_a_checkpoint_comes_back_and_bad_ones_are_refused(
    model: ModernTransformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    path = tokenizer.path.parent / "art_ai_best.pt"
    save_checkpoint(model, tokenizer, Model1Options(), 1, path)
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
