"""A checkpoint of Model 1 as a training leaves it, in a second: all forms, a report and a data card, random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from training.corpus import load
from training.corpus.card import DataCard
from training.models.checkpoint import save_checkpoint
from training.models.gguf_format import export_gguf
from training.models.hf_format import export_hf
from training.models.tokenizer import train_tokenizer
from training.models.transformer import ModernTransformer
from training.reporting.report import write_report
from training.settings.model1 import Model1Options

OPTIONS = Model1Options(
    vocab_size=600, dim=64, n_layers=2, n_heads=2, n_kv_heads=1, ffn_dim=96, max_seq_len=256, seq_len=64
)


def report_of(options: Model1Options, parameters: int) -> dict[str, Any]:
    """As a training of a second on four documents would have written it."""
    return {
        "model": "model1", "base": None, "parameters": parameters, "trainable_parameters": parameters,
        "size_bytes": 1, "samples": 4, "tokens": 1000, "epochs": 1.0, "steps": 3, "train_seconds": 1.0,
        "tokens_per_second": 1000.0, "peak_memory_bytes": 10**8, "energy_kwh": 0.002, "co2_kg": 0.0004,
        "energy_source": "estimated", "device": "cpu (1 threads)", "dtype": "fp32", "val_loss": 6.0,
        "val_perplexity": 403.4, "val_bits_per_byte": 3.0, "val": {"new_wording": {"samples": 7}}, "seed": 1,
        "flops": 6000 * parameters, "flops_per_token": 6 * parameters, "flops_formula": "6 for each parameter",
        "config": {**vars(options), "data": ["core"]},
    }  # fmt: skip


def save_tiny_checkpoint(folder: Path) -> Path:
    """Write it and return ``folder``."""
    folder.mkdir(parents=True)
    samples = load(("art",))[::60]
    tokenizer = train_tokenizer(
        (message.content for sample in samples for message in sample.messages),
        OPTIONS.vocab_size,
        folder / "tokenizer.model",
    )
    torch.manual_seed(0)
    model = ModernTransformer(**OPTIONS.model_config()).eval()
    save_checkpoint(model.config, model.state_dict(), tokenizer, OPTIONS, 1, folder / "art_ai_best.pt")
    export_hf(model, tokenizer, folder / "hf")
    export_gguf(folder / "hf", folder / "model.gguf")
    write_report(folder, report_of(OPTIONS, model.n_parameters()))
    card = DataCard(("core",))
    for sample in samples:
        card.add(sample, "train")
    card.write(folder)
    return folder


def change_report(folder: Path, **changes: Any) -> None:
    """Write the report again with other values; None removes a key."""
    path = folder / "training_report.json"
    report = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in report.items() if value is not None}))
