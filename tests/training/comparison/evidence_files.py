"""Files as the trainings, the evaluation and the user test write them, every figure another one."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

EXAMPLES = 11
HOSTILE = "<script>alert(1)</script> | **bold** `code`"


def interval(estimate: float, half: float) -> dict[str, float]:
    return {"estimate": estimate, "low": round(estimate - half, 6), "high": round(estimate + half, 6)}


def evaluation(folder: Path) -> dict[str, Any]:
    """Both models in ``folder``; Model 1 predicts worse and knows less, neither beats chance on unseen facts."""
    return {
        "version": 1,
        "made_at": "2026-11-22T20:00:00Z",
        "machine": {"processor": "Test CPU", "cores": 2, "memory_bytes": 8_100_000_000, "python": "3.12"},
        "settings": {"data": ["core"], "limit": None, "seed": 0, "bootstrap_draws": 10000},
        "models": {
            "model1": _model("model1", str(folder / "art_ai_model" / "art_ai_best.pt"), 0.0),
            "model2": _model("model2", str(folder / "model2_pretrained" / "final"), 0.07),
        },
        "differences": {
            "held_out_answers_bits_per_byte": interval(-0.213, 0.031),
            "held_out_everything_bits_per_byte": interval(0.017, 0.044),
            "knowledge": [{"benchmark": "embedded", "accuracy": interval(0.083, 0.104)}],
            "answers_stopped": interval(0.151, 0.052),
        },
    }


def _model(name: str, spec: str, more: float) -> dict[str, Any]:
    is_first = name == "model1"
    bits = interval(0.534 + more, 0.021)
    part = {
        "bits_per_byte": bits,
        "token_perplexity": 4.31 + 80 * more,
        "samples": 488,
        "tokens": 9871 + int(1000 * more),
        "bytes": 39118,
        "by_source": [{"source": "art", "samples": 301, "bits_per_byte": interval(0.561 + more, 0.022)}],
        "by_area": [{"area": "ai", "samples": 113, "bits_per_byte": interval(0.478 + more, 0.023)}],
        "by_split": [
            {"split": "new_wording", "samples": 348, "bits_per_byte": interval(0.128 + 8 * more, 0.024)},
            {"split": "new_fact", "samples": 140, "bits_per_byte": interval(1.641 - 13 * more, 0.061)},
        ],
    }
    return {
        "name": name,
        "spec": spec,
        "kind": "model1" if is_first else "transformers",
        "sha256": "5f" * 32,
        "parameters": 6_843_840 if is_first else 134_515_008,
        "training_report": training_report(name),
        "held_out": {
            "answers": part,
            "everything": {"bits_per_byte": interval(0.712 + more, 0.026), "token_perplexity": 15.8 + 80 * more},
        },
        "knowledge": [
            {
                "benchmark": "embedded",
                "path": None,
                "sha256": "3c" * 32,
                "n": 397,
                "accuracy": interval(0.417 - more, 0.048),
                "accuracy_raw": interval(0.391, 0.047),
                "chance": 0.25,
                "longest_option": 0.243,
                "most_frequent_option": None,
                "groups": [
                    {
                        "group": "seen fact, new wording",
                        "n": 283,
                        "accuracy": interval(0.494 - more, 0.057),
                        "chance": 0.25,
                    },
                    {"group": "unseen fact", "n": 114, "accuracy": interval(0.271 - more, 0.079), "chance": 0.25},
                ],
                "kinds": [{"kind": "work artist", "n": 91, "accuracy": interval(0.373, 0.097), "chance": 0.25}],
                "contaminated": {"n": 3 if is_first else 0, "ids": ["q1"], "accuracy": None},
            }
        ],
        "answers": {
            "n": 103,
            "mean_tokens": interval(31.7 + 50 * more, 2.6),
            "mean_words": interval(22.9 + 40 * more, 1.9),
            "stopped": interval(0.941 - more, 0.029),
            "repetition": interval(0.036 + more, 0.012),
            "distinct_1": 0.418,
            "distinct_2": 0.736,
            "rouge_l": interval(0.287 + more, 0.033),
            "bleu": 11.9,
            "caution": "ROUGE-L and BLEU count shared words; a right answer in other words scores low.",
            "examples": [
                {
                    "prompt": f"What is movement {n}?",
                    "answer": f"{name} says {n}." if n or not is_first else HOSTILE,
                    "reference": f"It is {n}.",
                    "look_up": f"A museum's page on {n}",
                }
                for n in range(EXAMPLES)
            ],
        },
        "cost": {
            "sizes": {"weights": 32_634_859, "gguf": 14_512_331, "hf": 27_391_120},
            "load_seconds": {"median": 0.213 + more, "low": 0.198, "high": 0.242 + more},
            "peak_memory_bytes": 187_000_000 if is_first else 611_000_000,
            "first_token_seconds": {"median": 0.0093 + more, "low": 0.0088, "high": 0.0097 + more},
            "tokens_per_second": {
                "1": {"median": 611.3 - 8000 * more, "low": 588.2 - 8000 * more, "high": 624.9 - 8000 * more},
                "8": {"median": 1833.4 - 20000 * more, "low": 1790.6 - 20000 * more, "high": 1871.7 - 20000 * more},
            },
            "kwh_per_1000_tokens": 0.0000071 + more / 10000,
            "energy_source": "estimated",
            "training": {"flops": 3.586e13, "energy_source": "estimated"},
        },
        "tasks": [{"task": "arc_easy", "metric": "acc", "value": 0.263, "stderr": 0.009, "n": 2376}]
        if is_first
        else [],
        "missing": [] if is_first else [{"part": "tasks", "reason": "not asked for"}],
    }


def training_report(name: str) -> dict[str, Any]:
    report: dict[str, Any] = {
        "model": name,
        "base": None,
        "parameters": 6_843_840,
        "trainable_parameters": 6_843_840,
        "size_bytes": 74_538_310,
        "samples": 11_090,
        "tokens": 873_184,
        "epochs": 2.442,
        "steps": 437,
        "stopped_by": "steps",
        "train_seconds": 571.42,
        "tokens_per_second": 1528.1,
        "peak_memory_bytes": 1_718_489_088,
        "energy_kwh": 0.002191826792574629,
        "co2_kg": 0.0005207539358210136,
        "energy_source": "estimated",
        "device": "cpu (2 threads)",
        "dtype": "bf16",
        "val_bits_per_byte": 0.5352,
        "seed": 1,
        "config": {"optimizer": "muon", "learning_rate": 0.004},
    }
    if name == "model2":
        report |= {"base": "smollm2-135m", "method": "full", "tokens": 57_661, "train_seconds": 97.3, "steps": 123}
        report |= {"base_val_bits_per_byte": 1.0567, "val_bits_per_byte": 0.7791, "energy_kwh": 0.0009}
    return report


def data_card() -> dict[str, Any]:
    source = {"name": "art", "licences": ["MIT"], "samples": 6642, "share": 0.5583}
    return {
        "sha256": "a8ef" * 16,
        "sources": [source | {"splits": {"train": 6357, "new_wording": 201, "new_fact": 84}}],
    }


def statistics() -> dict[str, Any]:
    """Votes that prefer Model 2, as ``python -m feedback stats --json`` has them."""
    return {
        "n_votes": 412,
        "n_testers": 37,
        "n_testers_closed": 34,
        "counts": {"model1": 118, "model2": 201, "tie": 52, "both_bad": 41},
        "preference": {"estimate": 0.397, "se": 0.021, "df": 36, "ci_low": 0.354, "ci_high": 0.441, "p_value": 0.0001},
        "anytime": {"n_closed": 34, "e_value": 9.7, "p_value": 0.03, "ci_low": 0.331, "ci_high": 0.472},
        "position": {"left_estimate": 0.512, "ci_low": 0.463, "ci_high": 0.561, "p_value": 0.6},
        "length_controlled": {"logit": -0.3, "elo_gap": -58.4},
        "elo_gap": -72.6,
        "agreement": {"alpha": 0.214},
        "blinding": {"index": 0.131, "ci_low": -0.092, "ci_high": 0.354, "p_value": 0.2},
        "by_category": [{"category": "art", "n_votes": 233, "estimate": 0.377, "ci_low": 0.309, "ci_high": 0.446}],
    }


def write_all(folder: Path) -> Path:
    """Everything that a report can rest on, below ``folder``; returns the evaluation's path."""
    for name, below, weights in (
        ("model1", "art_ai_model", "art_ai_best.pt"),
        ("model2", "model2_pretrained", "final/model.safetensors"),
    ):
        home = folder / below
        (home / weights).parent.mkdir(parents=True)
        (home / weights).write_bytes(b"weights")
        (home / "training_report.json").write_text(json.dumps(training_report(name)))
        (home / "data_card.json").write_text(json.dumps(data_card()))
        shape = {
            "num_hidden_layers": 5,
            "hidden_size": 320,
            "num_attention_heads": 5,
            "vocab_size": 4096,
            "max_position_embeddings": 512,
        }
        config = home / ("hf" if name == "model1" else "final") / "config.json"
        config.parent.mkdir(exist_ok=True)
        config.write_text(json.dumps(shape))
        steps = zip(count(10, 10), (8.1, 5.2, 2.4, 0.9, 0.3))
        lines = [json.dumps({"step": step, "loss": loss}) for step, loss in steps]
        lines.append(json.dumps({"step": 50, "val_loss": 0.41, "val_bits_per_byte": 0.14}))
        (home / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    path = folder / "evaluation.json"
    path.write_text(json.dumps(evaluation(folder)))
    return path
