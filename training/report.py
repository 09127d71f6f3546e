"""What a run leaves behind besides its weights: measurements by step, curves, energy, and the report of the run."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from training.written import new_file, replace_text, sign_growing

if TYPE_CHECKING:
    from training.compute import Compute
    from training.dataset import TokenisedDataset
    from training.outcome import Outcome
    from training.scoring import Score

T = TypeVar("T")

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


def contained(what: str, do: Callable[..., T], *arguments: Any) -> T | None:
    """What ``do`` gives, or None and one line: a fault in what comes beside a model never costs the run."""
    try:
        return do(*arguments)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())[:300] or "no reason given"
        with contextlib.suppress(OSError):
            print(f"{what}: {reason} ({type(error).__name__})", file=sys.stderr)
        return None


class Metrics:
    """``metrics.jsonl``: one JSON object a line, appended as the run goes; ``listener`` gets each row too."""

    def __init__(
        self, path: Path, keep_until_step: int | None = None, listener: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self.path, self.listener = path, listener
        kept = [] if keep_until_step is None else [row for row in read_metrics(path) if row["step"] <= keep_until_step]
        replace_text(path, "".join(json.dumps(row) + "\n" for row in kept))
        self._signed = False

    def write(self, **row: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if not self._signed:
            sign_growing(self.path)
            self._signed = True
        if self.listener is not None and not contained("the tracker gets no more measurements", self._tell, row):
            self.listener = None

    def _tell(self, row: dict[str, Any]) -> bool:
        if self.listener is not None:
            self.listener(row)
        return True


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
            self._now = contained("energy is not recorded", self._read, "flush") or EnergyUse()
        return self.earlier + self._now

    @contextlib.contextmanager
    def measure(self, country: str) -> Iterator[None]:
        """Track the process while the block runs; ``country`` is an ISO 3166 code of three letters.

        Where the machine has no meter the figures are codecarbon's estimate from load and processor type, and
        ``source`` says so. A failure of codecarbon leaves the figures ``None`` and never stops a training.
        """
        self._tracker = contained("energy is not recorded", _started_tracker, country)
        try:
            yield
        finally:
            if self._tracker is not None:
                self._now = contained("energy is not recorded", self._read, "stop") or EnergyUse()
                self._tracker = None

    def _read(self, first: str) -> EnergyUse:
        """What the tracker has counted, after its method ``first``."""
        tracker = self._tracker
        with _without_output():
            getattr(tracker, first)()
        modes = [str(getattr(part, "_mode", "")) for part in tracker._hardware]
        metered = tracker._total_gpu_energy.kWh > 0 or any(mode in METERED for mode in modes)
        return EnergyUse(tracker._total_energy.kWh, tracker._total_emissions, "measured" if metered else "estimated")


def _started_tracker(country: str) -> Any:
    """Raises what codecarbon does, also where its constructor swallows it and leaves a tracker without its parts."""
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    with _without_output():
        tracker = OfflineEmissionsTracker(
            country_iso_code=country,
            save_to_file=False,
            log_level="error",
            tracking_mode="process",
            allow_multiple_runs=True,
            measure_power_secs=5,
        )
        tracker.start()
        tracker.flush()
    if not hasattr(tracker, "_hardware"):
        raise RuntimeError("codecarbon did not start; look at its configuration, .codecarbon.config")
    return tracker


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
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
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


def _figure(width: float, height: float) -> Any:
    """An empty picture, in inches, without pyplot: a notebook's MPLBACKEND is unknown outside of it."""
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        from matplotlib.figure import Figure
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return Figure(figsize=(width, height), layout="constrained")


def draw_curves(folder: Path, title: str) -> None:
    """``training_curves.png`` from ``metrics.jsonl``: training and validation loss, and the learning rate."""
    rows = read_metrics(folder / "metrics.jsonl")
    figure = _figure(8, 6)
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
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
    with new_file(folder / "training_curves.png") as partial:
        figure.savefig(partial, dpi=120)


def draw_rates(path: Path, rates: Sequence[float], losses: Sequence[float], suggested: float) -> None:
    """The picture of a sweep over learning rates."""
    figure = _figure(8, 4)
    axes = figure.subplots()
    axes.plot(rates, losses)
    axes.axvline(suggested, color="tab:green", label=f"suggested: {suggested:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="smoothed loss (nats a token)")
    axes.grid(alpha=0.3)
    axes.legend()
    with new_file(path) as partial:
        figure.savefig(partial, dpi=120)
