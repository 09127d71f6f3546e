"""A model learns from votes: checks, training, held-out pairs, guards, and what is left behind."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.common.checkpoint_folder import FILES, FINAL, FOLDERS, METRICS, PT, REPORT, TRAINED_ON, report_in
from training.common.cli import contained
from training.common.files import foreign, new_file, refusal, replace_text, unlink, workspace
from training.common.options import OptionsError
from training.common.progress import Progress
from training.common.score import Score
from training.data.preference_file import Preferences
from training.data.preferences import PreferenceData, answer_bytes, prepare_preferences, vote_of
from training.evaluation.measurements import DEFAULT_DATA, Measurements, Settings
from training.evaluation.model_card import write_cards
from training.evaluation.preference import compare, lengths
from training.hardware.compute import Compute, choose_compute
from training.hardware.energy import Energy, EnergyUse
from training.loop.outcome import spent
from training.loop.plan import Plan
from training.loop.plans import base_problems, plan_base
from training.loop.resume import Start, TrainingStates
from training.reporting.report import Metrics, write_report
from training.runs.command import write_beside
from training.runs.own_data import again, own_data
from training.runs.versions import Opened, Parent, open_parent
from training.settings.improve import ImproveOptions
from training.settings.model2 import Model2Options

REFUSED = "refused"


@dataclass(frozen=True)
class Request:
    """What is asked for: which checkpoint learns from which preferences, and where the result goes."""

    parent: Parent
    preferences: Preferences
    options: ImproveOptions
    out: Path

    @property
    def data(self) -> tuple[str, ...]:
        """The sources that the guards are measured on: those that the parent was trained on."""
        return tuple((self.parent.report.get("config") or {}).get("data") or DEFAULT_DATA)

    @property
    def config(self) -> dict[str, Any]:
        """What makes two runs the same, to be compared on resume."""
        header = self.preferences.header
        about = {"data": list(self.data), "parent": self.parent.sha256, "votes_hash": header["votes_hash"]}
        return asdict(self.options) | about

    @property
    def max_tokens(self) -> int:
        """Of a conversation; no more than the model reads."""
        return min(self.options.max_tokens, self.parent.context or self.options.max_tokens)

    @property
    def planned(self) -> Model2Options:
        """The same run as a fine-tuning with LoRA, whose memory and time are planned already."""
        options = self.options
        rows = max(1, int(2 * options.micro_batch_size * 96 / (1 - options.replay)) // options.seq_len)
        return Model2Options(
            base=str(self.parent.hf), method="lora", lora_rank=options.lora_rank,
            seq_len=min(options.seq_len, self.parent.context or options.seq_len),
            batch_size=rows * options.batch_size // options.micro_batch_size, micro_batch_size=rows,
            dtype=options.dtype, evaluations=1, save_steps=options.save_steps,
        )  # fmt: skip


def check(request: Request, start: Start) -> TrainingStates:
    """Everything that can be wrong before any work. Raises OptionsError: every problem at once."""
    options, header, out = request.options, request.preferences.header, request.out
    states = TrainingStates(out, request.config, options.keep_checkpoints)
    problems = options.problems() + states.problems(start)
    if names := foreign(out, FILES, FOLDERS):
        problems.append(refusal(out, names))
    if report_in(out) and not states.steps():
        problems.append(f"{out} holds a version already, and versions are never replaced; name another --out")
    if out.resolve() == (request.parent.folder or Path("/")).resolve():
        problems.append(f"--out {out} is the checkpoint that learns; name another folder")
    problems += hash_problems(request.parent, header, options)
    if not problems and request.parent.hf is not None:
        problems += base_problems(request.planned, out)
    if problems:
        raise OptionsError(problems)
    return states


def hash_problems(parent: Parent, header: Mapping[str, Any], options: ImproveOptions) -> list[str]:
    """Whether the votes were given on these very weights."""
    voted = (header["model_hashes"] or {}).get(options.model)
    if options.other_weights or parent.known_as(voted):
        return []
    anyway = "or learn from them all the same with --set other_weights=true"
    if voted is None:
        return [f"the votes do not say which weights {options.model} had (a server, or votes.csv); use --db, {anyway}"]
    have = ", ".join(sorted({found[:12] for found in parent.hashes.values()}))
    return [
        f"the votes are on weights {voted[:12]} of {options.model}, and {parent.spec} has {have}; name the checkpoint "
        f"of the votes with --checkpoint, {anyway}"
    ]


def warnings(header: Mapping[str, Any]) -> list[str]:
    """What does not stand against the run and should be known."""
    found = []
    if header["running"]:
        found.append(
            "the study still runs: learning from its votes is a look at its results, so of its intervals only the "
            "anytime one keeps its promise; end it first where another was planned"
        )
    if header["n_testers"] == 1:
        found.append("all votes are of one tester: the model learns this taste, and nothing is claimed of others")
    if not header.get("consent_training"):
        found.append(
            "nothing says that testers agreed to a model being trained on their votes; a study whose text says so has "
            "consent.training = true from its first vote on"
        )
    return found


def plan_run(request: Request, tokens: int, examples: int) -> str:
    """What the run would need, as text."""
    options = request.options
    steps = options.steps(examples)
    lines = [f"examples     {examples:,} of {tokens:,} tokens, {steps:,} steps of {options.batch_size}"]
    if request.parent.hf is None:
        return "\n".join([*lines, "memory and time are not known without the checkpoint in Hugging Face's form (hf/)"])
    found: Plan = plan_base(request.planned, tokens, None)
    passes = 1 + steps * options.batch_size / max(1, examples) / (1 - options.replay)
    seconds = tokens * passes * found.flops_per_token / (found.device.flops * found.mfu)
    described = [line for line in found.describe().splitlines() if line.split()[0] not in ("tokens", "steps", "time")]
    return "\n".join(
        [*lines, *described[:-1], f"time         about {seconds:.0f} s, guards not included", described[-1]]
    )


def improve(request: Request, start: Start, progress: Progress) -> dict[str, Any]:
    """Train, measure, and write the version, or what was refused; returns the report."""
    # TRL, peft and datasets take four seconds to load, for which neither --help nor a refusal waits.
    from training.loop.preference import build_trainer, likelihoods_of, reference_likelihoods, run_trainer

    options, out, parent = request.options, request.out, request.parent
    states = check(request, start)
    state = states.newest() if start == "resume" else None
    if start == "restart":
        states.remove()
    for warning in warnings(request.preferences.header):
        progress.say(f"note: {warning}")
    guard = _Guard(request)  # data that are gone are reported before the training
    out.mkdir(parents=True, exist_ok=True)
    compute = choose_compute(options.dtype)
    if compute.needs_scaler:  # a GPU without bf16: TRL's loop has no scaler of ours
        compute = choose_compute("fp32")
    progress.stage("download", f"loading {parent.spec}")
    torch.manual_seed(options.seed)
    opened = open_parent(parent, options, progress)
    data = prepare_preferences(
        request.preferences, options.method, opened.encode_batch, opened.form,
        ties=options.ties, max_tokens=request.max_tokens, seed=options.seed,
    )  # fmt: skip
    replay = own_data(parent, request.preferences, opened, data, options, request.max_tokens, progress)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        trainer = build_trainer(opened.base, data, options, compute, Path(scratch))
        trainer.replay = replay
        trainer.reference = reference_likelihoods(trainer, parent.sha256, progress)
        trainable = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        progress.stage("train", _announced(data, options, trainable, compute))
        metrics = Metrics(out / METRICS, state["step"] if state else None)
        energy = Energy()
        with energy.measure(options.country):
            done = run_trainer(trainer, progress, metrics, states, state)
        used = energy.so_far()
    progress.stage("evaluate", "reading the held-out pairs with the improved model")
    held = data.held_out.documents.reshape(-1, 2)
    after = likelihoods_of(trainer, held.flatten(), progress).reshape(-1, 2)
    before = trainer.reference.numpy()[held]
    sizes = data.documents.answer_bytes[held].astype(float)
    found = compare(before, after, sizes, [record["tester"] for record in data.held_out.records])
    steps = trainer.state.global_step
    opened.base.model.float()
    trainer.model.merge_and_unload()
    del trainer
    guards, refused = guard.measure(opened, steps, progress)
    improvement = _improvement(request, data, found, guards, refused)
    improvement["replay"] = again(replay, done.tokens)
    report = _report(request, opened, data, improvement, guard.result, compute, used) | {
        "trainable_parameters": trainable,
        "steps": steps,
        "epochs": round(steps * options.batch_size / max(1, len(data.train)), 3),
        "tokens": done.tokens,
        "train_seconds": round(done.seconds, 2),
        "tokens_per_second": round(done.tokens / max(done.seconds, 1e-9), 1),
    }
    return _write(request, opened, report, steps, states, progress)


def _announced(data: PreferenceData, options: ImproveOptions, trainable: int, compute: Compute) -> str:
    left = "".join(f"; {n} {reason} left out" for reason, n in data.left_out.items())
    return (
        f"{options.method} on {len(data.train)} {'answers' if options.method == 'kto' else 'pairs'}, "
        f"{len(data.held_out)} pairs held back, {trainable:,} parameters beside those of the layers, {compute.name}, "
        f"{compute.dtype_name} ({compute.reason}){left}"
    )


class _Guard:
    """Held-out bits per byte and closed-book accuracy of a parent and of what became of it, on the same items."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.settings = Settings(
            data=None if request.parent.report else request.data,
            parts=("held-out", "knowledge"),
            limit=request.options.guard_samples,
            true_false=False,
        )
        Measurements([("before", str(request.parent.weights))], self.settings, {})
        self.result: dict[str, Any] = {}

    def measure(self, opened: Opened, steps: int, progress: Progress) -> tuple[dict[str, Any], list[str]]:
        """The part ``guards`` of the report, and why the result is refused."""
        request, options = self.request, self.request.options
        progress.stage("evaluate", "measuring what was known before, on held-out text and closed-book questions")
        with workspace(request.out, "candidate") as folder:
            candidate = opened.save(folder, steps)
            if request.parent.report:
                replace_text(folder / REPORT, json.dumps(request.parent.report))
            specs = [("before", str(request.parent.weights)), ("after", str(candidate))]
            models = Measurements(specs, self.settings, {}).run()["models"]
        self.result = models["after"]
        bits = [
            _estimate((models[name]["held_out"] or {}).get("answers"), "bits_per_byte") for name in ("before", "after")
        ]
        right = [_estimate(next(iter(models[name]["knowledge"]), None), "accuracy") for name in ("before", "after")]
        guards: dict[str, Any] = {"bits_per_byte": None, "closed_book": None}
        refused = []
        if bits[0] is not None and bits[1] is not None:
            limit = bits[0] * (1 + options.max_bits_rise)
            guards["bits_per_byte"] = {"before": bits[0], "after": bits[1], "limit": limit}
            if not bits[1] <= limit:
                refused.append(
                    f"held-out text takes {bits[1]:.3f} bits per byte, {bits[0]:.3f} before; at most {limit:.3f} may be"
                )
        if right[0] is not None and right[1] is not None:
            least = right[0] - options.max_accuracy_fall
            items = models["after"]["knowledge"][0]["n"]
            guards["closed_book"] = {"before": right[0], "after": right[1], "limit": least, "n": items}
            if not right[1] >= least:
                refused.append(
                    f"{right[1]:.1%} of {items} closed-book questions are right, {right[0]:.1%} before; at least "
                    f"{max(0, least):.1%} is asked"
                )
        guards["missing"] = [entry["reason"] for entry in models["after"]["missing"]]
        return guards, refused


