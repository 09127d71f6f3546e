"""The report of `full_size.py` in Markdown, from its stages alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from training.loop.plan import DEVICES, GPU_CONTEXT, GPU_MFU, Plan, duration
from training.loop.plans import plan
from training.settings.model1 import PROFILES

Rows = Mapping[str, Any]

NETWORKS = {"10 Gbit/s": 1.25e9, "1 Gbit/s": 0.125e9}
"""Bytes a second between two machines."""
CARDS = ("rtx-3090-ti", "h100")


def report(found: Mapping[str, Rows], settings: str) -> str:
    """All stages; ``settings`` in words."""
    parts = [_head(found, settings), _stages(found), memory(found), kill(found), answers(found), _vote(found)]
    return "\n\n".join([*parts, foretold(found["prepare"]["tokens"])]) + "\n"


def _head(found: Mapping[str, Rows], settings: str) -> str:
    told, plan_ = found["train"]["report"], found["plan"]
    return (
        "# The whole path at full size\n\n"
        f"`benchmarks/full_size.py`, {date.today():%Y-%m-%d}, on {plan_['device']} in {plan_['dtype'][6:]}: "
        f"{told['parameters'] / 1e6:.1f}M parameters, {told['steps']} optimizer steps of the profile `seed`. "
        f"It differs from the profile in `{settings}`. These steps show that the path is whole and what it needs; the "
        "model has read next to nothing, and its answers are worth nothing."
    )


def _stages(found: Mapping[str, Rows]) -> str:
    lines = [
        "## Stages",
        "",
        "| stage | what | seconds | of processors | peak memory | on the disk |",
        "|---" * 6 + "|",
    ]
    for name, what in (
        ("fetch", _of_fetch), ("prepare", _of_prepare), ("train", _of_train), ("evaluate", _of_evaluate),
        ("export", _of_export), ("answers", _of_answers), ("opponent", _of_opponent), ("vote", _of_vote),
    ):  # fmt: skip
        row = found[name]
        disk = ", ".join(f"{key} {_size(size)}" for key, size in row.get("disk", {}).items())
        peak = max(row["peak_bytes"], row.get("app_bytes", 0))
        lines.append(
            f"| {name} | {what(row)} | {row['seconds']:,.0f} | {row['processor_seconds']:,.0f} "
            f"| {_size(peak)} | {disk or '–'} |"
        )
    lines += ["", "Peak memory is that of a stage's processes together, what they map from files included."]
    return "\n".join(lines)


def _of_fetch(row: Rows) -> str:
    return f"{row['sources']} sources of public repositories"


def _of_prepare(row: Rows) -> str:
    parts = ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in row["parts"].items())
    return f"{row['samples']:,} samples, {row['tokens']:,} training tokens ({parts})"


def _of_train(row: Rows) -> str:
    return (
        f"{row['report']['steps']} steps of {row['report']['tokens'] // row['report']['steps']:,} tokens in two lives"
    )


def _of_evaluate(row: Rows) -> str:
    answers = row["held_out"]["answers"]
    bits = answers["bits_per_byte"]["estimate"]
    return (
        f"{bits:.2f} bits per byte of the answers of {answers['samples']} held-out samples of "
        f"{' '.join(row['data'])}; items with four answers"
    )


def _of_export(row: Rows) -> str:
    same = "the same file" if row["as_the_training_wrote_it"] else "another file than the training's"
    return f"`training.export --to gguf`, which writes both forms: {same}"


def _of_answers(row: Rows) -> str:
    return f"{len(row['answers'])} prompts in transformers and llama.cpp"


def _of_opponent(row: Rows) -> str:
    return f"{row['base']}'s shape, {row['parameters'] / 1e6:,.0f}M random weights, to GGUF q8_0"


def _of_vote(row: Rows) -> str:
    parts = ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in row["parts"].items())
    return f"both models in the app, one vote in a browser ({parts})"


def memory(found: Mapping[str, Rows]) -> str:
    planned, measured = found["plan"]["total"], found["train"]["peak_bytes"]
    parts = [f"| {part} | {size / 1e9:.2f} GB |" for part, size in found["plan"]["memory"].items()]
    said = f"The plan foretold {planned / 1e9:.2f} GB and the training held {measured / 1e9:.2f} GB at most"
    return "\n".join(
        [
            "## Memory against the plan",
            "",
            f"{said}: {planned / measured:.2f} times as much.",
            "",
            "| part of the plan | |",
            "|---|---|",
            *parts,
        ]
    )


def kill(found: Mapping[str, Rows]) -> str:
    row = found["train"]
    first, second = ({int(step): loss for step, loss in life.items()} for life in row["losses"])
    twice = sorted(step for step in first.keys() & second.keys() if step > row["saved_at"])
    lines = [
        "## Killed and resumed",
        "",
        f"A state was saved after step {row['saved_at']}, SIGKILL came after step {row['killed_after']}, and "
        "`--resume` went on from the state. Steps that were computed twice had these losses:",
        "",
        "| step | before the kill | after it |",
        "|---|---|---|",
        *(f"| {step} | {first[step]:.6f} | {second[step]:.6f} |" for step in twice),
    ]
    return "\n".join(lines)


def answers(found: Mapping[str, Rows]) -> str:
    rows = found["answers"]["answers"]
    same = [row["transformers"] == row["llama.cpp"] for row in rows]
    tokens = sum(len(row["llama.cpp"]) for row in rows)
    lines = [
        "## The same model in transformers and llama.cpp",
        "",
        f"Greedy tokens of `hf/` and `model.gguf` for {len(rows)} prompts, {tokens} tokens: {sum(same)} of {len(rows)} "
        f"answers are equal token for token; {sum(row['same_prompt'] for row in rows)} prompts are read as the same "
        "tokens.",
        "",
        *(f"- {row['question']} → {row['text']!r}" for row in rows),
    ]
    return "\n".join(lines)


def _vote(found: Mapping[str, Rows]) -> str:
    row = found["vote"]
    (vote,) = row["votes"]
    opponent = found["opponent"]
    return (
        "## The blind test\n\n"
        f"A tester in a real browser asked “{vote['prompt']}”, read both answers and voted {vote['choice']}; the "
        f"database names {vote['winner_model']} as the winner. The app held {_size(row['app_bytes'])} with Model 1 and "
        f"{opponent['parameters'] / 1e6:,.0f}M parameters in {_size(opponent['disk']['GGUF'])} of GGUF."
    )


# -- other devices ---------------------------------------------------------------------------------------------------


def foretold(tokens: int) -> str:
    """What the profile `seed`, as it is, would take elsewhere on so many training tokens."""
    card, hall = (plan(PROFILES["seed"], tokens, device) for device in CARDS)
    lines = ["## What the profile would take elsewhere", "", "By the plan; nothing here was run on a GPU.", ""]
    lines += ["| where | steps | memory | seconds a step | in all |", "|---|---|---|---|---|"]
    lines += [_line(found.device.name, found, found.seconds / found.steps) for found in (card, hall)]
    for network, speed in NETWORKS.items():
        step = card.seconds / card.steps / 2 + _exchange(card) / speed
        lines.append(_line(f"two {card.device.name}, {network} between them", card, step))
    return "\n".join([*lines, "", *assumptions(card, tokens)])


def _line(name: str, found: Plan, step: float) -> str:
    return f"| {name} | {found.steps:,} | {found.total / 1e9:.1f} GB | {step:.2f} | {duration(step * found.steps)} |"


def _exchange(found: Plan, machines: int = 2) -> float:
    """Bytes that each machine sends a step: a ring's sum of fp32 gradients."""
    return 2 * (machines - 1) / machines * 4 * found.trainable


