"""One way of training Model 1's shape, in a process of its own: what `model1_training.py` starts and compares.

    python benchmarks/model1_ways.py JOB.json

JOB.json names the way, the shape, the rows and how long; the last line of the output is the result, as JSON. Every way
reads the same packed rows from the same stream, which notes when each batch is asked for: the time between two requests
is a step. Whatever was trained is scored by the same code, after its weights were laid into a `ModernTransformer`.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.data.documents import Documents
from training.data.packing import Batch, PackedBatches, all_batches
from training.hardware.memory import peak_memory_bytes
from training.loop.outcome import score
from training.models.transformer import ModernTransformer

PAD = 3  # training.models.tokenizer.PAD, whose module needs sentencepiece, which an environment for litgpt may lack
WARM_UP = 2
"""Steps that do not count: the first allocate, compile and fill caches."""


@dataclass(frozen=True)
class Job:
    """What a child process does; ``shape`` holds the keyword arguments of ``ModernTransformer``."""

    way: str
    shape: dict[str, Any]
    rows: str
    seq_len: int
    batch_size: int
    seed: int = 1
    steps: int | None = None
    seconds: float | None = None
    learning_rate: float = 1e-3
    options: dict[str, Any] = field(default_factory=dict)


class Finished(Exception):
    """Raised by the stream of batches in a loop that has no other end at a time."""


class StampedBatches(PackedBatches):
    """The stream of packed rows, with the moments at which they were asked for and how many real tokens they held."""

    def __init__(self, documents: Documents, job: Job, *, longer_by: int = 0, ends: bool = False) -> None:
        super().__init__(documents, job.seq_len + longer_by, job.batch_size, PAD, job.seed)
        self.job, self.ends = job, ends
        self.stamps: list[float] = []
        self.useful: list[int] = []

    def __next__(self) -> Batch:
        self.stamps.append(time.perf_counter())
        if self.ends and self.done >= 1:
            raise Finished
        batch = super().__next__()
        self.useful.append(int((batch.documents >= 0).sum()))
        return batch

    @property
    def done(self) -> float:
        """Share of the run that is over. Its clock starts after the first steps, so that no way pays for compiling."""
        if len(self.stamps) <= WARM_UP:
            return 0.0
        if self.job.steps is not None:
            return (len(self.stamps) - 1) / (WARM_UP + self.job.steps)
        assert self.job.seconds is not None
        return (time.perf_counter() - self.stamps[WARM_UP]) / self.job.seconds

    def multiplier(self, *_: Any) -> float:
        """Cosine after a short warm-up, over steps or seconds, as in ``training.loop.course.cosine_with_warmup``."""
        done, warm_up, floor = self.done, 0.03, 0.02
        if done < warm_up:
            return max(done / warm_up, 0.01)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warm_up) / (1 - warm_up))))


def bf16_pays() -> bool:
    """Whether the peers run in bf16: each in the format that is the faster on this machine."""
    from training.hardware.compute import choose_compute

    return choose_compute().dtype == torch.bfloat16


def ours(job: Job, documents: Documents) -> tuple[nn.Module, StampedBatches]:
    """This repository's loop with its own settings, as `train_art_ai_model` runs it."""
    from training.common.progress import Progress
    from training.hardware.compute import choose_compute
    from training.loop.trainer import Trainer
    from training.reporting.report import Metrics
    from training.settings.model1 import Model1Options

    shape = {key: value for key, value in job.shape.items() if key != "max_seq_len"}
    options = Model1Options(
        **shape, max_seq_len=job.seq_len, loss_on="everything", label_smoothing=0.0, evaluations=1, epochs=1e9,
        seq_len=job.seq_len, batch_size=job.batch_size, micro_batch_size=job.batch_size, seed=job.seed,
        max_steps=None if job.steps is None else job.steps + WARM_UP, max_seconds=job.seconds, compile="false",
    )  # fmt: skip
    options = replace(options, **job.options)
    job = replace(job, batch_size=options.batch_size, seq_len=options.seq_len)
    torch.manual_seed(job.seed)
    model = ModernTransformer(**options.model_config())
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        trainer = Trainer(
            model, documents, {}, options, choose_compute(), PAD, progress, Metrics(Path(folder) / "metrics.jsonl"),
            on_best=lambda step, scores: None,
        )  # fmt: skip
        batches = StampedBatches(documents, job)
        trainer.batches = batches
        trainer.run()
    batches.stamps.append(time.perf_counter())
    return model, batches