def _estimate(part: Mapping[str, Any] | None, key: str) -> float | None:
    found = (part or {}).get(key)
    return None if found is None else float(found["estimate"])


def _improvement(
    request: Request, data: PreferenceData, held_out: dict[str, Any], guards: dict[str, Any], refused: list[str]
) -> dict[str, Any]:
    header, parent, options = request.preferences.header, request.parent, request.options
    records = request.preferences.records
    wins = [record for record in records if record["outcome"] == "win"]
    train = [record for record in wins if record["split"] == "train"]
    sizes = [[answer_bytes(record[side]) for side in ("chosen", "rejected")] for record in train]
    voted = (header["model_hashes"] or {}).get(options.model)
    return {
        "method": options.method,
        "settings": asdict(options),
        "parent": {
            "path": str(parent.folder or parent.spec),
            "hash": parent.sha256,
            "sha256": parent.known_as(voted),
            "hashes": parent.hashes,
        },
        "study": header["study"],
        "study_hash": header["study_hash"],
        "votes_hash": header["votes_hash"],
        "pairs": {
            "votes": header["n_votes"],
            "testers": header["n_testers"],
            "pairs": len(wins),
            "on_policy": sum(bool(record["on_policy"]) for record in wins) if not options.other_weights else 0,
            "learned": len(data.train),
            "learned_votes": len({vote_of(record) for record in data.train.records}),
            "held_out": len(data.held_out),
            "left_out": dict(header.get("left_out") or {}) | dict(data.left_out),
        },
        "questions": sorted({record["prompt_id"] for record in data.train.records}),
        "held_out": held_out,
        "guards": guards,
        "length": lengths(np.array(sizes, float).reshape(-1, 2)),
        "accepted": not refused,
        "refused_because": refused,
    }


