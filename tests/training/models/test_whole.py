"""A model of which weights are missing or no numbers is no base, is not served and becomes no file."""

from __future__ import annotations

import json
import re
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, quants
from safetensors.torch import load_file, save_file

from tests.training.evaluation.tiny_checkpoint import save_tiny_checkpoint
from tests.training.tiny_bases import save_tiny_base
from training import export
from training.common.checkpoint_folder import CheckpointError
from training.inference.engines import EngineError
from training.inference.engines.llama_cpp import LlamaCpp
from training.inference.engines.pytorch import HuggingFace
from training.models.bases import BaseError, load_base
from training.models.checkpoint import load, save_checkpoint
from training.models.fine_tuning import save_final
from training.models.gguf_format import FileType, _type_of, export_gguf
from training.settings.improve import ImproveOptions

Weights = dict[str, torch.Tensor]
UP = "model.layers.1.mlp.up_proj.weight"


def changed(folder: Path, change: Callable[[Weights], Any], **config: Any) -> Path:
    """A tiny Llama whose files were changed by hand."""
    base = save_tiny_base("llama", folder)
    weights = load_file(base / "model.safetensors")
    change(weights)
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(settings | config))
    return base


def filled(number: float) -> Callable[[Weights], Any]:
    return lambda weights: weights[UP][0, :1].fill_(number)


