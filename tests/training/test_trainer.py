"""The loop: it learns, accumulates by valid tokens, stops when it should, and measures without smoothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.device import Compute
from training.model import ModernTransformer
from training.packing import Batch, Documents
from training.progress import Progress
from training.report import Metrics, read_metrics
from training.scoring import Score
from training.trainer import Trainer, TrainingError, TrainingOptions

FP32 = Compute(torch.device("cpu"), torch.float32, "for the test")
OPTIONS = TrainingOptions(
    max_steps=60,
    batch_rows=8,
    micro_batch_rows=8,
    row_length=32,
    optimizer="muon",
    learning_rate=5e-3,
    adamw_learning_rate=5e-3,
    warmup=0.05,
    floor=0.02,
    evaluations=3,
)


def counting(n: int, seed: int) -> Documents:
    """Documents that count upward from a random start: a rule that a small model learns at once."""
    rng = np.random.default_rng(seed)
    spans = [[(list(range(s, s + int(rng.integers(5, 14)))), True)] for s in rng.integers(10, 40, n)]
    return Documents.from_spans(spans, [4 * len(span[0][0]) for span in spans])


def trainer(
    tmp_path: Path, options: TrainingOptions = OPTIONS, n: int = 200, **changes: object
) -> tuple[Trainer, list[int]]:
    torch.manual_seed(0)
    model = ModernTransformer(64, 32, 2, 4, 2, 64, 32)
    saved: list[int] = []
    arguments = {
        "documents": counting(n, 0),
        "held_out": {"held out": counting(30, 1)},
        "options": options,
        "compute": FP32,
        "pad_id": 3,
        "progress": Progress(),
        "metrics": Metrics(tmp_path / "metrics.jsonl"),
        "on_best": lambda step, scores: saved.append(step),
    }
    return Trainer(model, **(arguments | changes)), saved  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_it_learns_and_keeps_the_best(tmp_path: Path, optimizer: str) -> None:
    loop, saved = trainer(tmp_path, replace(OPTIONS, optimizer=optimizer))
    before = loop.score(loop.held_out["held out"]).loss
    outcome = loop.run()
    assert outcome.steps == 60
    assert outcome.scores["held out"].loss < 0.3 * before
    assert saved == [20, 40, 60]
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows if "val_loss" in row] == saved


def test_micro_batches_change_nothing(tmp_path: Path) -> None:
    """Each micro-batch weighs by its labels, so 8 rows at once and 3 + 3 + 2 rows are the same step."""
    losses = []
    for rows in (8, 3):
        loop, _ = trainer(tmp_path, replace(OPTIONS, micro_batch_rows=rows))
        losses.append([loop.step(next(loop.batches)) for _ in range(5)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    runs = [trainer(tmp_path)[0].run().scores["held out"].nats for _ in range(2)]
    assert runs[0] == runs[1]


def test_smoothing_is_for_training_only(tmp_path: Path) -> None:
    plain, _ = trainer(tmp_path)
    smoothed, _ = trainer(tmp_path, replace(OPTIONS, label_smoothing=0.3))
    held_out = plain.held_out["held out"]
    assert plain.score(held_out) == smoothed.score(held_out)
    assert plain.step(next(plain.batches)) != smoothed.step(next(smoothed.batches))


def test_time_and_patience_end_a_run(tmp_path: Path) -> None:
    loop, _ = trainer(tmp_path, replace(OPTIONS, max_seconds=1e-3))
    assert loop.run().stopped == "time"
    loop, saved = trainer(tmp_path, replace(OPTIONS, learning_rate=0.0, adamw_learning_rate=0.0, patience=1))
    assert loop.run().stopped == "patience"
    assert saved == [20]


def test_a_loss_that_is_no_number_stops_with_a_remedy(tmp_path: Path) -> None:
    loop, _ = trainer(tmp_path)
    with torch.no_grad():
        loop.model.norm.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="lower learning_rate"):
        loop.run()


def test_bits_per_byte_by_hand(tmp_path: Path) -> None:
    loop, _ = trainer(tmp_path)
    documents = Documents.from_spans([[([5, 6, 7], True)]], [9])
    logits = loop.model(torch.tensor([[5, 6]]))[0].log_softmax(-1)
    nats = -float((logits[0, 6] + logits[1, 7]).detach())
    expected = Score(nats, 2, 9)
    found = loop.score(documents)
    assert found.nats == pytest.approx(nats, rel=1e-4)
    assert found.bits_per_byte == pytest.approx(expected.nats / np.log(2) / 9, rel=1e-4)
    assert found.tokens == 2


def test_empty_places_do_not_count(tmp_path: Path) -> None:
    loop, _ = trainer(tmp_path)
    batch = next(loop.batches)
    noisy = Batch(torch.where(batch.documents < 0, 50, batch.tokens), batch.labels, batch.documents)
    loop.model.eval()
    assert float(loop._loss_sum(batch)) == pytest.approx(float(loop._loss_sum(noisy)), rel=1e-6)
