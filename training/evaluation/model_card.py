"""Model cards: `README.md` beside each checkpoint, in the form of the Hugging Face Hub.

Everything on a card is read from what lies beside the checkpoint (`training_report.json`, `data_card.json`) and, once
the model has been measured, from its entry of `evaluation.json`. What is in none of them is said to be missing.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from training.common.checkpoint_folder import FINAL, HF, HOME, REPORT, read_report
from training.common.files import ForeignFileError, replace_text
from training.corpus import embedded, hub
from training.corpus.card import markdown_table
from training.evaluation.cost import find_forms
from training.evaluation.preference import describe_votes
from training.evaluation.subjects import Unavailable
from training.models.known_bases import KNOWN
from training.reporting.everyday import everyday_co2, everyday_energy
from training.settings.common import in_new_names

CARD = "README.md"
PERMISSIVE = {"mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-3.0", "cc-by-4.0"}
"""Licences of data that ask for no more than to be named; with others the weights' licence is left to the reader."""
SHOWN_SETTINGS = (
    "method", "frozen", "max_samples", "loss_on", "seq_len", "batch_size", "optimizer", "learning_rate",
    "adamw_learning_rate", "weight_decay", "label_smoothing", "dropout", "seed",
)  # fmt: skip
USE = """\
## Intended use

- Teaching and research: what training from scratch and fine-tuning each give, measured on the same data.
- Blind tests of two models side by side, with people who know that they talk with small models.

Not for: advice that anybody relies on, facts that nobody checks, unattended talk with children, decisions."""
LOADING = """\
## How to load

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

path = "{path}"  # or the id under which you put it on the Hub
model, tokenizer = AutoModelForCausalLM.from_pretrained(path), AutoTokenizer.from_pretrained(path)
chat = [{{"role": "user", "content": "What is Impressionism?"}}]
inputs = tokenizer.apply_chat_template(
    chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
answer = model.generate(**inputs, max_new_tokens=160)
print(tokenizer.decode(answer[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
```

llama.cpp reads `model.gguf`, beside that folder: `llama-cli -m model.gguf`."""


@dataclass(frozen=True)
class Sources:
    """What a card is made from."""

    folder: Path  # the checkpoint's, where the reports are
    report: Mapping[str, Any]  # of the training
    data: Mapping[str, Any]  # the data card; empty where there is none
    measured: Mapping[str, Any] | None  # the model's entry of ``evaluation.json``; None before it has been evaluated

    @property
    def is_model1(self) -> bool:
        return bool(self.report["model"] == "model1")

    @property
    def title(self) -> str:
        if self.is_model1:
            return "Model 1: an art and AI-literacy chat model, trained from scratch"
        return f"Model 2: {self.base_name}, fine-tuned on art and AI literacy"

    @property
    def base_name(self) -> str:
        """The base as it may be told in public: a folder's name without the way there."""
        base = str(self.report["base"])
        return base if base in KNOWN or self.base_id else Path(base).name

    @property
    def base_id(self) -> str | None:
        """The base's id on the Hub; None for Model 1 and for a folder."""
        base = str(self.report.get("base") or "")
        is_id = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", base) and not Path(base).exists()
        return KNOWN[base].hub if base in KNOWN else base if is_id else None

    @property
    def form(self) -> str:
        """The folder in Hugging Face's form."""
        return HF if self.is_model1 else FINAL

    def licence(self) -> tuple[str, str]:
        """The weights' licence by its id on the Hub, and why."""
        own = "mit" if self.is_model1 else KNOWN[self.report["base"]].licence.lower() if self._is_known else None
        if own is None:
            return "other", f"The weights are those of {self.base_name}, changed: its licence holds for them."
        licences = {licence for source in self.data.get("sources", []) for licence in source["licences"]}
        strict = sorted(licence for licence in licences if licence.lower() not in PERMISSIVE)
        whose = "this project's" if self.is_model1 else f"that of the base, {self.base_name}"
        if strict:
            return "other", (
                f"The licence would be {whose} ({own}), but some of the data have conditions of their own "
                f"({', '.join(strict)}): read them before you pass the weights on."
            )
        data = f", and that of all data ({', '.join(sorted(licences))}) allows it" if licences else ""
        return own, f"The licence is {whose}{data}."

    @property
    def _is_known(self) -> bool:
        return self.report["base"] in KNOWN