DAMAGED: dict[str, tuple[Callable[[Weights], Any], dict[str, Any], str]] = {
    "a weight is missing": (lambda weights: weights.pop(UP), {}, f"1 of the weights .* are not there .{re.escape(UP)}"),
    "a layer is missing": (lambda weights: None, {"num_hidden_layers": 3}, "9 of the weights .* are not there"),
    "no output layer": (lambda weights: None, {"tie_word_embeddings": False}, "are not there .lm_head.weight"),
    "NaN": (filled(float("nan")), {}, f"{re.escape(UP)} holds what is no number"),
    "infinite": (filled(float("-inf")), {}, "holds what is no number .NaN or infinite.; put its own files together"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_model_is_told_in_one_line_everywhere(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, config, said = DAMAGED[what]
    base = changed(tmp_path / "base", change, **config)
    with pytest.raises(BaseError, match=said):
        load_base(str(base))
    with pytest.raises(EngineError, match=said):
        HuggingFace(base, needs_template=False)._load()
    capsys.readouterr()
    for words in (["gguf", "--out", str(tmp_path / "out")], ["hf", "--out", str(tmp_path / "out")], ["hf"]):
        assert export.main([str(base), "--to", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(said, line)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("bits", [None, {"quant_method": "bitsandbytes"}])
def test_a_model_that_brings_its_own_code_is_copied_only_where_its_numbers_are(
    bits: dict[str, Any] | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_its_own = {"auto_map": {"AutoModelForCausalLM": "own.Own"}, "quantization_config": bits}
    base = changed(tmp_path / "base", lambda weights: None, **of_its_own)
    assert export.main([str(base), "--to", "hf", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    base = changed(tmp_path / "damaged", filled(float("nan")), **of_its_own)
    assert export.main([str(base), "--to", "hf", "--out", str(tmp_path / "other")]) == 2
    assert f"{base / 'model.safetensors'}: its weight {UP} holds what is no number" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_weights_that_are_no_numbers_take_no_older_ones_place(tmp_path: Path) -> None:
    path = save_tiny_checkpoint(tmp_path / "model") / "art_ai_best.pt"
    before, (model, tokenizer) = path.read_bytes(), load(path)
    weights = model.state_dict() | {"norm.weight": torch.full_like(model.norm.weight, float("nan"))}
    with pytest.raises(CheckpointError, match=r"norm.weight holds what is no number .*; lower learning_rate"):
        save_checkpoint(model.config, weights, tokenizer, ImproveOptions(), 1, path)
    assert path.read_bytes() == before
    base = load_base(str(save_tiny_base("llama", tmp_path / "base")))
    save_final(base, tmp_path / "final")
    before = (tmp_path / "final" / "model.safetensors").read_bytes()
    next(base.model.parameters()).data[0, 0] = float("-inf")
    with pytest.raises(CheckpointError, match="holds what is no number"):
        save_final(base, tmp_path / "final")
    assert (tmp_path / "final" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda base: (base / "model.safetensors").write_bytes(b"cut short"),
        lambda base: (base / "config.json").write_text('{"model_type": "llama", "hidden_size": 32, "vocab_size": 900}'),
        lambda base: (base / "config.json").write_text("{}"),
        lambda base: (base / "tokenizer.json").write_text("{}"),
    ],
)
def test_files_that_cannot_be_loaded_are_one_line_of_the_export(
    change: Callable[[Path], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = save_tiny_base("llama", tmp_path / "base")
    change(base)
    capsys.readouterr()
    assert export.main([str(base), "--to", "gguf"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{base}: transformers cannot load it" in line
    assert not (base / "model.gguf").exists()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("file_type", ["f16", "q8_0", "f32"])
def test_a_gguf_with_a_weight_that_is_no_number_is_not_served(
    file_type: FileType, number: float, tmp_path: Path
) -> None:
    """llama.cpp looks for them only where it is asked: https://github.com/ggml-org/llama.cpp/pull/6884."""
    path, name = tmp_path / "model.gguf", "blk.1.ffn_up.weight"
    export_gguf(save_tiny_base("llama", tmp_path / "base"), path, file_type)
    engine = LlamaCpp(path)
    engine.start()
    engine.close()
    reader = GGUFReader(path, "r+")
    (tensor,) = (one for one in reader.tensors if one.name == name)
    kind = np.float32 if file_type == "f32" else np.float16  # a block of 8 bits begins with its scale in fp16
    tensor.data.reshape(-1).view(kind)[:1] = number
    reader.data.flush()
    with pytest.raises(EngineError, match=f"{re.escape(str(path))}: its weight {name} holds what is no number"):
        engine.start()


@pytest.mark.parametrize("form", ["hf", "gguf"])
def test_model_1_with_a_weight_that_is_no_number_becomes_no_file(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_tiny_checkpoint(tmp_path / "model") / "art_ai_best.pt"
    content = torch.load(path)
    content["model_state_dict"]["norm.weight"][3] = float("nan")
    torch.save(content, path)
    assert export.main([str(path), "--to", form, "--out", str(tmp_path / "out")]) == 2
    assert f"{path}: its weight norm.weight holds what is no number" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_disk_that_is_full_is_one_line_of_the_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save_tiny_checkpoint(tmp_path / "model") / "art_ai_best.pt"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        assert export.main([str(path), "--to", "hf", "--out", str(tmp_path / "out")]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / 'out'}: cannot be written" in line
    assert not (tmp_path / "out").exists()


def test_a_number_that_a_format_has_no_place_for_gets_more_bits() -> None:
    """fp16 ends at 65,504; what lies beyond became infinite."""
    kinds = GGMLQuantizationType
    for greatest, in_f16, in_q8_0 in (
        (1.0, kinds.F16, kinds.Q8_0),
        (-65_504.0, kinds.F16, kinds.Q8_0),
        (-65_505.0, kinds.F32, kinds.Q8_0),
        (1e7, kinds.F32, kinds.F32),
    ):
        array = np.zeros((2, 64), np.float32)
        array[1, 3] = greatest
        assert _type_of("blk.0.ffn_up.weight", array, kinds.F16) == in_f16
        assert _type_of("blk.0.ffn_up.weight", array, kinds.Q8_0) == in_q8_0
        for kind in (in_f16, in_q8_0):
            assert np.isfinite(quants.dequantize(quants.quantize(array, kind), kind)).all()


def test_a_text_begins_as_it_does_in_transformers_where_there_is_no_template(tmp_path: Path) -> None:
    from tests.training.odd_bases import odd_base

    for template, begins in ((None, True), ("{{ bos_token }}{{ messages[0]['content'] }}", False)):
        model, tokenizer = odd_base("tokenizer llama2")
        tokenizer.backend_tokenizer.post_processor = _begins_with(tokenizer)
        tokenizer.chat_template = template
        folder = tmp_path / str(begins)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        export_gguf(folder, folder / "model.gguf", "f32")
        assert GGUFReader(folder / "model.gguf").fields["tokenizer.ggml.add_bos_token"].contents() is begins


def _begins_with(tokenizer: Any) -> Any:
    from tokenizers.processors import TemplateProcessing

    return TemplateProcessing(single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)])