def _report(
    request: Request, opened: Opened, data: PreferenceData, improvement: dict[str, Any], measured: Mapping[str, Any],
    compute: Compute, energy: EnergyUse,
) -> dict[str, Any]:  # fmt: skip
    """The report without the figures of the run; what its family has of its own stays."""
    parent, options = request.parent, request.options
    answers = (measured.get("held_out") or {}).get("answers") or {}
    val: dict[str, Any] = {}
    kinds = [*(parent.report.get("val") or ()), "new_wording"]  # the first one is what a model is judged by
    for part in sorted(answers.get("by_split", []), key=lambda part: (*kinds, part["split"]).index(part["split"])):
        bits = part["bits_per_byte"]["estimate"]
        loss = Score.of_bits(bits, part["tokens"], part["bytes"]).loss
        val[part["split"]] = {"samples": part["samples"], "loss": loss, "bits_per_byte": bits}
    bits = _estimate(answers, "bits_per_byte")
    whole = None if bits is None else Score.of_bits(bits, answers["tokens"], answers["bytes"])
    kept = {key: parent.report[key] for key in ("base", "method") if key in parent.report}
    base = None if parent.is_model1 else parent.spec
    return {"base": base} | kept | {
        "model": parent.kind,
        "parameters": opened.base.model.num_parameters(),
        "samples": len(data.train),
        **spent(compute, energy),
        "val_loss": whole and whole.loss,
        "val_perplexity": whole and whole.perplexity,
        "val_bits_per_byte": bits,
        "val": val,
        "stopped_by": "steps",
        "ended_by": "steps",
        "seed": options.seed,
        "config": dict(parent.report.get("config") or {"data": list(request.data)}),
        "improvement": improvement,
    }  # fmt: skip


