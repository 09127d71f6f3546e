"""A GGUF gives what transformers gives, for every base that has a place in it; the others are refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import GPT2Config, LlamaConfig, PhiConfig, PreTrainedTokenizerFast

from tests.training.llama_cpp import LlamaCpp
from tests.training.odd_bases import LLAMA3, ODD, YARN, llama2_tokenizer, odd_base, random_gpt2, rotation, texts
from tests.training.tiny_bases import as_chat, byte_pairs, save_tiny_base
from training.inference.engines.llama_cpp import LlamaCpp as LlamaCppEngine
from training.models.bases import load_base
from training.models.gguf_format import ExportError, _add_rotation, export_gguf, gguf_problem
from training.models.gguf_tokenizer import _merges

LENGTH = 64


def save_as_final(name: str, folder: Path) -> Any:
    """The base as a fine-tuning leaves it in ``final/``."""
    model, tokenizer = odd_base(name)
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    base = load_base(str(folder / "base"))
    base.model.save_pretrained(folder / "final")
    base.tokenizer.save_pretrained(folder / "final")
    return base


def questions() -> list[str]:
    """Twenty, with all that cuts and spaces may do inside of a chat."""
    asked = [text for text in texts() if text.endswith("?")][:15]
    return [
        *asked,
        "in 1937 and  42x",
        "Dalí's “Élan” — naïve\n\n new\ttab",
        "🎨 ψ 中文",
        "  two  spaces ",
        "don't I'LL",
    ]


@pytest.mark.parametrize("name", ODD)
def test_the_same_greedy_tokens_in_transformers_and_llama_cpp(name: str, tmp_path: Path) -> None:
    base = save_as_final(name, tmp_path)
    export_gguf(tmp_path / "final", tmp_path / "model.gguf", "f32")
    llama = LlamaCpp(tmp_path / "model.gguf")
    for question in questions():
        ids = base.tokenizer.apply_chat_template(as_chat(question), add_generation_prompt=True, return_dict=False)
        assert llama.tokenise(llama.chat_prompt(as_chat(question)), special=True) == ids, question
        answer = llama.greedy(ids, LENGTH)
        assert answer
        with torch.inference_mode():
            logits = base.model(torch.tensor([[*ids, *answer]])).logits[0, len(ids) - 1 : -1]
        behind = logits.max(dim=-1).values - logits[torch.arange(len(answer)), torch.tensor(answer)]
        assert (behind / logits.std(dim=-1)).max() < 0.01, question  # ties up to the order of additions
    llama.close()


@pytest.mark.parametrize("name", ["llama linear", "llama yarn", "llama llama3"])
def test_the_export_itself_sees_that_llama_cpp_answers_otherwise(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_as_final(name, tmp_path)

    def without_scaling(writer: Any, config: Any, dimensions: int) -> None:
        config = type("Config", (), {"rope_parameters": rotation("default")})
        _add_rotation(writer, config, dimensions)

    monkeypatch.setattr("training.models.gguf_format._add_rotation", without_scaling)
    monkeypatch.setattr("training.models.gguf_format._slower_rotations", lambda model: torch.ones(8).numpy())
    for file_type in ("f32", "q8_0"):
        with pytest.raises(ExportError, match=r"llama\.cpp's answer to .* differs from that of transformers at token"):
            export_gguf(tmp_path / "final", tmp_path / "model.gguf", file_type)  # type: ignore[arg-type]
    assert not (tmp_path / "model.gguf").exists()


def test_the_export_itself_sees_a_file_that_llama_cpp_cannot_load_or_reads_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_as_final("llama wide heads", tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("gguf.GGUFWriter.add_key_length", lambda *_: None)
        with pytest.raises(ExportError, match=r"llama\.cpp cannot load it"):
            export_gguf(tmp_path / "final", tmp_path / "model.gguf")
    monkeypatch.setattr("training.models.gguf_tokenizer._merges", lambda state: _merges(state)[:1])
    with pytest.raises(ExportError, match=r"llama\.cpp reads '.*' as the tokens"):
        export_gguf(tmp_path / "final", tmp_path / "model.gguf")


def test_a_process_of_llama_cpp_that_ends_costs_the_gguf_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://github.com/ggml-org/llama.cpp/issues/24884: it ends the process that it runs in."""
    save_as_final("llama wide heads", tmp_path)
    server, out = tmp_path / "server.py", tmp_path / "model.gguf"
    monkeypatch.setattr("training.models.gguf_server.__file__", str(server))
    begin = "import os, signal, socketserver\nend = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    for program, said in (
        ("end()", r"llama\.cpp cannot load it"),
        (
            "server = socketserver.TCPServer(('127.0.0.1', 0), end)\n"
            "print('http://127.0.0.1:%d' % server.server_address[1], flush=True)\nserver.serve_forever()",
            r"llama\.cpp ends its process at it",
        ),
    ):
        server.write_text(begin + program)
        with pytest.raises(ExportError, match=said):
            export_gguf(tmp_path / "final", out)
        assert not out.exists()
    server.write_text("print('absent')")
    export_gguf(tmp_path / "final", out)
    assert out.is_file()