def hugging_face(job: Job, documents: Documents) -> tuple[nn.Module, StampedBatches]:
    """transformers' Llama with its Trainer: packed rows, SDPA, fused AdamW, bf16 where it is the faster."""
    from torch.optim.lr_scheduler import LambdaLR
    from torch.utils.data import DataLoader, IterableDataset
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

    shape = job.shape
    torch.manual_seed(job.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape["vocab_size"], hidden_size=shape["dim"], num_hidden_layers=shape["n_layers"],
            num_attention_heads=shape["n_heads"], num_key_value_heads=shape["n_kv_heads"],
            intermediate_size=shape["ffn_dim"], tie_word_embeddings=shape["tie_embeddings"], rms_norm_eps=1e-5,
            max_position_embeddings=job.seq_len, use_cache=False,
            attn_implementation=job.options.get("attention", "sdpa"),
        )
    )  # fmt: skip
    batches = StampedBatches(documents, job, ends=True)

    class Rows(IterableDataset):
        def __iter__(self) -> Iterator[dict[str, Tensor]]:
            for batch in batches:
                yield {"input_ids": batch.tokens, "labels": batch.tokens.masked_fill(batch.documents < 0, -100)}

    class Packed(Trainer):
        def get_train_dataloader(self) -> DataLoader:
            return DataLoader(Rows(), batch_size=None)

    class End(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = batches.done >= 1

    groups = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=job.learning_rate, betas=(0.9, 0.95), fused=True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, bf16=bf16_pays(), use_cpu=True, max_steps=10**9, per_device_train_batch_size=job.batch_size,
            max_grad_norm=1.0, logging_strategy="no", save_strategy="no", report_to=[], disable_tqdm=True,
            torch_compile=job.options.get("compile", False),
        )  # fmt: skip
        trainer = Packed(
            model, arguments, train_dataset=Rows(), callbacks=[End()],
            optimizers=(optimizer, LambdaLR(optimizer, batches.multiplier)),
        )  # fmt: skip
        with _until_finished():
            trainer.train()
    return model, batches