def update_cards(evaluation: Mapping[str, Any]) -> list[Path]:
    """Write the cards of all models of an ``evaluation.json`` that were trained here; returns what was written.

    What was measured of a GGUF stands for that file alone, whose numbers are rounded, and not for the checkpoint.
    """
    written: list[Path] = []
    for entry in evaluation["models"].values():
        if entry["kind"] not in ("model1", "transformers"):
            continue
        try:
            folder = find_forms(entry["spec"]).folder
        except Unavailable:
            continue  # moved since
        if folder is not None:
            written += write_cards(folder, entry)
    return written


def write_cards(folder: Path, measured: Mapping[str, Any] | None = None) -> list[Path]:
    """Write ``README.md`` into a checkpoint's folder and its part in Hugging Face's form, each whole or not at all.

    A card that somebody has written or changed stays as it is.

    Args:
        folder: where ``training_report.json`` is; a folder without one gets no card.
        measured: the model's entry of ``evaluation.json``, if this very model has been evaluated.
    """
    report = read_report(folder)
    if report is None or not (folder / REPORT).is_file():
        return []
    sources = Sources(folder, report, _read_data_card(folder), measured)
    text = card(sources)
    paths = [folder / CARD, *([folder / sources.form / CARD] if (folder / sources.form).is_dir() else [])]
    written = []
    for path in paths:
        try:
            replace_text(path, text)
            written.append(path)
        except ForeignFileError as error:
            print(f"no card: {error}", file=sys.stderr)
    return written