def test_the_check_asks_no_more_than_a_short_context_holds(tmp_path: Path) -> None:
    tokenizer = byte_pairs(individual_digits=False)
    random_gpt2(len(tokenizer), n_positions=32).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    prepared = load_base(str(tmp_path))
    prepared.model.save_pretrained(tmp_path / "final")
    prepared.tokenizer.save_pretrained(tmp_path / "final")
    export_gguf(tmp_path / "final", tmp_path / "model.gguf")
    assert (tmp_path / "model.gguf").is_file()


@pytest.mark.skipif(os.name == "nt", reason="its names are all text")
def test_a_name_that_is_no_utf_8_is_written_checked_and_served(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this disk keeps no such names")
    save_as_final("llama wide heads", tmp_path)
    path = folder / "model.gguf"
    export_gguf(tmp_path / "final", path)
    engine = LlamaCppEngine(path)
    engine.start()
    assert engine.count("Who?") > 0
    engine.close()


def with_backend(**parts: Any) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with some parts replaced."""
    tokenizer = byte_pairs(individual_digits=False)
    for part, value in parts.items():
        setattr(tokenizer.backend_tokenizer, part, value)
    return tokenizer


def restated(tokenizer: PreTrainedTokenizerFast, **model: Any) -> PreTrainedTokenizerFast:
    """The tokenizer with other settings of its byte pairs."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["model"] |= model
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(state))
    return tokenizer


def with_word(tokenizer: PreTrainedTokenizerFast, **rules: bool) -> PreTrainedTokenizerFast:
    tokenizer.add_tokens([AddedToken("painted", **rules)])
    return tokenizer


def of_few_letters(byte_fallback: bool) -> PreTrainedTokenizerFast:
    """Byte pairs, or pieces, of a text that has not all bytes."""
    backend = Tokenizer(models.BPE(unk_token="<s>", byte_fallback=byte_fallback))
    if byte_fallback:
        backend.normalizer = normalizers.Replace(" ", "▁")
    else:
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.train_from_iterator(["who painted it"], trainers.BpeTrainer(special_tokens=["<s>"], show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<s>")


def unlisted() -> PreTrainedTokenizerFast:
    tokenizer = llama2_tokenizer()
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    return restated(tokenizer, merges=merges[:-1])


def taken_whole() -> PreTrainedTokenizerFast:
    """A word of the vocabulary that no merge leads to."""
    tokenizer = byte_pairs(individual_digits=False)
    vocab = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["vocab"]
    return restated(tokenizer, ignore_merges=True, vocab=vocab | {"Guernica": len(vocab)})


def without_end() -> PreTrainedTokenizerFast:
    tokenizer = with_backend()
    tokenizer.eos_token = None
    return tokenizer


def words() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))