def litgpt(job: Job, documents: Documents) -> tuple[nn.Module, StampedBatches]:
    """litgpt's own `pretrain.main`: bf16-mixed where bf16 is the faster, torch.compile, AdamW, packed rows.

    Two things are put in its place: the course of the learning rate, which litgpt knows over steps only, and `fit`, to
    keep the weights.
    """
    import lightning
    from litgpt import pretrain
    from litgpt.args import EvalArgs, TrainArgs
    from litgpt.config import Config
    from litgpt.data import DataModule
    from torch.utils.data import DataLoader, IterableDataset

    shape = job.shape
    config = Config(
        name="llama", block_size=job.seq_len, n_layer=shape["n_layers"], n_embd=shape["dim"],
        n_head=shape["n_heads"], n_query_groups=shape["n_kv_heads"], vocab_size=shape["vocab_size"],
        padded_vocab_size=shape["vocab_size"], intermediate_size=shape["ffn_dim"], rotary_percentage=1.0,
        parallel_residual=False, bias=False, norm_class_name="RMSNorm", mlp_class_name="LLaMAMLP", norm_eps=1e-5,
    )  # fmt: skip
    batches = StampedBatches(documents, job, longer_by=1, ends=True)
    one = next(PackedBatches(documents, job.seq_len + 1, job.batch_size, PAD, 0)).tokens

    class Rows(IterableDataset):
        def __iter__(self) -> Iterator[Tensor]:
            return (batch.tokens for batch in batches)

    class Packed(DataModule):
        def connect(self, *_: Any, **__: Any) -> None:
            """Nothing depends on the tokenizer."""

        def train_dataloader(self) -> DataLoader:
            return DataLoader(Rows(), batch_size=None)

        def val_dataloader(self) -> DataLoader:
            return DataLoader([one], batch_size=None)

    kept: dict[str, Any] = {}
    fit = pretrain.fit

    def keep_and_fit(**arguments: Any) -> None:
        kept.update(arguments["state"])
        fit(**arguments)

    pretrain.fit = keep_and_fit
    pretrain.get_lr = lambda peak, *_: peak * batches.multiplier()
    fabric = lightning.Fabric(devices=1, accelerator="cpu", precision="bf16-mixed" if bf16_pays() else "32-true")
    settings = {"lr": job.learning_rate, "betas": (0.9, 0.95), "weight_decay": 0.1, "fused": True}
    with tempfile.TemporaryDirectory() as folder, _until_finished():
        pretrain.main(
            fabric=fabric, devices=1, seed=job.seed, initial_checkpoint_dir=None, resume=False, config=config,
            data=Packed(), out_dir=Path(folder), tokenizer_dir=None, tokenizer=None,
            train=TrainArgs(
                save_interval=None, log_interval=10**6, global_batch_size=job.batch_size, lr_warmup_steps=0,
                micro_batch_size=job.batch_size, max_tokens=10**12, max_norm=1.0, max_seq_length=job.seq_len,
                tie_embeddings=shape["tie_embeddings"],
            ),
            eval=EvalArgs(interval=10**9, max_iters=1, final_validation=False),
            optimizer={"class_path": "torch.optim.AdamW", "init_args": settings},
        )  # fmt: skip
    module = kept["model"]
    while hasattr(module, "_forward_module") or hasattr(module, "_orig_mod"):
        module = module._forward_module if hasattr(module, "_forward_module") else module._orig_mod
    return module, batches


def coursework(job: Job, documents: Documents) -> tuple[nn.Module, StampedBatches]:
    """A plain loop in fp32: one sample a row, padded to 512, the loss over everything, padding included."""
    torch.manual_seed(job.seed)
    model = ModernTransformer(**(job.shape | {"max_seq_len": job.seq_len}))
    optimizer = torch.optim.AdamW(model.parameters(), lr=job.learning_rate)
    batches = StampedBatches(documents, job, ends=True)
    order = np.random.default_rng(job.seed).permutation(len(documents))
    batches._rows = [[(int(d), 0, min(int(documents.lengths[d]), job.seq_len))] for d in order]
    with _until_finished():
        for batch in batches:
            logits = model(batch.tokens[:, :-1])
            F.cross_entropy(logits.flatten(0, 1), batch.tokens[:, 1:].flatten()).backward()
            optimizer.step()
            optimizer.zero_grad()
    return model, batches


WAYS: dict[str, Callable[[Job, Documents], tuple[nn.Module, StampedBatches]]] = {
    "ours": ours,
    "trainer": hugging_face,
    "litgpt": litgpt,
    "coursework": coursework,
}


