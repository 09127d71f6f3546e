"""Learning from votes: Diptych's DPO beside TRL's DPOTrainer, as it comes and with its settings for speed.

    python benchmarks/improve_speed.py --out docs/benchmarks-improve.md

All three train the same matrices (LoRA) beside the same SmolLM2-135M on the same pairs in the same order, with the same
rate. Each measurement is a process of its own, the ways take turns, and the first steps, in which kernels are made, do
not count. Speed is told by CPU time, which other programs hardly change, and beside it by the clock. Then one thread of
each trains 20 small steps in fp32, to see that the losses are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.outputs import Results, own_file, write
from training.common.progress import Progress
from training.corpus import load
from training.data.preference_file import Preferences
from training.data.preferences import prepare_preferences
from training.hardware.compute import choose_compute
from training.hardware.threads import _busy_and_idle

WAYS = {
    "ours": "Diptych",
    "trl": "TRL's DPOTrainer as it comes",
    "fast": "the same without checkpointed activations, reference read once",
}
WARM_UP = 2
LOSSES, SMALL = 20, 2
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
"""As in `processors.py`."""
VOTES, LEARNED, EPOCHS = 800, 0.72, 2.0
"""Of a whole run: votes for a side, the share that is not held back, and epochs, as in the settings' defaults."""


def pairs(n: int) -> Preferences:
    """Questions of the embedded corpus; the right answer is preferred to that of another question."""
    chats = [sample.messages for sample in load(("core",)) if len(sample.messages) == 2 and sample.question]
    records = [
        {
            "id": f"v{k}", "prompt_id": f"q{k}", "outcome": "win", "on_policy": True, "weight": 1.0, "tester": "t",
            "prompt": [{"role": "user", "content": chat[0].content}], "chosen": chat[1].content,
            "rejected": other[1].content, "split": "train",
        }
        for k, (chat, other) in enumerate(zip(chats[: 7 * n : 7], chats[3 : 7 * n + 3 : 7], strict=True))
    ]  # fmt: skip
    return Preferences({"study": "", "n_votes": n, "n_pairs": n}, records)


def measure(way: str, steps: int, batch: int, dtype: str, threads: int | None) -> dict[str, Any]:
    """One training, in this process: useful tokens, CPU seconds and seconds after the first steps, all losses."""
    from transformers import TrainerCallback

    from training.loop import preference
    from training.models.bases import load_base
    from training.settings.improve import ImproveOptions

    if threads:
        torch.set_num_threads(threads)
    compute, base = choose_compute(dtype), load_base("smollm2-135m", Progress())
    options = ImproveOptions(batch_size=batch, micro_batch_size=batch, max_steps=steps, learning_rate=1e-4)
    data = prepare_preferences(pairs(max(64, steps * batch)), "dpo", base.encode_batch, base.chat_form())
    folder = Path(tempfile.mkdtemp())
    ours = preference.build_trainer(base, data, options, compute, folder / "ours")
    trainer: Any = ours
    if way == "ours":
        numbers = [d for e in range(len(data.train)) for d in data.train.documents[e]]
        started = time.process_time()
        found = preference.likelihoods_of(ours, numbers)
        reference_seconds = time.process_time() - started
        ours.reference = torch.zeros(len(data.documents)).index_copy(0, torch.tensor(numbers), torch.from_numpy(found))
    else:
        started = time.process_time()
        trainer = _theirs(way, data, options, compute, folder, ours)
        reference_seconds = time.process_time() - started if way == "fast" else 0.0
    clock: dict[int, tuple[float, float]] = {}
    losses: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            clock[state.global_step] = (time.process_time(), time.monotonic())

    inner = trainer.compute_loss

    def noted(*arguments: Any, **more: Any) -> Any:
        loss = inner(*arguments, **more)
        losses.append(float(loss.detach()))
        return loss

    trainer.compute_loss = noted
    trainer.add_callback(Clock())
    trainer.train()
    lengths = data.documents.lengths[data.train.documents].sum(axis=1)
    tokens = float(lengths.mean()) * batch * (steps - WARM_UP)
    (cpu, wall), (cpu_end, wall_end) = clock[min(WARM_UP, steps - 1)], clock[steps]
    return {
        "tokens": tokens, "cpu": cpu_end - cpu, "wall": wall_end - wall, "losses": losses,
        "reference_cpu": reference_seconds, "tokens_read": int(data.documents.lengths.sum()),
    }  # fmt: skip


