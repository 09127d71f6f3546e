"""What a run leaves behind besides its weights: measurements by step, curves, energy, and the report of the run."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from training.compute import Compute
    from training.dataset import TokenisedDataset
    from training.outcome import Outcome
    from training.scoring import Score

REPORT_KEYS = [
    "model",
    "base",
    "parameters",
    "trainable_parameters",
    "size_bytes",
    "samples",
    "tokens",
    "epochs",
    "train_seconds",
    "tokens_per_second",
    "peak_memory_bytes",
    "energy_kwh",
    "co2_kg",
    "energy_source",
    "device",
    "dtype",
    "val_loss",
    "val_perplexity",
    "val_bits_per_byte",
    "seed",
    "config",
]
"""What ``training_report.json`` always has; more may stand beside."""

# Where codecarbon reads a meter; otherwise it multiplies the processor's load with a table's figure.
METERED = ("intel_rapl", "intel_power_gadget", "powermetrics", "apple")


def replace_text(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


@contextlib.contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``folder`` when the block ends well; else the old one stays."""
    folder = Path(folder)
    partial, old = folder.with_name(folder.name + ".partial"), folder.with_name(folder.name + ".old")
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


class Metrics:
    """``metrics.jsonl``: one JSON object a line, appended as the run goes; ``listener`` gets each row too."""

    def __init__(
        self, path: Path, keep_until_step: int | None = None, listener: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.listener = path, listener
        kept = [] if keep_until_step is None else [row for row in read_metrics(path) if row["step"] <= keep_until_step]
        replace_text(path, "".join(json.dumps(row) + "\n" for row in kept))

    def write(self, **row: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self.listener is not None:
            self.listener(row)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Rows of ``metrics.jsonl``; a last line cut short by a crash is left out."""
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                rows.append(json.loads(line))
    return rows


@dataclass(frozen=True)
class EnergyUse:
    """Energy in kWh with its CO2 in kg, and whether a meter told it; None where nothing could tell.

    A sum is known where both parts are, and measured where both parts are; a part of no energy has no ``source``.
    """

    kwh: float | None = None
    co2_kg: float | None = None
    source: Literal["measured", "estimated"] | None = None

    def __add__(self, other: EnergyUse) -> EnergyUse:
        if self.kwh is None or self.co2_kg is None or other.kwh is None or other.co2_kg is None:
            return EnergyUse()
        estimated = "estimated" in (self.source, other.source)
        source = "estimated" if estimated else self.source or other.source
        return EnergyUse(self.kwh + other.kwh, self.co2_kg + other.co2_kg, source)


NO_ENERGY = EnergyUse(0.0, 0.0)


class Energy:
    """Energy of a run from codecarbon, offline; ``earlier`` is that of its parts before it was stopped and went on."""

    def __init__(self) -> None:
        self.earlier = NO_ENERGY
        self._tracker: Any = None
        self._now = EnergyUse()

    def so_far(self) -> EnergyUse:
        """Of the whole run up to now, or to the end of the measurement."""
        if self._tracker is not None:
            with _without_output():
                self._tracker.flush()
            self._read()
        return self.earlier + self._now

    @contextlib.contextmanager
    def measure(self, country: str) -> Iterator[None]:
        """Track the process while the block runs; ``country`` is an ISO 3166 code of three letters.

        Where the machine has no meter the figures are codecarbon's estimate from load and processor type, and
        ``source`` says so. A failure of codecarbon leaves the figures ``None`` and never stops a training.
        """
        try:
            from codecarbon import OfflineEmissionsTracker

            logging.getLogger("codecarbon").setLevel(logging.ERROR)
            with _without_output():
                self._tracker = OfflineEmissionsTracker(
                    country_iso_code=country,
                    save_to_file=False,
                    log_level="error",
                    tracking_mode="process",
                    allow_multiple_runs=True,
                    measure_power_secs=5,
                )
                self._tracker.start()
        except Exception as error:  # any fault of a meter is a missing figure, not a lost training
            self._tracker = None
            print(f"energy is not recorded: {error}", file=sys.stderr)
        try:
            yield
        finally:
            if self._tracker is not None:
                with _without_output():
                    self._tracker.stop()
                self._read()
                self._tracker = None

    def _read(self) -> None:
        tracker = self._tracker
        modes = [str(getattr(part, "_mode", "")) for part in tracker._hardware]
        metered = tracker._total_gpu_energy.kWh > 0 or any(mode in METERED for mode in modes)
        self._now = EnergyUse(
            tracker._total_energy.kWh, tracker._total_emissions, "measured" if metered else "estimated"
        )


@contextlib.contextmanager
def _without_output() -> Iterator[None]:
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere):
        yield


def peak_memory_bytes() -> int:
    """The most memory that this process has held: on the GPU if PyTorch uses one, else resident."""
    torch = sys.modules.get("torch")  # where nobody has imported it, it holds nothing on a GPU
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.is_file():  # Linux counts in ru_maxrss what the process that started this one held until then
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def run_report(
    outcome: Outcome, scores: Mapping[str, Score], dataset: TokenisedDataset, compute: Compute, energy: EnergyUse
) -> dict[str, Any]:
    """What a run reached: the part of the report that is the same for every model. ``scores`` are the best ones."""
    from training.scoring import Score

    val = sum(scores.values(), Score(0.0, 0, 0))
    return {
        "samples": len(dataset.train),
        "tokens": outcome.tokens,
        "epochs": round(outcome.epochs, 3),
        "steps": outcome.steps,
        "stopped_by": outcome.stopped,
        "ended_by": outcome.stopped,
        "planned_steps": outcome.planned_steps,
        "plan_share": min(1.0, outcome.steps / outcome.planned_steps),
        "train_seconds": round(outcome.seconds, 2),
        "tokens_per_second": round(outcome.tokens_per_second, 1),
        "peak_memory_bytes": peak_memory_bytes(),
        "energy_kwh": energy.kwh,
        "co2_kg": energy.co2_kg,
        "energy_source": energy.source,
        "device": compute.name,
        "dtype": compute.dtype_name,
        "val_loss": val.loss if val.tokens else None,
        "val_perplexity": val.perplexity if val.tokens else None,
        "val_bits_per_byte": val.bits_per_byte if val.tokens else None,
        "val": {
            kind: {"samples": len(dataset.held_out[kind]), "loss": score.loss, "bits_per_byte": score.bits_per_byte}
            for kind, score in scores.items()
        },
    }


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """``training_report.json``; a key of ``REPORT_KEYS`` that is missing is a mistake of ours."""
    missing = [key for key in REPORT_KEYS if key not in report]
    assert not missing, f"training_report.json lacks {missing}"
    replace_text(folder / "training_report.json", json.dumps(report, indent=2) + "\n")


def draw_curves(folder: Path, title: str) -> None:
    """``training_curves.png`` from ``metrics.jsonl``: training and validation loss, and the learning rate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = read_metrics(folder / "metrics.jsonl")
    figure, (losses, rates) = pyplot.subplots(
        2, 1, figsize=(8, 6), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    for key, label in (("loss", "training"), ("val_loss", "validation, without smoothing")):
        points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
        if points:
            losses.plot(*zip(*points, strict=True), label=label, marker="o" if key == "val_loss" else None)
    losses.set(title=title, ylabel="loss (nats a token)")
    losses.grid(alpha=0.3)
    losses.legend()
    points = [(row["step"], row["learning_rate"]) for row in rows if row.get("learning_rate") is not None]
    if points:
        rates.plot(*zip(*points, strict=True), color="tab:green")
    rates.set(xlabel="optimizer step", ylabel="learning rate")
    rates.grid(alpha=0.3)
    figure.savefig(folder / "training_curves.partial.png", dpi=120)
    pyplot.close(figure)
    os.replace(folder / "training_curves.partial.png", folder / "training_curves.png")


def draw_rates(path: Path, rates: Sequence[float], losses: Sequence[float], suggested: float) -> None:
    """The picture of a sweep over learning rates."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    axes.plot(rates, losses)
    axes.axvline(suggested, color="tab:green", label=f"suggested: {suggested:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="smoothed loss (nats a token)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path.with_suffix(".partial.png"), dpi=120)
    pyplot.close(figure)
    os.replace(path.with_suffix(".partial.png"), path)
