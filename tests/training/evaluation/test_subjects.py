"""Every kind of model is measured alike, and as a direct computation in transformers measures it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.training.tiny_bases import save_tiny_base
from training.common.checkpoint_folder import CheckpointError
from training.corpus import load
from training.corpus.sample import Message, Sample
from training.evaluation.opening import open_subject
from training.evaluation.subjects import Unavailable

SYSTEM_TEMPLATE = (
    "<|endoftext|>[system] Be kind.\n{% for m in messages %}[{{ m['role'] }}] {{ m['content'] | trim }}<|endoftext|>\n"
    "{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
)
PROSE = Sample("p", "mine", "general", "row:p", (Message("text", "A thatched roof – straw, über all."),), "MIT")
QUESTION = [Message("user", "Who painted Guernica?")]
PAIRS: list[Any] = [
    (QUESTION, "Pablo Picasso painted Guernica."),
    (QUESTION, "Pablo Picasso"),
    (QUESTION, "Claude Monet painted Guernica."),
    ([Message("user", "Hello!")], "Hello, what would you like to know?"),
    ([*QUESTION, Message("assistant", "Picasso."), Message("user", "When?")], "In 1937."),
    ("The painter was ", "Goya"),
    ("The painter was ", "Monet, of course"),
    ("", "Goya"),
]


@pytest.fixture(scope="module")
def folder(saved_checkpoint: Path) -> Path:
    return saved_checkpoint


@cache
def samples() -> list[Sample]:
    art, conversation = load(("art",))[::900], load(("conversation",))[::80]
    return [one for one in art if len(one.messages) > 1] + [one for one in conversation if len(one.messages) > 2]


@cache
def transformers_model(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def token_nats(folder: Path, ids: Sequence[int]) -> torch.Tensor:
    """−log p of each token after the first, from transformers' own logits of the whole text."""
    with torch.no_grad():
        logits = transformers_model(folder)(torch.tensor([ids])).logits[0, :-1]
    return F.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")


def test_a_pt_a_folder_and_a_gguf_give_the_same_likelihoods(folder: Path) -> None:
    model1, hf, gguf = (open_subject(str(folder / name)) for name in ("art_ai_best.pt", "hf", "model.gguf"))
    assert [(s.kind, s.name) for s in (model1, hf, gguf)] == [
        ("model1", "model1"), ("transformers", "model1"), ("gguf", "model1"),
    ]  # fmt: skip
    assert model1.parameters == hf.parameters == gguf.parameters == (model1.report or {})["parameters"]
    chats = [pair for pair in PAIRS if not isinstance(pair[0], str)]
    expected = model1.loglikelihoods(chats)
    for other, tolerance in ((hf, 1e-4), (gguf, 5e-3)):  # the GGUF holds 16 bits a weight
        for a, b in zip(expected, other.loglikelihoods(chats), strict=True):
            assert a.nats == pytest.approx(b.nats, rel=tolerance)
            assert (a.tokens, a.text_bytes) == (b.tokens, b.text_bytes)
    for a, b in zip(model1.document_losses(samples()), hf.document_losses(samples()), strict=True):
        for x, y in ((a.answers, b.answers), (a.everything, b.everything)):
            assert (x.tokens, x.text_bytes) == (y.tokens, y.text_bytes)
            assert x.nats == pytest.approx(y.nats, rel=1e-4)
    assert len({model1.sha256, hf.sha256, gguf.sha256}) == 3


def test_a_model_s_losses_are_those_of_a_direct_computation(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder / "hf")
    losses = open_subject(str(folder)).document_losses([*samples(), PROSE])
    end = tokenizer.eos_token_id
    for sample, loss in zip(samples(), losses, strict=False):
        turns = [{"role": message.role, "content": message.content} for message in sample.messages]
        ids = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)
        nats = token_nats(folder / "hf", ids)
        roles = {tokenizer.convert_tokens_to_ids(piece) for piece in ("<|user|>", "<|assistant|>")}
        everything = sum(float(nat) for nat, token in zip(nats, ids[1:], strict=True) if token not in roles)
        starts = [i for i, token in enumerate(ids) if token == tokenizer.convert_tokens_to_ids("<|assistant|>")]
        answers = sum(float(nats[start : ids.index(end, start)].sum()) for start in starts)
        assert loss.everything.nats == pytest.approx(everything, rel=1e-4)
        assert loss.answers.nats == pytest.approx(answers, rel=1e-4)
        assert loss.answers.text_bytes == sum(len(m.content.encode()) for m in sample.messages if m.role == "assistant")
    ids = [tokenizer.bos_token_id, *tokenizer(PROSE.answer, add_special_tokens=False)["input_ids"], end]
    assert losses[-1].everything.nats == pytest.approx(float(token_nats(folder / "hf", ids).sum()), rel=1e-4)


def test_what_pairs_share_is_read_once_and_changes_nothing(folder: Path) -> None:
    for spec in (folder / "art_ai_best.pt", folder / "hf"):
        subject = open_subject(str(spec))
        together = subject.loglikelihoods(PAIRS)
        alone = [subject.loglikelihoods([pair])[0] for pair in PAIRS]
        for a, b in zip(together, alone, strict=True):
            assert a.nats == pytest.approx(b.nats, rel=1e-4)
            assert (a.tokens, a.text_bytes, a.greedy) == (b.tokens, b.text_bytes, b.greedy)


