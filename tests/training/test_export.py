"""Interchange: transformers and llama.cpp compute what we compute, from the same text."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertModel

from tests.training.llama_cpp import LlamaCpp
from tests.training.tiny_bases import FAMILIES, as_chat, save_tiny_base
from training.corpus import load
from training.export import main
from training.inference.decoding import Decoder
from training.models.bases import load_base
from training.models.checkpoint import save_checkpoint
from training.models.fine_tuning import save_final
from training.models.gguf_format import ExportError, export_gguf, llama_from_gguf
from training.models.hf_format import export_hf
from training.models.tokenizer import END, Tokenizer, train_tokenizer
from training.models.transformer import ModernTransformer
from training.settings.model1 import Model1Options

QUESTIONS = ("Who painted Guernica?", "What is art?", "When was Claude Monet born?")
ODD_TEXTS = [
    "  two  spaces ",
    "in 1937 and  42x",
    "Dalí's “Élan” — naïve\n\n new line\ttab",
    "🎨👩‍🎨 emoji",
    "ψ 中文 русский",
    " 7",
    "don't",
]


DIFFICULT_TEXTS = [
    *ODD_TEXTS,
    "null\x00byte, \x1b[0m and \x7f",
    "\ufeffa byte order mark",
    "tab\t\ttab   and trailing  ",
    "\n\n\n",
    "\r\nlines of\r\nWindows\r",
    "no\u00a0break\u202fspaces, \u200bnone wide\u200d, \u3000one wide, \u2028a separator",
    "e\u0301 combined, é whole, ﬁ, Ａ, ½, ², ١٢٣ 123",
    "👩‍👩‍👧‍👦🏳️‍🌈👍🏽 and 𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "“double” ‘single’ «guillemets» „low“ — – - …",
    "مرحبا بالعالم, हिन्दी, 日本語, ไทย, 한국어",
    "▁ a piece's own sign ▁▁ here",
    "\ud7ff\ue000\U0010ffff",
    "a" * 300,
    "   ",
    "<0x0A> <0x41> [INST] x [/INST]",
    "<s></s><unk><pad>",
    "<|user|>hi<|end|><|assistant|>",
]


def real_texts() -> list[str]:
    """1,000 texts of the embedded corpus and, where the variable DIPTYCH_DATA names a folder of data, 1,000 of it."""
    sources = ["art", *filter(None, [os.environ.get("DIPTYCH_DATA")])]
    drawn = []
    for source in sources:
        texts = {message.content for sample in load((source,), max_rows_per_source=2000) for message in sample.messages}
        drawn += random.Random(0).sample(sorted(texts), 1000)
    return drawn


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [message.content for sample in load(("art",))[::100] for message in sample.messages]


@pytest.fixture(scope="module")
def tokenizer(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train_tokenizer(texts, 800, tmp_path_factory.mktemp("model1") / "tokenizer.model")


def model1(tokenizer: Tokenizer, tie_embeddings: bool = True) -> ModernTransformer:
    torch.manual_seed(0)
    model = ModernTransformer(len(tokenizer), 64, 3, 4, 2, 96, 128, rope_theta=20_000.0, tie_embeddings=tie_embeddings)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.15)
        else:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model.eval()


def tensor_types(path: Path) -> dict[str, str]:
    return {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_model1_is_the_same_llama_in_transformers(
    tokenizer: Tokenizer, texts: list[str], tmp_path: Path, tie_embeddings: bool
) -> None:
    ours = model1(tokenizer, tie_embeddings)
    export_hf(ours, tokenizer, tmp_path / "hf")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    their_tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hf")
    for text in [*texts[:200], *ODD_TEXTS]:
        assert their_tokenizer.encode(text, add_special_tokens=False) == tokenizer.encode(text), text
    ids = torch.tensor([tokenizer.encode_chat([("user", text)])[:60] for text in texts[:4] if len(text) > 1][:1])
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids).logits, ours(ids), atol=1e-4, rtol=1e-4)
    assert theirs.num_parameters() == ours.n_parameters()


@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_model1_is_the_same_in_llama_cpp(
    tokenizer: Tokenizer, texts: list[str], tmp_path: Path, tie_embeddings: bool
) -> None:
    ours = model1(tokenizer, tie_embeddings)
    export_hf(ours, tokenizer, tmp_path / "hf")
    export_gguf(tmp_path / "hf", tmp_path / "model.gguf", "f32")
    llama = LlamaCpp(tmp_path / "model.gguf")
    for text in [*texts[:60], *ODD_TEXTS]:
        assert llama.tokenise(text) == tokenizer.encode(text), text
    for question in QUESTIONS:
        prompt = tokenizer.encode_chat([("user", question)])
        assert llama.tokenise(llama.chat_prompt(as_chat(question)), special=True) == prompt
        answer = Decoder(ours, rows=1).answers([prompt], max_new_tokens=50)[0].ids
        end = [END] if len(answer) < 50 else []  # which llama.cpp gives with the tokens before it
        assert llama.greedy(prompt, 50) == answer + end
    turns = ("Who?", "Me.", "Why?")
    assert llama.tokenise(llama.chat_prompt(as_chat(*turns)), special=True) == tokenizer.encode_chat(
        [(turn["role"], turn["content"]) for turn in as_chat(*turns)]
    )
    llama.close()


def test_three_programs_cut_text_the_same_way(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """SentencePiece, transformers and llama.cpp; what a user types is never a token of the chat's form."""
    export_hf(model1(tokenizer), tokenizer, tmp_path / "hf")
    export_gguf(tmp_path / "hf", tmp_path / "model.gguf", "q8_0")
    transformers = AutoTokenizer.from_pretrained(tmp_path / "hf", split_special_tokens=True)
    llama = LlamaCpp(tmp_path / "model.gguf")
    for text in [*DIFFICULT_TEXTS, *real_texts()]:
        ids = tokenizer.encode(text)
        assert transformers.encode(text, add_special_tokens=False) == ids, text
        assert llama.tokenise(text) == ids, text
    llama.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_the_same_in_llama_cpp(family: str, texts: list[str], tmp_path: Path) -> None:
    base = load_base(str(save_tiny_base(family, tmp_path / "base")))
    base.model.save_pretrained(tmp_path / "final")
    base.tokenizer.save_pretrained(tmp_path / "final")
    export_gguf(tmp_path / "final", tmp_path / "model.gguf", "f32")
    llama = LlamaCpp(tmp_path / "model.gguf")
    for text in [*texts[:60], *ODD_TEXTS]:
        assert llama.tokenise(text) == base.encode_batch([text])[0], text
    for question in QUESTIONS:
        prompt = chat_ids(base.tokenizer, llama, question)
        answer = llama.greedy(prompt, 50)
        # llama.cpp ends at <|endoftext|>, the token 0, too, by its name.
        ended = len(answer) < 50 and answer[-1] != 0
        assert is_greedy(base.model, prompt, answer + [base.tokenizer.eos_token_id] * ended)
    llama.close()