class _until_finished:
    """Ends a foreign loop at the end of the stream: ``Finished`` is what it was to come to."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, Finished)


def as_model1(model: nn.Module, job: Job) -> ModernTransformer:
    """The same Llama as a ``ModernTransformer``, whoever trained it."""
    if isinstance(model, ModernTransformer):
        return model
    same = ModernTransformer(**(job.shape | {"max_seq_len": job.seq_len}))
    theirs = model.state_dict()
    if job.way == "trainer":
        from training.models.hf_format import llama_state_dict

        for name, tensor in llama_state_dict(same).items():
            tensor.copy_(theirs[name])
        return same
    parts = {
        "attention_norm": "norm_1", "attention.wo": "attn.proj", "ffn_norm": "norm_2",
        "feed_forward.w_gate": "mlp.fc_1", "feed_forward.w_up": "mlp.fc_2", "feed_forward.w_down": "mlp.proj",
    }  # fmt: skip
    head = job.shape["dim"] // job.shape["n_heads"]
    sizes = [head * job.shape["n_heads"]] + 2 * [head * job.shape["n_kv_heads"]]
    weights = {
        "tok_embeddings.weight": theirs["transformer.wte.weight"],
        "norm.weight": theirs["transformer.ln_f.weight"],
        "output.weight": theirs["lm_head.weight"],
    }
    for i in range(job.shape["n_layers"]):
        for mine, their in parts.items():
            weights[f"layers.{i}.{mine}.weight"] = theirs[f"transformer.h.{i}.{their}.weight"]
        split = theirs[f"transformer.h.{i}.attn.qkv.weight"].split(sizes)
        for mine, tensor in zip(("wq", "wk", "wv"), split, strict=True):
            weights[f"layers.{i}.attention.{mine}.weight"] = tensor
    same.load_state_dict(weights)
    return same


def bits_per_byte(model: ModernTransformer, held_out: Documents, seq_len: int) -> dict[str, float]:
    """Held-out bits per byte in fp32 products: each document alone, and rows in which a token sees what is before."""
    model.eval()

    def alone(batch: Batch) -> Tensor:
        return model.loss(batch.tokens, batch.labels, batch.documents)

    def in_rows(batch: Batch) -> Tensor:
        return model.loss(batch.tokens, batch.labels)

    n_bytes = int(held_out.answer_bytes.sum())
    return {
        name: score(loss, all_batches(held_out, seq_len, 16, PAD), n_bytes).bits_per_byte
        for name, loss in (("alone", alone), ("in_rows", in_rows))
    }


def read_rows(path: Path) -> tuple[Documents, Documents]:
    """Training and held-out documents of an `.npz` file that `write_rows` wrote."""
    arrays = np.load(path)
    names = ("tokens", "learned", "offsets", "answer_bytes")
    train, held_out = (Documents(*(arrays[f"{part}_{name}"] for name in names)) for part in ("train", "held_out"))
    return train, held_out


def write_rows(path: Path, train: Documents, held_out: Documents) -> None:
    parts = {"train": train, "held_out": held_out}
    np.savez(path, **{f"{part}_{key}": value for part, d in parts.items() for key, value in asdict(d).items()})


def muon_seconds(model: nn.Module) -> float:
    """Seconds of Muon's step over the model's hidden matrices: the same whatever the tokens of a step."""
    from training.loop.optimizer import BatchedMuon

    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and name.startswith("layers")]
    for matrix in matrices:
        matrix.grad = torch.randn_like(matrix)
    optimizer = BatchedMuon(matrices, lr=0.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    started = time.perf_counter()
    optimizer.step()
    return time.perf_counter() - started


def run(job: Job) -> dict[str, Any]:
    """Train; steps, tokens and memory, and with a time limit also the score."""
    documents, held_out = read_rows(Path(job.rows))
    model, batches = WAYS[job.way](job, documents)
    rows, seq_len = batches.batch_size, batches.seq_len
    peak = peak_memory_bytes()
    steps = np.diff(batches.stamps)[WARM_UP:]
    useful = batches.useful[WARM_UP : WARM_UP + len(steps)]
    if not useful:
        raise SystemExit(f"no step was timed: the first {WARM_UP} do not count, and then the time was over; give more")
    result: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "peak_bytes": peak,
        "step_seconds": [round(float(s), 4) for s in steps[:200]],
        "seconds": float(sum(steps)),
        "useful_tokens": int(sum(useful)),
        "places": len(steps) * rows * seq_len,
        "warm_up_seconds": batches.stamps[WARM_UP] - batches.stamps[0],
        "useful_per_second": statistics.mean(useful) / statistics.median(steps),
    }
    if job.way == "ours" and job.options.get("optimizer") == "adamw":
        result["muon_seconds"] = muon_seconds(model)
    if job.seconds is not None:
        result["bits_per_byte"] = bits_per_byte(as_model1(model, job), held_out, job.seq_len)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("job", type=Path, metavar="JOB.json")
    print(json.dumps(run(Job(**json.loads(parser.parse_args().job.read_text(encoding="utf-8"))))))