def _write(
    request: Request, opened: Opened, report: dict[str, Any], steps: int, states: TrainingStates, progress: Progress
) -> dict[str, Any]:
    """The weights in all their forms with everything beside them: in ``out``, or in its folder ``refused``."""
    accepted = report["improvement"]["accepted"]
    out = request.out if accepted else request.out / REFUSED
    progress.stage("export", f"writing {out}")
    out.mkdir(parents=True, exist_ok=True)
    if not accepted:
        replace_text(out / METRICS, (request.out / METRICS).read_text(encoding="utf-8"))
        unlink(request.out / METRICS)
    weights = opened.save(out, steps)
    size = weights.stat().st_size if weights.is_file() else sum(f.stat().st_size for f in weights.glob("*.safetensors"))
    title = f"{request.parent.kind.replace('model', 'Model ')}, learning from votes ({request.options.method})"
    written = {(PT if request.parent.is_model1 else FINAL): weights.name}
    report |= {"size_bytes": size, "written": written | write_beside(out, opened.exports(out), title)}
    write_report(out, report)
    for name in ("data_card.json", TRAINED_ON):
        if request.parent.folder and (request.parent.folder / name).is_file():
            contained(f"{name} is not copied", _copy, request.parent.folder / name, out / name)
    contained("README.md is not written", write_cards, out)
    states.remove()
    return report


def _copy(source: Path, target: Path) -> None:
    with new_file(target) as partial:
        shutil.copyfile(source, partial)