def is_greedy(model: Any, prompt: list[int], answer: list[int]) -> bool:
    """Whether each token is the likeliest, or as good as: ggml reads GELU from a table of 16 bits (seen: 0.0012)."""
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
    chosen = logits.gather(1, torch.tensor(answer)[:, None])[:, 0]
    return bool((logits.max(1).values - chosen).max() < 0.003 * logits.std())


def chat_ids(tokenizer: Any, llama: LlamaCpp, question: str) -> list[int]:
    """The prompt's ids, the same from transformers' and from llama.cpp's reading of the template."""
    ids = tokenizer.apply_chat_template(as_chat(question), add_generation_prompt=True, return_dict=False)
    assert llama.tokenise(llama.chat_prompt(as_chat(question)), special=True) == ids
    return list(ids)


def test_smaller_numbers_are_stored_where_they_fit(tokenizer: Tokenizer, tmp_path: Path) -> None:
    export_hf(model1(tokenizer), tokenizer, tmp_path / "hf")
    sizes = []
    for file_type in ("f32", "f16", "q8_0"):
        path = tmp_path / f"{file_type}.gguf"
        export_gguf(tmp_path / "hf", path, file_type)  # type: ignore[arg-type]
        types = tensor_types(path)
        assert types["blk.0.attn_q.weight"] == types["token_embd.weight"] == file_type.upper()
        assert types["blk.0.attn_norm.weight"] == "F32"
        sizes.append(path.stat().st_size)
        llama = LlamaCpp(path)
        assert len(llama.greedy(tokenizer.encode_chat([("user", "Why?")]), 5)) == 5
        llama.close()
    assert sizes[0] > 1.7 * sizes[1] > 2.5 * sizes[2]