def assumptions(found: Plan, tokens: int) -> Iterator[str]:
    options = found.options
    rates = ", ".join(f"{device.name} {device.flops / 1e12:.0f}" for device in map(DEVICES.get, CARDS) if device)
    yield (
        f"- Data: {tokens:,} training tokens, {options.epochs:g} epochs. {options.patience} evaluations without gain "
        "would end it sooner."
    )
    yield (
        f"- Work: {found.flops_per_token / 1e9:.2f} billion operations a token, counted on the step itself. Muon's own "
        "products, evaluations, preparation and exports are not in the time."
    )
    yield (
        f"- Speed: {GPU_MFU:.0%} of the rates that the maker names ({rates} TFLOP/s, bf16, dense). That share is what "
        "trainers of this size report; it was never measured here."
    )
    yield (
        f"- Memory: {options.micro_batch_size} rows of {options.seq_len} tokens at a time; attention's dropout is part "
        f"of its kernel and holds no scores; {GPU_CONTEXT / 1e9:.1f} GB for CUDA."
    )
    yield (
        f"- Two machines: `torchrun` with `parallel=ddp`, {options.batch_size // 2} rows each. Each sends "
        f"{_exchange(found) / 1e9:.2f} GB of gradients a step at the network's full rate, after the backward pass "
        "(PyTorch sends during it, so this is the worst). Muon's step is computed on both."
    )


def _size(size: float) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
