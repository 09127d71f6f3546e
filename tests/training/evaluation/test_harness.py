"""lm-evaluation-harness: the same choices as our scorer's, for its own models and for ours, and its tasks for any."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from tests.trained import Run
from training.evaluation import harness
from training.evaluation.items import BenchmarkError, embedded_benchmark, load_benchmark
from training.evaluation.multiple_choice import choose
from training.evaluation.opening import open_subject


@pytest.fixture
def own_items(tmp_path: Path) -> Path:
    """Two to four options, most of them of the embedded corpus, which the demo model was trained on."""
    rows: list[dict[str, Any]] = [
        {"id": item.id, "question": item.question, "options": item.options, "answer_index": item.answer_index}
        for item in embedded_benchmark().limited(8).items
    ]
    rows += [
        {"question": "Is Guernica a painting?", "options": ["True", "False"], "answer_index": 0},
        {"question": "Who said « œuvre d’art »?", "options": ["Ægir", "Zoë", " naïve  spaces "], "answer_index": 1},
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


@pytest.mark.slow
def test_the_harness_chooses_what_our_scorer_chooses(demo_model1: Run, own_items: Path) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    subject: Any = open_subject(str(demo_model1.folder / "art_ai_best.pt"))
    ours = choose(subject, load_benchmark(own_items).items)
    tasks = harness.load_tasks(["diptych_file"], own_items)
    theirs = simple_evaluate(
        model="hf",
        model_args={"pretrained": str(demo_model1.folder / "hf"), "dtype": "float32", "device": "cpu"},
        tasks=list(tasks.ours["tasks"].values()),
        task_manager=TaskManager(include_defaults=False),
        apply_chat_template=True,
        batch_size=16,
        bootstrap_iters=0,
    )
    through = harness.run(harness.harness_model(subject), tasks.ours, as_chat=True)
    for results in (theirs, through):
        samples = results["samples"]["diptych_file"]
        assert [sample["doc"]["id"] for sample in samples] == [choice.item.id for choice in ours]
        assert [bool(sample["acc_bytes"]) for sample in samples] == [choice.is_right for choice in ours]
        assert [bool(sample["acc"]) for sample in samples] == [choice.is_right_raw for choice in ours]
    for one, other in zip(theirs["samples"]["diptych_file"], through["samples"]["diptych_file"], strict=True):
        assert [r[0][0] for r in one["resps"]] == pytest.approx([r[0][0] for r in other["resps"]], abs=1e-3)
    (acc,) = [entry for entry in harness.measure(subject, tasks) if entry["metric"] == "acc_bytes"]
    assert acc["value"] == pytest.approx(sum(choice.is_right for choice in ours) / len(ours))
    assert (acc["task"], acc["n"]) == ("diptych_file", 10)


@pytest.mark.slow
def test_other_tasks_are_run_from_a_copy_of_their_data(
    demo_model1: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, tasks = tmp_path / "hub" / "owner" / "texts", tmp_path / "tasks"
    copy.mkdir(parents=True)
    tasks.mkdir()
    long = "Impressionism is a movement. " * 120
    (copy / "test.jsonl").write_text("\n".join(json.dumps({"q": q}) for q in ("Who are you?", long)))
    common = "dataset_path: owner/texts\ntest_split: test\n"
    (tasks / "write.yaml").write_text(
        f"task: write\n{common}output_type: generate_until\ndoc_to_text: '{{{{q[:40]}}}}'\ndoc_to_target: I\n"
        "generation_kwargs:\n  until: ['.']\n  max_gen_toks: 8\nmetric_list:\n  - metric: exact_match\n"
    )
    (tasks / "read.yaml").write_text(
        f"task: read\n{common}output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: '{{{{q}}}}'\n"
        "metric_list:\n  - metric: bits_per_byte\n"
    )
    monkeypatch.setattr(harness, "TASKS", tasks)
    monkeypatch.setenv("DIPTYCH_HUB_DIR", str(tmp_path / "hub"))
    monkeypatch.setattr(harness, "INCLUDE_DEFAULTS", False)
    subject: Any = open_subject(str(demo_model1.folder / "art_ai_best.pt"))
    loaded = harness.load_tasks(["write", "read"])
    found = {entry["task"]: entry for entry in harness.measure(subject, loaded)}
    assert 0 <= found["write"]["value"] <= 1
    assert (found["read"]["metric"], found["read"]["n"]) == ("bits_per_byte", 2)
    assert 0.05 < found["read"]["value"] < 8
    nats = -harness.rolling(subject, long)
    assert nats > 0, "longer than the model can read, and scored whole"
    assert len(subject.network.form.pair("", long)[1]) > subject.network.context

    monkeypatch.setenv("DIPTYCH_HUB_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(harness.HarnessError, match=r"read: owner/texts cannot be had .* go online, .*HUB_DIR"):
        harness.load_tasks(["read"])
    with pytest.raises(harness.HarnessError, match=r"wriet: .* no such task; did you mean write"):
        harness.load_tasks(["wriet"])


def test_a_missing_file_or_package_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BenchmarkError, match="needs a file"):
        harness.load_tasks(["diptych_file"])
    with pytest.raises(BenchmarkError, match="no such file"):
        harness.load_tasks(["diptych_file"], tmp_path / "none.jsonl")
    real = builtins.__import__

    def without_package(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.startswith("lm_eval"):
            raise ModuleNotFoundError("No module named 'lm_eval'")
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_package)
    with pytest.raises(harness.HarnessError, match="run: pip install lm-eval=="):
        harness.load_tasks(["diptych_embedded"])