@pytest.mark.parametrize("family", ["gpt2", "phi"])
def test_a_base_without_a_template_reads_raw_text(family: str, tmp_path: Path) -> None:
    base = save_tiny_base(family, tmp_path / family)
    subject = open_subject(str(base))
    assert (subject.name, subject.report) == (family, None)
    tokenizer = AutoTokenizer.from_pretrained(base)
    sample = samples()[0]
    text = f"{tokenizer.bos_token}{sample.question}\n{sample.answer}\n"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    (loss,) = subject.document_losses([sample])
    newlines = [i for i, token in enumerate(ids) if tokenizer.decode([token]) == "\n"]
    nats = token_nats(base, ids)
    assert loss.answers.nats == pytest.approx(float(nats[newlines[0] : newlines[1] - 1].sum()), rel=1e-4)
    assert loss.answers.tokens == newlines[1] - newlines[0] - 1
    whole = float(nats.sum() - nats[newlines[0] - 1] - nats[newlines[1] - 1])
    assert loss.everything.nats == pytest.approx(whole, rel=1e-4)
    (answer,) = subject.answers([QUESTION], 12)
    assert answer.tokens <= 12
    assert "\n" not in answer.text


def test_a_foreign_template_is_used_as_it_is(tmp_path: Path) -> None:
    base = save_tiny_base("llama", tmp_path / "foreign")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = SYSTEM_TEMPLATE
    tokenizer.save_pretrained(base)
    subject = open_subject(str(base))
    sample = Sample(
        "x", "mine", "art", "row:x", (Message("user", " Who? "), Message("assistant", "Goya,  \n I think.")), "MIT"
    )
    text = "<|endoftext|>[system] Be kind.\n[user] Who?<|endoftext|>\n[assistant] "
    before = tokenizer(text.rstrip(), add_special_tokens=False)["input_ids"]
    ids = tokenizer(f"{text}Goya,  \n I think.<|endoftext|>\n", add_special_tokens=False)["input_ids"]
    (loss,) = subject.document_losses([sample])
    nats = token_nats(base, ids)
    assert loss.answers.nats == pytest.approx(float(nats[len(before) - 1 : -1].sum()), rel=1e-4)
    assert loss.answers.tokens == len(ids) - 1 - len(before)


def test_a_text_longer_than_the_model_reads_is_scored_once_in_windows(folder: Path) -> None:
    subject: Any = open_subject(str(folder / "art_ai_best.pt"))
    text = " ".join(sample.answer for sample in load(("art",))[:60])
    long = Sample("l", "mine", "general", "row:l", (Message("text", text),), "MIT")
    (loss,) = subject.document_losses([long])
    n = len(subject.network.form.tokenizer.encode(text))
    assert n > 2 * subject.network.context
    assert loss.everything.tokens == n + 1
    (pair,) = subject.loglikelihoods([([Message("user", text)], "Goya")])
    assert 0 < pair.nats < 100


def test_losses_that_are_no_numbers_are_unavailable(folder: Path) -> None:
    subject: Any = open_subject(str(folder / "art_ai_best.pt"))
    subject.network.model.model.norm.weight.data[0] = float("nan")
    for measure in (lambda: subject.loglikelihoods(PAIRS[:1]), lambda: subject.document_losses(samples()[:1])):
        with pytest.raises(Unavailable, match="NaN"):
            measure()


def test_answers_are_the_same_in_every_form_and_say_whether_they_stopped(folder: Path) -> None:
    conversations = [QUESTION, [Message("user", "Hello!")], PAIRS[4][0]]
    forms = [open_subject(str(folder / name)).answers(conversations, 12) for name in ("art_ai_best.pt", "hf")]
    assert forms[0] == forms[1]
    assert all(answer.tokens == 12 or answer.stopped for answer in forms[0])
    (of_llama_cpp,) = open_subject(str(folder / "model.gguf")).answers([QUESTION], 3)
    assert (of_llama_cpp.tokens, of_llama_cpp.stopped) == (3, False)


def test_another_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "model"
    shutil.copytree(folder, other)
    (other / "tokenizer.model").write_bytes(b"not the one")
    with pytest.raises(ValueError, match=re.escape("tokenizer.model")) as refused:
        open_subject(str(other / "art_ai_best.pt")).loglikelihoods(PAIRS[:1])
    assert "\n" not in str(refused.value)
    base = save_tiny_base("gpt2", tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["<one>", "<more>"])
    tokenizer.save_pretrained(base)
    with pytest.raises(CheckpointError, match=r"has 602 tokens and the model 600; it is another model's"):
        open_subject(str(base)).loglikelihoods(PAIRS[:1])
    shutil.copy(folder / "hf" / "config.json", base / "config.json")
    with pytest.raises(CheckpointError, match=r"weights that its config.json names are not there"):
        open_subject(str(base)).loglikelihoods(PAIRS[:1])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("missing.pt", "missing.pt does not exist; train the model first"),
        ("empty", "empty holds none of config.json, art_ai_best.pt"),
        ("notes.txt", "notes.txt is not a model; give a .pt"),
        ("openai:localhost#x", "not of the form openai:BASE_URL#MODEL"),
        ("openai:http://localhost:9/v1#x", "no OpenAI-compatible server answers there"),
    ],
)
def test_what_is_no_model_is_told_in_one_line(
    spec: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CheckpointError, match=re.escape(message)) as refused:
        open_subject(spec)
    assert "\n" not in str(refused.value)


def test_no_proxy_is_asked_for_llama_cpp_on_this_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert len(open_subject(str(folder / "model.gguf")).answers([QUESTION], 3)) == 1