def _theirs(way: str, data: Any, options: Any, compute: Any, folder: Path, ours: Any) -> Any:
    """TRL's own trainer over the same pairs, in the order in which ours has them."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import DPOConfig, DPOTrainer

    from training.models.bases import load_base

    class Silent(DPOTrainer):
        def _send_telemetry(self) -> None:
            """Nothing is sent anywhere."""

    rows = [
        {
            "prompt": record["prompt"],
            "chosen": [{"role": "assistant", "content": record["chosen"]}],
            "rejected": [{"role": "assistant", "content": record["rejected"]}],
        }
        for record in data.train.records
    ]
    args = ours.args
    fast = {"gradient_checkpointing": False, "precompute_ref_log_probs": True} if way == "fast" else {}
    base = load_base("smollm2-135m", Progress())
    trainer = Silent(
        model=base.model,
        args=DPOConfig(
            output_dir=str(folder / "theirs"), per_device_train_batch_size=options.batch_size, max_steps=args.max_steps,
            learning_rate=args.learning_rate, lr_scheduler_type=args.lr_scheduler_type, warmup_steps=args.warmup_steps,
            seed=args.seed, report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True, beta=options.beta,
            bf16=compute.dtype_name == "bf16", **fast,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=ours.model.peft_config["default"],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer


def child(job: dict[str, Any]) -> dict[str, Any]:
    """One measurement in a process of its own, and how many cores others kept busy meanwhile."""
    environment = os.environ | (AVX2 if job["without"] else {})
    before, started = _busy_and_idle(), time.monotonic()
    names = ("way", "steps", "batch", "dtype", "threads")
    command = [sys.executable, __file__, "--job", json.dumps([job[name] for name in names])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    busy = (_busy_and_idle()[0] - before[0]) / (time.monotonic() - started)
    if done.returncode:
        sys.exit((done.stderr.strip().splitlines() or ["failed"])[-1])
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found | {"busy_cores": busy}


def jobs_of(arguments: argparse.Namespace, dtype: str) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """What is measured, by all that tells one measurement from another: speeds, losses, and speed with AVX2 alone."""
    threads = arguments.threads or torch.get_num_threads()
    common = {"steps": arguments.steps, "batch": arguments.batch, "threads": threads, "without": None}
    speeds = [
        common | {"way": way, "dtype": dtype, "round": number}
        for number in range(1, arguments.rounds + 1)
        for way in WAYS
    ]
    small = {"steps": LOSSES, "batch": SMALL, "dtype": "fp32", "threads": 1, "without": None}
    losses = [small | {"way": way, "round": 1} for way in ("ours", "trl")]
    return speeds, losses, common | {"way": "ours", "dtype": "fp32", "without": "all but AVX2", "round": 1}


def report(rows: list[dict[str, Any]], same: dict[str, list[float]], old: dict[str, Any]) -> str:
    """The table, and how far each target is."""
    of = {way: [row for row in rows if row["way"] == way] for way in WAYS}

    def speed(row: dict[str, Any], clock: str) -> float:
        return float(row["tokens"] / row[clock])

    first = rows[0]
    text = [
        "# Benchmarks of learning from votes",
        "",
        f"Written by `benchmarks/improve_speed.py`. DPO with LoRA on SmolLM2-135M, {first['batch']} pairs a step, "
        f"{first['dtype']}, {first['steps'] - WARM_UP} steps each after {WARM_UP} that do not count, "
        f"{platform.machine()}, {first['threads']} of {os.cpu_count()} cores, PyTorch {torch.__version__}. A useful "
        "token is one of a pair, not padding. Every measurement is a process of its own, the ways take turns. CPU time "
        "is that of all threads; by the clock other programs count too, which with the training itself kept "
        f"{statistics.mean(row['busy_cores'] for row in rows):.1f} cores busy.",
        "",
        "| way | useful tokens a CPU second | useful tokens a second, by the clock | times TRL's (CPU; clock) |",
        "|---|---|---|---|",
    ]
    base = {clock: statistics.mean(speed(row, clock) for row in of["trl"]) for clock in ("cpu", "wall")}
    for way, found in of.items():
        cpu, wall = ([speed(row, clock) for row in found] for clock in ("cpu", "wall"))
        if found:
            text.append(
                f"| {WAYS[way]} | {_spread(cpu)} | {_spread(wall)} | {statistics.mean(cpu) / base['cpu']:.2f}; "
                f"{statistics.mean(wall) / base['wall']:.2f} |"
            )
    ratio = statistics.mean(speed(row, "cpu") for row in of["ours"]) / base["cpu"]
    text += [
        "",
        f"- Useful tokens a CPU second, at least 1.5 times TRL's: {ratio:.2f}: {'met' if ratio >= 1.5 else 'missed'}",
    ]
    read = statistics.mean(row["reference_cpu"] / row["tokens_read"] for row in of["ours"])
    text.append(
        f"- The reference's likelihoods are read once, {1 / read:,.0f} tokens a CPU second, and kept in the cache; "
        "this is not in the figures of the steps, as it is in those of TRL's trainer as it comes."
    )
    text.append(_whole_run(statistics.mean(speed(row, "cpu") for row in of["ours"]), 1 / read, first))
    text.append(
        f"- Kept from all instructions but AVX2 ({old['dtype']}): {speed(old, 'cpu'):,.0f} useful tokens a CPU second."
    )
    text.append(_whole_run(speed(old, "cpu"), old["tokens_read"] / old["reference_cpu"], old))
    if same:
        most = max(abs(a - b) for a, b in zip(same["ours"], same["trl"], strict=True))
        text.append(
            f"- Loss over the first {LOSSES} steps in fp32, {SMALL} pairs each, at most 0.001 apart: {most:.1e} "
            f"(from {same['ours'][0]:.4f} to {same['ours'][-1]:.4f}): {'met' if most <= 1e-3 else 'missed'}"
        )
    return "\n".join(text)


def _whole_run(learned: float, read: float, row: dict[str, Any]) -> str:
    """What the steps and the reference of a whole run would take at these speeds."""
    pair = row["tokens"] / row["batch"] / (row["steps"] - WARM_UP)
    seconds = VOTES * pair * (LEARNED * EPOCHS / learned + 1 / read)
    return (
        f"- By these speeds {VOTES} votes of {pair:.0f} tokens each, {LEARNED:.0%} of them learned in {EPOCHS:g} "
        f"epochs and all read once, take {seconds / 60:.1f} minutes of one core: an estimate, without loading, guards "
        "and exports."
    )


def _spread(values: list[float]) -> str:
    return f"{statistics.mean(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="how often each way is measured (default: 2)")
    parser.add_argument("--steps", type=int, default=6, help="steps of a measurement, with the first (default: 6)")
    parser.add_argument("--threads", type=int, help="threads of each (default: as PyTorch chooses)")
    parser.add_argument("--batch", type=int, default=16, help="pairs of a step (default: 16)")
    parser.add_argument("--dtype", default="auto", help="number format: auto, bf16 or fp32")
    parser.add_argument("--results", type=own_file, default=Path("checkpoints/improve-speed.jsonl"), metavar="FILE")
    parser.add_argument("--out", type=own_file, metavar="FILE", help="write the report there")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        print(json.dumps(measure(*json.loads(arguments.job))))
        return
    results = Results(arguments.results)

    def measured(job: dict[str, Any]) -> dict[str, Any]:
        return results.get(job, lambda: child(job))

    speeds, losses, old = jobs_of(arguments, choose_compute(arguments.dtype).dtype_name)
    rows = list(map(measured, speeds))
    same = {row["way"]: row["losses"] for row in map(measured, losses)}
    text = report(rows, same, measured(old))
    write(arguments.out, text)
    print(text)


if __name__ == "__main__":
    main()