def test_nothing_in_the_files_names_a_base_or_its_maker(tmp_path: Path) -> None:
    base = load_base(str(save_tiny_base("llama", tmp_path / "SmolLM2-by-HuggingFaceTB")))
    save_final(base, tmp_path / "final")
    export_gguf(tmp_path / "final", tmp_path / "model.gguf")
    by_design = ("tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.pre")
    values = [
        str(field.contents()).lower()
        for name, field in gguf.GGUFReader(tmp_path / "model.gguf").fields.items()
        if name not in by_design
    ]
    files = [path.read_text().lower() for path in (tmp_path / "final").iterdir() if path.suffix in (".json", ".jinja")]
    for text in [*values, *files]:
        assert not any(name in text for name in ("smol", "huggingface", "hugging face", "openai", "microsoft"))


def test_a_llama_comes_back_out_of_gguf(texts: list[str], tmp_path: Path) -> None:
    base = load_base(str(save_tiny_base("llama", tmp_path / "base")))
    save_final(base, tmp_path / "final")
    export_gguf(tmp_path / "final", tmp_path / "model.gguf", "f32")
    model, tokenizer = llama_from_gguf(tmp_path / "model.gguf")
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "final", dtype="float32").state_dict()
    for name, tensor in model.float().state_dict().items():
        torch.testing.assert_close(tensor, saved[name], atol=1e-4, rtol=1e-3)
    for text in [*texts[:60], *ODD_TEXTS]:
        assert tokenizer.encode(text) == base.encode_batch([text])[0]


def test_an_architecture_without_a_place_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=50, **size)).save_pretrained(tmp_path / "bert")
    (tmp_path / "model.gguf").write_text("the old one")
    with pytest.raises(ExportError, match="is a bert; GGUF is written for llama, gpt2, phi only"):
        export_gguf(tmp_path / "bert", tmp_path / "model.gguf")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["model.gguf"]
    assert (tmp_path / "model.gguf").read_text() == "the old one"


@pytest.fixture(scope="module")
def checkpoint(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model 1's folder as training leaves it, without the exports."""
    folder = tmp_path_factory.mktemp("run") / "art_ai_model"
    folder.mkdir()
    shutil.copyfile(tokenizer.path, folder / "tokenizer.model")
    beside = Tokenizer(folder / "tokenizer.model")
    model = model1(tokenizer)
    save_checkpoint(model.config, model.state_dict(), beside, Model1Options(), 1, folder / "art_ai_best.pt")
    return folder


def test_the_command_writes_both_forms(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(checkpoint), "--to", "gguf", "--type", "q8_0"]) == 0
    assert tensor_types(checkpoint / "model.gguf")["blk.0.attn_q.weight"] == "Q8_0"
    assert main([str(checkpoint / "art_ai_best.pt"), "--to", "hf", "--out", str(tmp_path / "copy")]) == 0
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "copy").config.model_type == "llama"
    assert main([str(tmp_path / "copy"), "--to", "gguf"]) == 0
    assert tensor_types(tmp_path / "copy" / "model.gguf")["blk.0.attn_q.weight"] == "F16"
    assert main([str(tmp_path / "copy"), "--to", "hf"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{tmp_path / 'copy'} already has this form"


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere"), "--to", "hf"]) == 2
    error = capsys.readouterr().err
    assert "nowhere is no checkpoint; name a folder that holds art_ai_best.pt, final/ or config.json" in error
    assert error.count("\n") == 1
    assert main([str(tmp_path), "--to", "hf", "--type", "q8_0"]) == 2
    assert "--type q8_0 is for --to gguf" in capsys.readouterr().err


def test_a_checkpoint_stays_as_it_is_where_the_file_is_written_elsewhere(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be on a disk that is mounted to be read: https://github.com/huggingface/huggingface_hub/issues/2797."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in ("art_ai_best.pt", "tokenizer.model"):
        shutil.copyfile(checkpoint / name, shelf / name)
    shelf.chmod(0o555)
    (tmp_path / "out").mkdir()
    try:
        assert main([str(shelf), "--to", "gguf", "--out", str(tmp_path / "out" / "mine.gguf")]) == 0
        assert sorted(path.name for path in shelf.iterdir()) == ["art_ai_best.pt", "tokenizer.model"]
        assert tensor_types(tmp_path / "out" / "mine.gguf")["blk.0.attn_q.weight"] == "F16"
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".diptych.json", "mine.gguf"]
        (tmp_path / "out" / "notes.gguf").write_text("somebody's")
        assert main([str(shelf), "--to", "gguf", "--out", str(tmp_path / "out" / "notes.gguf")]) == 2
        assert "holds notes.gguf, which was not written here" in capsys.readouterr().err
    finally:
        shelf.chmod(0o755)