@pytest.mark.parametrize(
    ("config", "tokenizer", "reason"),
    [
        (
            LlamaConfig(rope_parameters=YARN | {"beta_fast": 16.0}),
            byte_pairs,
            "rotary positions by yarn beta_fast=16.0",
        ),
        (PhiConfig(rope_parameters=LLAMA3 | {"partial_rotary_factor": 0.5}), byte_pairs, "rotary positions by llama3"),
        (LlamaConfig(hidden_act="gelu"), byte_pairs, "has the activation gelu"),
        (GPT2Config(activation_function="relu"), byte_pairs, "has the activation relu"),
        (GPT2Config(scale_attn_by_inverse_layer_idx=True), byte_pairs, "scales its attention"),
        (LlamaConfig(), lambda _: words(), "of the kind WordLevel"),
        (LlamaConfig(), lambda _: with_backend(normalizer=normalizers.NFC()), "changes text (NFC)"),
        (
            LlamaConfig(),
            lambda _: with_backend(pre_tokenizer=pre_tokenizers.Whitespace()),
            "cuts text by ['Whitespace']",
        ),
        (LlamaConfig(), lambda _: with_backend(pre_tokenizer=pre_tokenizers.ByteLevel()), "cuts text by ['ByteLevel']"),
        (LlamaConfig(vocab_size=300), byte_pairs, "and the model 300 rows for tokens"),
        (LlamaConfig(), lambda _: restated(byte_pairs(False), dropout=0.5), "has dropout=0.5"),
        (LlamaConfig(), lambda _: restated(byte_pairs(False), end_of_word_suffix="</w>"), "has end_of_word_suffix"),
        (LlamaConfig(), lambda _: of_few_letters(False), "no token for 232 bytes, ! the first of them"),
        (LlamaConfig(), lambda _: of_few_letters(True), "no token for 256 bytes, <0x00>"),
        (LlamaConfig(), lambda _: unlisted(), "of which llama.cpp makes one token"),
        (LlamaConfig(), lambda _: taken_whole(), "takes 'Guernica' whole from the vocabulary"),
        (LlamaConfig(), lambda _: with_word(byte_pairs(False), lstrip=True), "finds the added word 'painted' by rules"),
        (LlamaConfig(), lambda _: with_word(byte_pairs(False), rstrip=True), "rules of its own (rstrip)"),
        (LlamaConfig(), lambda _: with_word(byte_pairs(False), single_word=True), "rules of its own (single_word)"),
        (LlamaConfig(), lambda _: with_word(llama2_tokenizer()), "rules of its own (normalized)"),
        (LlamaConfig(), lambda _: with_word(llama2_tokenizer(), normalized=False), None),
        (LlamaConfig(), lambda _: with_word(byte_pairs(False)), None),
        (LlamaConfig(), lambda _: restated(byte_pairs(False), ignore_merges=True), None),
        (LlamaConfig(), lambda _: without_end(), "names no token that ends a text"),
        (LlamaConfig(), byte_pairs, None),
        (GPT2Config(), byte_pairs, None),
        (PhiConfig(), byte_pairs, None),
        (PhiConfig(qk_layernorm=True), byte_pairs, "has the weight model.layers.0.self_attn.q_layernorm.weight"),
        (GPT2Config(add_cross_attention=True), byte_pairs, "has the weight transformer.h.0.crossattention"),
    ],
)
def test_what_has_no_place_is_known_without_writing(config: Any, tokenizer: Any, reason: str | None) -> None:
    problem = gguf_problem(config, tokenizer(True))
    assert problem is None if reason is None else reason in (problem or "")


def test_a_base_that_cannot_be_exported_is_told_before_its_training_and_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import train_model2_pretrained

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = save_tiny_base("gpt2", tmp_path / "base")
    with_backend(normalizer=normalizers.NFC()).save_pretrained(base)
    rows = [{"question": f"Who made work {n}?", "answer": f"Degas made it in 1{n:03}."} for n in range(300)]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out"
    command = ["--base", str(base), "--data", str(tmp_path / "quiz.jsonl"), "--out", str(out), "--max-steps", "2"]
    assert train_model2_pretrained.main(command) == 0
    said = capsys.readouterr().err
    assert said.index("model.gguf will not be written: ") < said.index("training ")
    assert "its tokenizer changes text (NFC), which llama.cpp does not; final/ is all there will be" in said
    assert json.loads((out / "training_report.json").read_text())["written"]["model.gguf"] is None
    assert (out / "final" / "model.safetensors").is_file()
    assert not (out / "model.gguf").exists()


def test_every_token_that_ends_an_answer_ends_it_in_llama_cpp(tmp_path: Path) -> None:
    """https://github.com/unslothai/unsloth/issues/468: of several in generation_config.json one was written."""
    model, tokenizer = odd_base("llama wide heads")
    chosen = [tokenizer.eos_token_id, *tokenizer.convert_tokens_to_ids(["a", "b"])]
    for ends, written in (
        (chosen, {"eos": chosen[0], "eot": chosen[1], "eom": chosen[2]}),
        (chosen[2], {"eos": chosen[2]}),
        (None, {"eos": chosen[0]}),
    ):
        model.generation_config.eos_token_id = ends
        folder = tmp_path / str(len(written) if ends else 0)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        export_gguf(folder, folder / "model.gguf", "f32")
        fields = GGUFReader(folder / "model.gguf").fields
        names = {name: f"tokenizer.ggml.{name}_token_id" for name in ("eos", "eot", "eom")}
        assert {key: fields[name].contents() for key, name in names.items() if name in fields} == written
    model.generation_config.eos_token_id = [*range(5, 9)]
    model.save_pretrained(tmp_path / "0")
    with pytest.raises(ExportError, match="4 tokens that end an answer"):
        export_gguf(tmp_path / "0", tmp_path / "other.gguf")
