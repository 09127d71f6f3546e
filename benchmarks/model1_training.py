"""Model 1 against transformers' Llama on the same rows, size, vocabulary and time, alternating in one run.

    python benchmarks/model1_training.py --data FOLDER --seconds 240 --seeds 1

Both read the same tokenizer's ids of the same training rows and are scored on the same held-out rows, over everything,
in bits per byte. The baseline is `LlamaForCausalLM` with packed rows, AdamW and bf16 where the processor has it.
The report is printed as Markdown and, with `--out`, written to a file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor

from training.dataset import load_dataset
from training.device import choose_compute
from training.model import ModernTransformer
from training.optimizer import cosine_with_warmup
from training.packing import Batch, Documents, PackedBatches, all_batches, tokenise
from training.progress import Progress
from training.report import Metrics
from training.scoring import Score, score
from training.tokenizer import PAD
from training.train_art_ai_model import CHAT_FORM, Model1Options, prepare_tokenizer
from training.trainer import Trainer

SHAPE = Model1Options(
    vocab_size=4096, dim=256, n_layers=7, n_heads=4, n_kv_heads=2, ffn_dim=704, loss_on="everything", epochs=1e9,
    evaluations=1, label_smoothing=0.0, max_held_out=1500, row_length=256, batch_rows=8, micro_batch_rows=8,
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    way: str
    seed: int
    parameters: int
    seconds: float
    tokens: int
    score: Score

    def row(self) -> str:
        return (
            f"| {self.way} | {self.seed} | {self.parameters / 1e6:.2f}M | {self.seconds:.0f} "
            f"| {self.tokens / 1e6:.2f}M | "
            f"{self.tokens / self.seconds:,.0f} | {self.score.bits_per_byte:.3f} |"
        )


def ours(options: Model1Options, documents: Documents, held_out: Documents, folder: Path) -> Result:
    torch.manual_seed(options.seed)
    model = ModernTransformer(**options.model_config())
    with Progress() as progress:
        trainer = Trainer(
            model, documents, {"held out": held_out}, options, choose_compute(), PAD, progress,
            Metrics(folder / "metrics.jsonl"), on_best=lambda step, scores: None,
        )  # fmt: skip
        outcome = trainer.run()
    return Result(
        "Diptych", options.seed, model.n_parameters(), outcome.seconds, outcome.tokens, outcome.scores["held out"]
    )


def transformers_llama(
    options: Model1Options, documents: Documents, held_out: Documents, row_length: int, rows: int, rate: float
) -> Result:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(options.seed)
    compute = choose_compute()
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=options.vocab_size, hidden_size=options.dim, num_hidden_layers=options.n_layers,
            num_attention_heads=options.n_heads, num_key_value_heads=options.n_kv_heads,
            intermediate_size=options.ffn_dim, tie_word_embeddings=True,
        )
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    batches = PackedBatches(documents, row_length, rows, PAD, options.seed)

    def loss_sum(batch: Batch) -> Tensor:
        with compute.autocast():
            logits = model(batch.tokens).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), batch.labels.flatten(), reduction="sum")

    assert options.max_seconds is not None
    started, tokens, done = time.monotonic(), 0, 0.0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * cosine_with_warmup(done, warmup=0.03, floor=0.02)
        batch = next(batches)
        (loss_sum(batch) / batch.n_labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tokens += int((batch.documents >= 0).sum())
        done = (time.monotonic() - started) / options.max_seconds
    seconds = time.monotonic() - started
    model.eval()
    reached = score(loss_sum, all_batches(held_out, row_length, 16, PAD), int(held_out.answer_bytes.sum()))
    parameters = sum(p.numel() for p in model.parameters())
    return Result("transformers, AdamW", options.seed, parameters, seconds, tokens, reached)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--max-rows-per-source", type=int, default=6000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    options = replace(SHAPE, max_seconds=arguments.seconds, max_rows_per_source=arguments.max_rows_per_source)
    dataset = load_dataset(arguments.data, options.max_rows_per_source, options.max_held_out)
    lines = [
        f"{len(dataset.train):,} training rows, {len(dataset.validation):,} held out, {arguments.seconds:.0f} s each, "
        f"{choose_compute().name}",
        "",
        "| way | seed | parameters | seconds | tokens | tokens/s | bits per byte |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        tokenizer = prepare_tokenizer(dataset, options, Path(name) / "tokenizer.model")
        documents = tokenise(dataset.train, tokenizer.encode_batch, CHAT_FORM, "everything")
        held_out = tokenise(dataset.validation, tokenizer.encode_batch, CHAT_FORM, "everything")
        for seed in range(1, arguments.seeds + 1):
            seeded = replace(options, seed=seed)
            for result in (
                ours(seeded, documents, held_out, Path(name)),
                transformers_llama(seeded, documents, held_out, row_length=256, rows=8, rate=1e-3),
            ):
                lines.append(result.row())
                print(lines[-1], file=sys.stderr)
    report = "\n".join(lines) + "\n"
    print(report)
    if arguments.out:
        arguments.out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
