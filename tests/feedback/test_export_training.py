"""The dpo and kto exports are what TRL trains on, and the arena export what FastChat rates."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import load_dataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.fastchat_rating import compute_bt
from feedback.blind_test import BlindTest
from feedback.export import stream, write
from feedback.statistics import load_study, summary
from tests.feedback.protocol import answer_turn, answered, choice_for, vote_for

CHAT = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</s>{% endfor %}"
CHAT += "{% if add_generation_prompt %}<assistant>{% endif %}"


@pytest.fixture
def study(blind_test: BlindTest) -> BlindTest:
    for winners in (["model1", "model2", "tie"], ["model1", "both_bad", "model1"], ["model2", "model1"]):
        vote_for(blind_test, blind_test.enrol("1").id, winners)
    tester = blind_test.enrol("1").id
    battle = answered(blind_test, tester, "Why 🎨?")
    answer_turn(blind_test, tester, battle.id, "And then?")
    blind_test.vote(tester, battle.id, choice_for(battle, "model1"))
    return blind_test


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<pad>", "<s>", "</s>"]
    bytewise = Tokenizer(models.BPE({token: n for n, token in enumerate(special + alphabet)}, []))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=bytewise, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    made.chat_template = CHAT
    return made


@pytest.mark.parametrize("name", ["dpo", "kto"])
def test_trl_trains_a_step_on_the_export(
    study: BlindTest, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, name: str
) -> None:
    import trl  # late: seconds of each process that only collects the tests

    config, trainer = (getattr(trl, f"{name.upper()}{part}") for part in ("Config", "Trainer"))
    manifest = write(study.database, name, tmp_path / f"votes.{name}.jsonl")
    rows = load_dataset("json", data_files=str(tmp_path / f"votes.{name}.jsonl"), cache_dir=tmp_path)["train"]
    assert len(rows) == manifest.rows
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=512, **size)).save_pretrained(
        tmp_path / "model"
    )
    model = LlamaForCausalLM.from_pretrained(tmp_path / "model")  # TRL loads its reference from the same folder
    before = model.lm_head.weight.detach().clone()
    settings = config(
        output_dir=str(tmp_path / "out"), per_device_train_batch_size=4, max_steps=1, learning_rate=0.1,
        report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True, bf16=False,
    )  # fmt: skip
    result = trainer(model=model, args=settings, train_dataset=rows, processing_class=tokenizer).train()
    assert result.global_step == 1
    assert math.isfinite(result.training_loss)
    assert not torch.equal(model.lm_head.weight, before)


def test_fastchat_rates_the_arena_export_as_we_do(study: BlindTest) -> None:
    battles = pd.read_json(io.BytesIO(b"".join(stream(study.database, "arena"))), convert_dates=False, dtype=False)
    ratings = compute_bt(battles)
    ours = summary(load_study(study.database).outcomes)["elo_gap"]
    assert ratings["model1"] - ratings["model2"] == pytest.approx(ours, abs=1e-3)
    assert np.isfinite(ours)