def _read_data_card(folder: Path) -> dict[str, Any]:
    try:
        data = json.loads((folder / "data_card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def card(sources: Sources) -> str:
    """The whole card."""
    parts = (_about, _limits, _data, _training, _votes, _evaluation, _loading, _licence)
    body = [line for part in parts if (said := list(part(sources))) for line in (*said, "")]
    return f"---\n{front_matter(sources).to_yaml().strip()}\n---\n\n" + "\n".join(body).rstrip() + "\n"


def front_matter(sources: Sources) -> ModelCardData:
    """What the Hub reads: licence, base, data, tags and, where the model was measured, its results."""
    licence, _ = sources.licence()
    names = [source["name"] for source in sources.data.get("sources", [])]
    datasets = [hub.SOURCES[name].repository for name in names if name in hub.SOURCES]
    datasets += [f"diptych-{name}" for name in names if name in embedded.SOURCES]
    extra: dict[str, Any] = {}
    if licence == "other":
        extra = {"license_name": "see-the-card", "license_link": f"{CARD}#licence"}
    if sources.base_id:
        extra |= {"base_model": sources.base_id, "base_model_relation": "finetune"}
    results = list(eval_results(sources))
    return ModelCardData(
        license=licence,
        language="en",
        library_name="transformers",
        pipeline_tag="text-generation",
        datasets=datasets or None,
        tags=["art", "ai-literacy", "conversational", "from-scratch" if sources.is_model1 else "fine-tuned"],
        model_name=sources.title,
        eval_results=results or None,
        **extra,
    )


def eval_results(sources: Sources) -> Iterator[EvalResult]:
    """The measurements as the Hub's ``model-index``; what was not measured is left out."""

    def result(of: tuple[str, str, str | None], metric: str, value: Any, metric_name: str) -> Iterator[EvalResult]:
        """``of``: the data's type, name and config; the Hub keeps results apart by type and config, not by name."""
        kind, name, config = of
        if value is not None:
            yield EvalResult(
                "text-generation", kind, name, metric, round(float(value), 4), "Text generation",
                dataset_config=config, metric_name=metric_name,
            )  # fmt: skip

    measured = sources.measured or {}
    for part, scored in _held_out(measured):
        of = "held-out", f"Held-out samples, {part}", part
        yield from result(of, "bits_per_byte", _estimate(scored, "bits_per_byte"), "Bits per byte (lower is better)")
    for found in measured.get("knowledge") or []:
        kind, name = f"closed-book-{found['benchmark']}", f"Closed-book questions, {found['benchmark']}"
        for group in (found, *(found.get("groups") or [])):
            which = group.get("group")
            of_group = kind, f"{name}: {which}" if which else name, which
            yield from result(of_group, "accuracy", _estimate(group, "accuracy"), "Accuracy")
    for task in measured.get("tasks") or []:
        yield from result((task["task"], task["task"], None), task["metric"], task["value"], task["metric"])


def _held_out(measured: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    held_out = measured.get("held_out") or {}
    yield from ((part, held_out[part]) for part in ("answers", "everything") if held_out.get(part))


def _estimate(part: Mapping[str, Any], key: str) -> float | None:
    found = part.get(key)
    return found.get("estimate") if isinstance(found, Mapping) else found


def _interval(part: Mapping[str, Any], key: str, form: str) -> str:
    """An estimate with its interval, or a dash."""
    found = part.get(key)
    if not isinstance(found, Mapping) or found.get("estimate") is None:
        return "–"
    text = format(found["estimate"], form)
    if found.get("low") is None or found.get("high") is None:
        return text
    return f"{text} ({found['low']:{form}} to {found['high']:{form}})"


def _about(sources: Sources) -> Iterator[str]:
    report = sources.report
    yield from (f"# {sources.title}", "")
    kind = "A Llama-style transformer whose weights began as random numbers"
    if not sources.is_model1:
        at_hub = f"[{sources.base_id}](https://huggingface.co/{sources.base_id})"
        base = at_hub if sources.base_id else sources.base_name
        kind = f"A pretrained model, {base}, fine-tuned ({report.get('method', 'full')})"
    trained = report["trainable_parameters"]
    yield (
        f"{kind}; {report['parameters']:,} parameters, "
        f"{'all' if trained == report['parameters'] else f'{trained:,}'} of them trained on "
        f"{report['tokens']:,} tokens. It answers questions about art and about AI, in English, in chats of short "
        "turns. It is one of the two models of Diptych, where people talk with both at once, blind, and say which "
        "answer is better."
    )
    yield from ("", USE)


def _limits(sources: Sources) -> Iterator[str]:
    yield from ("## Limits", "")
    yield "- It makes facts up, fluently. A wrong name, year or place reads exactly like a right one."
    if sources.is_model1:
        yield "- It knows nothing but what its data say (below), and little that is worded otherwise than there."
    else:
        known = KNOWN.get(str(sources.report["base"]))
        texts = f"{known.trained_on} before (https://huggingface.co/{known.hub})" if known else "other texts before"
        yield f"- It keeps what its base learned, mistakes and prejudices included: its makers trained it on {texts}."
        if known and known.in_wheel:
            yield f"- Its training began with the base's weights in {known.stored} (4 bits), not with the original."
    yield "- English only. No training against harmful answers, beyond what a base may have had."
    if limit := (sources.report.get("config") or {}).get("max_seq_len"):
        yield f"- It reads at most {limit} tokens of a conversation."


def _data(sources: Sources) -> Iterator[str]:
    yield from ("## Data", "")
    if not sources.data:
        yield "Missing: there is no readable `data_card.json` beside the checkpoint."
        return
    data = sources.data
    shares = (
        (
            source["name"] + (f" ({source['repository']})" if source["repository"] else ""),
            ", ".join(source["licences"]) or "–",
            ", ".join(source["areas"]),
            f"{source['samples']:,}",
            f"{sum(source['removed'].values()):,}",
            f"{source['share']:.1%}",
        )
        for source in data["sources"]
    )
    yield from markdown_table(
        ("source", "licence", "areas", "samples", "removed by cleaning", "share of training"), shares
    )
    splits = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in data["splits"].items())
    yield from ("", f"{data['samples']:,} samples in all: {splits}. SHA-256 of all samples: `{data['sha256']}`.")
    if sources.report["samples"] < data["splits"].get("train", 0):
        yield f"Trained on {sources.report['samples']:,} of them, one of each fact before a second of any."
    if any(source["name"] in embedded.SOURCES for source in data["sources"]):
        yield "The sources art, ai-literacy and conversation are part of Diptych and were written for it."


def _training(sources: Sources) -> Iterator[str]:
    report = sources.report
    config = in_new_names(report.get("config") or {})
    yield from ("## Training", "")
    yield (
        f"{report['steps']:,} optimizer steps, {report['epochs']:g} epochs, " if "steps" in report else ""
    ) + f"{report['train_seconds']:,.0f} s on {report['device']} in {report['dtype']}, {report['tokens']:,} tokens."
    yield ""
    rows = [(f"`{key}`", f"{config[key]}") for key in SHOWN_SETTINGS if config.get(key) is not None]
    yield from markdown_table(("setting", "value"), rows)
    yield from ("", "All settings are in `training_report.json`.", "")
    if report.get("energy_kwh") is None:
        yield "Energy: missing; it was not recorded."
        return
    terms = "; ".join(f"{term.text} ({term.conversion})" for term in everyday_energy(report["energy_kwh"]))
    yield f"Energy, {report['energy_source']}: {report['energy_kwh']:.2g} kWh. As much as {terms}."
    if report.get("co2_kg") is not None:
        mix = f" with the electricity of {config['country']}" if config.get("country") else ""
        terms = "; ".join(f"{term.text} ({term.conversion})" for term in everyday_co2(report["co2_kg"]))
        yield f"CO2{mix}: {report['co2_kg']:.2g} kg. As much as {terms}."
    if not sources.is_model1:
        yield "This is the fine-tuning alone: what the base took before is not in these figures."


def _votes(sources: Sources) -> Iterator[str]:
    yield from describe_votes(sources.report.get("improvement"))


def _evaluation(sources: Sources) -> Iterator[str]:
    report = sources.report
    yield from ("## Evaluation", "")
    if report.get("val_bits_per_byte") is not None:
        held_out = sum(part["samples"] for part in (report.get("val") or {}).values())
        yield (
            f"At the end of the training: {report['val_bits_per_byte']:.3f} bits per byte on the answers of "
            f"{held_out:,} held-out samples (lower is better)."
        )
        yield ""
    if sources.measured is None:
        yield "Not evaluated yet: `python -m training.evaluate` measures the model and writes the results here."
        return
    rows = list(_results(sources.measured))
    yield from markdown_table(("what", "on", "result (and interval)", "by chance"), rows)
    cost = sources.measured.get("cost") or {}
    for entry in (*(sources.measured.get("missing") or []), *(cost.get("missing") or [])):
        yield f"- Missing: {entry['part']}"  # the reason, in evaluation.json, may name folders of this machine
    yield ""
    yield "Bits per byte can be compared between models, perplexities of different tokenizers cannot."


def _results(measured: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for part, scored in _held_out(measured):
        samples = f"{scored['samples']:,} held-out samples, {part}"
        yield "bits per byte", samples, _interval(scored, "bits_per_byte", ".3f"), ""
    for found in measured.get("knowledge") or []:
        for group in (found, *(found.get("groups") or [])):
            name = found["benchmark"] + (f": {group['group']}" if "group" in group else "")
            chance = format(group["chance"], ".1%") if group.get("chance") is not None else ""
            yield "accuracy, closed book", f"{name} (n = {group['n']:,})", _interval(group, "accuracy", ".1%"), chance
    cost = measured.get("cost") or {}
    for at_once, speed in (cost.get("tokens_per_second") or {}).items():
        if speed:
            threads = cost["threads"]
            where = f"{at_once} at once, {cost['engine']}, threads: {threads[at_once]}" if threads else ""
            spread = f"{speed['median']:.1f} ({speed['low']:.1f} to {speed['high']:.1f})"
            yield "tokens a second (median)", where, spread, ""
    for task in measured.get("tasks") or []:
        value = "–" if task["value"] is None else f"{task['value']:.4g}"
        yield task["metric"], f"{task['task']} (lm-evaluation-harness)", value, ""


def _loading(sources: Sources) -> Iterator[str]:
    folder = sources.folder.resolve()
    place = folder.relative_to(HOME) if folder.is_relative_to(HOME) else Path(folder.name)
    yield LOADING.format(path=(place / sources.form).as_posix())


def _licence(sources: Sources) -> Iterator[str]:
    licence, why = sources.licence()
    yield from ("## Licence", "", f"`{licence}`. {why}")
