"""Plans: counted on models without weights, larger with what costs memory, one line where they do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from benchmarks.plan_memory import COMMON, SIZES, measure
from training.common.options import OptionsError, with_settings
from training.corpus import CorpusError
from training.data.dataset import load_dataset
from training.loop.plan import Plan, estimate_tokens, few_tokens, find_device, trace_step, whole_step
from training.loop.plans import builder, config_of, plan, plan_base
from training.models.known_bases import KNOWN
from training.settings.model1 import PROFILES
from training.settings.model2 import PROFILES as MODEL2

SEED = PROFILES["seed"]


@pytest.fixture(scope="module")
def seed() -> Plan:
    return plan(SEED, 30_000_000, "rtx-3090-ti")


def test_the_seed_profile_fits_the_card_it_is_for(seed: Plan) -> None:
    assert seed.parameters == 285_762_560
    assert seed.memory["weights"] == seed.memory["gradients"] == 4 * seed.parameters
    assert seed.fits
    assert seed.steps == round(5 * 30_000_000 / (128 * 1024))
    # Matrix products cost 6 operations a weight and token; the input embedding is looked up.
    assert seed.flops_per_token == pytest.approx(6 * (seed.parameters - 32_000 * 1024), rel=0.01)


def test_checkpointing_needs_less_and_computes_more(seed: Plan) -> None:
    other = plan(replace(SEED, activation_checkpointing=True), 30_000_000, "rtx-3090-ti")
    assert other.memory["activations"] < 0.4 * seed.memory["activations"]
    assert 1.2 * seed.seconds < other.seconds < 1.5 * seed.seconds


def test_what_does_not_fit_is_one_line_with_remedies() -> None:
    (problem,) = plan(replace(SEED, micro_batch_size=64), 1, "rtx-3090-ti").problems()
    assert "\n" not in problem
    assert "micro_batch_size=32" in problem
    assert "activation_checkpointing=true" in problem


@pytest.mark.parametrize(("method", "hidden"), [("full", 16), ("full", 256), ("lora", 16)])
def test_a_deep_base_is_planned_from_shallow_ones(method: Literal["full", "lora"], hidden: int, tmp_path: Path) -> None:
    """Where activations outweigh gradients, and where they do not; a third of the layers is frozen."""
    shape = {"hidden_size": hidden, "intermediate_size": 4 * hidden, "vocab_size": 50, "num_attention_heads": 2}
    LlamaConfig(num_hidden_layers=9, num_key_value_heads=1, **shape).save_pretrained(tmp_path)
    options = replace(MODEL2["demo"], base=str(tmp_path), method=method, seq_len=32, frozen=0.34)
    build, n_layers = builder(options, torch.float32)
    whole = trace_step(build, options, torch.float32)
    planned = whole_step(build, n_layers, options, torch.float32, 3 if method == "full" else 0)
    assert planned.flops_per_token == pytest.approx(whole.flops_per_token)
    assert planned.activations == pytest.approx(whole.activations, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_the_memory_is_that_of_a_real_run(size: str) -> None:
    settings = (*COMMON, *SIZES[size])
    planned = plan(with_settings(PROFILES["demo"], settings), 0)
    assert planned.total == pytest.approx(measure(settings, steps=3), rel=0.15)


@pytest.mark.parametrize("setting", ["micro_batch_size=2", "activation_checkpointing=true"])
def test_each_setting_that_the_docs_name_makes_phi_2_with_lora_fit_24_gb(setting: str) -> None:
    settings = ["base=phi-2", "method=lora", setting]
    assert plan_base(with_settings(MODEL2["seed"], settings), 0, "rtx-3090-ti").total < 24e9


def test_an_unknown_device_is_answered_with_the_known() -> None:
    with pytest.raises(OptionsError, match="--plan-for 'abacus' is not known; choose rtx-3090"):
        find_device("abacus", SEED)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("smollm2-135m", 134.5),
        ("gpt2", 124.4),
        ("gpt2-medium", 354.8),
        ("gpt2-large", 774.0),
        ("gpt2-xl", 1557.6),
        ("phi-2", 2779.7),
    ],
)
def test_the_bases_have_the_parameters_of_the_real_ones(name: str, millions: float) -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config_of(name))
    assert model.num_parameters() / 1e6 == pytest.approx(millions, abs=0.1)
    assert KNOWN[name].licence in ("MIT", "Apache-2.0")


def test_what_is_not_on_this_machine_is_planned_by_known_counts_and_nothing_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")  # no git
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    everything = estimate_tokens(("open",), PROFILES["seed"], 4.2)
    assert everything > 15e6
    assert estimate_tokens(("open", "tate-works=2"), PROFILES["seed"], 4.2) > everything
    assert 4e6 < estimate_tokens(("squad-v2",), PROFILES["seed"], 4.2) < 8e6
    with pytest.raises(CorpusError, match="art-wikipedia: how much of it would be trained on is not known"):
        estimate_tokens(("art-wikipedia",), PROFILES["seed"], 4.2)


def test_the_estimate_of_data_at_hand_is_near_their_tokens() -> None:
    dataset = load_dataset(("conversation",), None, 400)
    tokens = sum(len(message.content.encode()) for sample in dataset.train for message in sample.messages) / 4.2
    assert estimate_tokens(("conversation",), PROFILES["seed"], 4.2) == pytest.approx(tokens, rel=0.5)


def test_few_tokens_a_parameter_are_said_with_what_to_add() -> None:
    assert few_tokens(5e6, 1_000_000) == ""
    said = few_tokens(92e6, 285_800_000)
    assert said.startswith("0.32 tokens a parameter")
    assert "1,429 million tokens" in said
    assert "--data open eli5" in said


def test_the_rotary_settings_of_the_bases_are_those_of_the_hub() -> None:
    assert config_of("phi-2").rope_parameters["partial_rotary_factor"] == 0.4
    assert config_of("smollm2-135m").rope_parameters["rope_theta"] == 100_000
