"""Learning from votes: what a step learns, that it goes on where it was, what refuses it, and what is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from feedback.blind_test import BlindTest
from feedback.database import Database
from feedback.study import Study
from tests.feedback.protocol import Clock, document, rows, vote_for
from tests.training.preferences import ANSWERS, tiny_base, write_preferences
from tests.training.tiny_bases import byte_pairs, tiny_model
from training import ModernTransformer
from training.common.checkpoint_folder import CURVES, FINAL, GGUF, HF, METRICS, PT, REPORT, TOKENIZER
from training.common.files import WORKSPACE, file_sha256
from training.common.progress import Progress, read_state
from training.data.preference_file import Preferences, read_preferences
from training.data.preferences import prepare_preferences
from training.evaluation.preference import accuracy, compare
from training.improve import main
from training.models.bases import Base, prepare_for_chat
from training.models.checkpoint import save_checkpoint
from training.models.fine_tuning import save_final
from training.models.gguf_format import export_gguf
from training.models.tokenizer import train_tokenizer
from training.settings.improve import ImproveOptions


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data whose held-out part is a few samples."""
    folder = tmp_path_factory.mktemp("data")
    rows = [
        {"question": f"What did artist {n} paint?", "answer": f"Artist {n} painted work {n * 7}."} for n in range(150)
    ]
    (folder / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def model2(tmp_path_factory: pytest.TempPathFactory, texts: Path) -> Path:
    """A tiny checkpoint of Model 2, as its training leaves it."""
    folder = tmp_path_factory.mktemp("model2")
    tokenizer = byte_pairs(True)
    model = tiny_model("llama", len(tokenizer))
    prepare_for_chat(model, tokenizer)
    save_final(Base("tiny", model, tokenizer, 0), folder / FINAL)
    export_gguf(folder / FINAL, folder / GGUF, "f16")
    report = {"model": "model2", "base": "tiny", "method": "full", "config": {"data": [str(texts)], "seq_len": 64}}
    (folder / "training_report.json").write_text(json.dumps(report))
    return folder


def quick(*more: str) -> list[str]:
    """Settings of a run of seconds."""
    settings = ["batch_size=8", "micro_batch_size=4", "seq_len=64", "guard_samples=4", "max_bits_rise=50"]
    settings += ["max_accuracy_fall=1", "save_steps=2", "learning_rate=0.003", "lora_rank=4", *more]
    return [word for setting in settings for word in ("--set", setting)]


# -- what is used, and how it is judged ------------------------------------------------------------------------------


def test_each_method_uses_what_it_can(tmp_path: Path) -> None:
    base = tiny_base()
    found = read_preferences(write_preferences(tmp_path / "p.jsonl", "model2", None, n=10))
    no_preference = [
        dict(found.records[1], id=name, outcome=outcome, chosen=chosen, rejected=rejected)
        for name, outcome, chosen, rejected in (
            ("t", "tie", "Both are good.", None), ("b", "both_bad", None, "Both are bad."),
        )
    ]  # fmt: skip
    mixed = Preferences(found.header, [*found.records, *no_preference])

    def prepared(method: str, **more: Any) -> Any:
        return prepare_preferences(mixed, method, base.encode_batch, base.chat_form(), **more)

    dpo, kto, sft = (prepared(method) for method in ("dpo", "kto", "sft"))
    assert (len(dpo.train), len(sft.train), len(kto.train)) == (8, 8, 17)
    assert (kto.train.wanted.sum(), len(prepared("kto", ties="wanted").train)) == (8, 18)
    assert dpo.left_out == {"answers of ties": 1, "answers of which both were bad": 1}
    assert len(dpo.held_out) == len(kto.held_out) == 2
    assert dpo.train.weights.mean() == pytest.approx(1)


def test_an_answer_that_was_cut_off_does_not_learn_to_end_there(tmp_path: Path) -> None:
    base = tiny_base()
    found = read_preferences(write_preferences(tmp_path / "p.jsonl", "model2", None, n=2))
    records = [dict(found.records[1], rejected_ended=False)]
    data = prepare_preferences(Preferences(found.header, records), "dpo", base.encode_batch, base.chat_form())
    (chosen, rejected) = data.train.documents[0]
    end = base.chat_form().end
    last = [data.documents.tokens[data.documents.offsets[d + 1] - 1] for d in (chosen, rejected)]
    assert [token in end for token in last] == [True, False]


def test_the_interval_is_of_testers_not_of_pairs() -> None:
    one = accuracy([1.0] * 50 + [0.0] * 50, [f"t{n}" for n in range(100)])
    alike = accuracy([1.0] * 50 + [0.0] * 50, [f"t{n // 10}" for n in range(100)])
    assert one["accuracy"] == alike["accuracy"] == 0.5
    assert alike["ci_high"] - alike["ci_low"] > 2.5 * (one["ci_high"] - one["ci_low"])
    assert accuracy([1.0, 0.0], ["t", "t"])["ci_low"] is None


def test_a_few_held_out_pairs_are_not_judged() -> None:
    zeros, sizes = np.zeros((29, 2)), np.ones((29, 2))
    found = compare(zeros, zeros + np.array([1, 0]), sizes, [f"t{n}" for n in range(29)])
    assert not found["judged"]
    assert "29 held-out pairs of 29 testers" in found["why_not"]
    assert found["gain"]["accuracy"] == 1
    one = compare(zeros[:1], zeros[:1], sizes[:1], ["t1"])
    assert one["why_not"].startswith("1 held-out pair of 1 tester are too few")
    more = compare(np.zeros((60, 2)), np.zeros((60, 2)), np.ones((60, 2)), [f"t{n % 9}" for n in range(60)])
    assert more["judged"]
    assert more["gain"]["accuracy"] == more["before"]["accuracy"] == 0.5


# -- a whole run -----------------------------------------------------------------------------------------------------


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return dict(AutoModelForCausalLM.from_pretrained(folder / FINAL).state_dict())


def test_a_version_has_all_that_a_training_leaves(model2: Path, tmp_path: Path, capsys: Any) -> None:
    votes = write_preferences(tmp_path / "p.jsonl", "model2", file_sha256(model2 / GGUF))
    out, progress = tmp_path / "improved" / "1", tmp_path / "progress.json"
    arguments = ["--model", "model2", "--preferences", str(votes), "--checkpoint", str(model2), "--out", str(out)]
    assert main([*arguments, "--progress", str(progress), *quick("epochs=4")]) == 0
    said = capsys.readouterr()
    assert "too few to judge" in said.out
    assert "questions, facts of the embedded corpus" in said.err
    assert "true or false" not in said.err, "which no guard looks at"
    report = json.loads((out / "training_report.json").read_text())
    found = report["improvement"]
    assert found["accepted"]
    assert found["refused_because"] == []
    assert found["parent"]["sha256"] == file_sha256(model2 / GGUF)
    assert (found["votes_hash"], found["study"], found["method"]) == ("bb", "s#1", "dpo")
    assert "new_wording" not in list(report["val"])[1:], "the first one says whether it may be shown to testers"
    assert found["pairs"]["learned"] == 24
    assert found["questions"] == [f"q{n}" for n in range(8)]
    assert found["held_out"]["n"] == 6
    assert found["replay"] is None
    assert found["held_out"]["gain"]["accuracy"] == 1.0  # all testers prefer the longer answer
    assert found["length"]["preferred_is_longer"] == 1.0
    assert found["guards"]["bits_per_byte"]["before"] != found["guards"]["bits_per_byte"]["after"]
    for name in (GGUF, METRICS, CURVES, "README.md"):
        assert (out / name).is_file(), name
    assert "## Learned from votes" in (out / "README.md").read_text()
    state = read_state(progress)
    assert state is not None
    assert (state.stage, state.step) == ("done", report["steps"])
    assert not (out / "resume").exists()
    before, after = weights_of(model2), weights_of(out)
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    AutoTokenizer.from_pretrained(out / FINAL)
    assert main([*arguments, "--resume", *quick("epochs=4")]) == 0
    assert "finished" in capsys.readouterr().out


def test_model1_learns_and_comes_back_in_all_its_forms(texts: Path, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "model1"
    folder.mkdir()
    words = [row for path in texts.glob("*.jsonl") for row in path.read_text().splitlines()] + list(ANSWERS)
    tokenizer = train_tokenizer(words, 400, folder / TOKENIZER)
    torch.manual_seed(0)
    model = ModernTransformer(len(tokenizer), 32, 2, 4, 2, 64, 128, tie_embeddings=True)
    save_checkpoint(model.config, model.state_dict(), tokenizer, ImproveOptions(), 1, folder / PT)
    report = {"model": "model1", "base": None, "config": {"data": [str(texts)]}}
    (folder / "training_report.json").write_text(json.dumps(report))
    votes = write_preferences(tmp_path / "p.jsonl", "model1", file_sha256(folder / PT))
    out = tmp_path / "better"
    arguments = ["--model", "model1", "--preferences", str(votes), "--checkpoint", str(folder), "--out", str(out)]
    assert main([*arguments, "--method", "kto", *quick("max_steps=6", "replay=0.3")]) == 0
    said, card = capsys.readouterr().out, (out / "README.md").read_text()
    assert "Model 1: learned from 24 of 30 votes of 6 testers" in said
    assert "from 24 of 30 votes of 6 testers" in card
    again = json.loads((out / REPORT).read_text())["improvement"]["replay"]
    assert again["share"] == pytest.approx(0.3, abs=0.05)
    assert f"learned again: {again['samples']} samples of its own training data, {again['share']:.1%} of" in said
    assert f"learned {again['samples']} samples of its own training data again, {again['share']:.0%} of" in card
    checkpoint = torch.load(out / PT)
    learned = ModernTransformer(**checkpoint["config"])
    learned.load_state_dict(checkpoint["model_state_dict"])
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), learned.parameters(), strict=True))
    hf = AutoModelForCausalLM.from_pretrained(out / HF).eval()
    ids = torch.tensor([tokenizer.encode("What is thing 3?")])
    with torch.no_grad():
        torch.testing.assert_close(learned.eval()(ids), hf(input_ids=ids).logits, rtol=1e-3, atol=1e-3)
    assert (out / GGUF).is_file()
    written = json.loads((out / "training_report.json").read_text())
    assert written["model"] == "model1"
    assert written["improvement"]["method"] == "kto"
    assert (written["improvement"]["pairs"]["learned"], written["improvement"]["pairs"]["learned_votes"]) == (48, 24)
    assert written["improvement"]["length"]["preferred_is_longer"] == 1.0


def test_an_interrupted_run_goes_on_to_the_same_weights(
    model2: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = write_preferences(tmp_path / "p.jsonl", "model2", file_sha256(model2 / FINAL / "model.safetensors"))

    def run(name: str, *more: str) -> int:
        out = ["--out", str(tmp_path / name)]
        arguments = ["--model", "model2", "--preferences", str(votes), "--checkpoint", str(model2), *out]
        return main([*arguments, *more, *quick("max_steps=7", "replay=0.5", "rpo_alpha=0.5")])

    assert run("whole") == 0
    step = Progress.step

    def killed(self: Progress, number: int, *values: Any) -> None:
        step(self, number, *values)
        if number == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Progress, "step", killed)
    assert run("parts") == 128 + signal.SIGTERM
    monkeypatch.setattr(Progress, "step", step)
    assert "go on with" in capsys.readouterr().err
    assert run("parts") == 2
    assert "unfinished run, saved at step 3" in capsys.readouterr().err
    assert run("whole", "--resume") == 0
    assert "finished" in capsys.readouterr().out
    assert run("whole", "--resume", "--set", "beta=0.2") == 2
    assert "versions are never replaced" in capsys.readouterr().err
    (mine := tmp_path / "parts" / ".candidate-mine").mkdir()
    (mine / "thesis.txt").write_text("mine")
    assert run("parts", "--resume") == 0
    assert (mine / "thesis.txt").read_text() == "mine"
    assert not list((tmp_path / "parts").glob(f"{WORKSPACE}*"))
    whole, parts = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    rows = [json.loads(line)["step"] for line in (tmp_path / "parts" / METRICS).read_text().splitlines()]
    assert rows == [1, 2, 3, 4, 5, 6, 7]
    again = [json.loads((tmp_path / name / REPORT).read_text())["improvement"]["replay"] for name in ("whole", "parts")]
    assert again[0] == again[1]
    assert again[0]["share"] == pytest.approx(0.5, abs=0.05)


def test_what_lost_too_much_is_refused_and_kept_apart(model2: Path, tmp_path: Path, capsys: Any) -> None:
    votes = write_preferences(tmp_path / "p.jsonl", "model2", file_sha256(model2 / GGUF))
    header, *rows = map(json.loads, votes.read_text().splitlines())
    for n, row in enumerate(rows):  # what the held-out text is like is what nobody wants
        row |= {"chosen": "zzzz zzzz", "rejected": f"Artist {n} painted work {n * 7}."}
    votes.write_text("".join(json.dumps(row) + "\n" for row in (header, *rows)))
    out = tmp_path / "worse"
    arguments = ["--model", "model2", "--preferences", str(votes), "--checkpoint", str(model2), "--out", str(out)]
    assert main([*arguments, *quick("learning_rate=0.05", "max_bits_rise=0", "max_steps=8")]) == 3
    said = capsys.readouterr().out
    assert "refused: held-out text takes" in said
    report = json.loads((out / "refused" / "training_report.json").read_text())
    found = report["improvement"]
    assert not found["accepted"]
    assert found["guards"]["bits_per_byte"]["after"] > found["guards"]["bits_per_byte"]["limit"]
    assert (out / "refused" / FINAL / "config.json").is_file()
    assert not (out / FINAL).exists()
    assert not (out / "training_report.json").exists()


def lines_of(capsys: Any) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line and "reading the votes" not in line]


@pytest.mark.parametrize(
    ("header", "records", "more", "said"),
    [
        ({"n_votes": 0, "n_pairs": 0}, 0, [], "has no vote that counts"),
        ({"n_pairs": 0}, 0, [], "all are ties or both bad"),
        ({"model_hashes": {"model2": "f" * 64}}, 30, [], "the votes are on weights ffffffffffff"),
        ({"model_hashes": {"model2": None}}, 30, [], "do not say which weights"),
        ({}, 30, ["--set", "beta=0"], "beta=0"),
        ({}, 30, ["--set", "ties=wanted"], "for method=kto"),
        ({}, 30, ["--set", "replay=1"], "replay=1.0 must be at least 0 and at most 0.9"),
        ({}, 30, ["--set", "replay=-0.1"], "replay=-0.1 must be at least 0"),
        ({}, 30, ["--set", "rpo_alpha=1", "--method", "sft"], "rpo_alpha=1 is for method=dpo"),
        ({}, 30, ["--checkpoint", "no/such/folder"], "does not exist"),
        ({}, 30, ["--set", "max_tokens=16"], "leaves room for an answer"),
        ({}, 30, ["--model", "model1"], "model = model2, and --model model1 is to learn; make the file with"),
        ({}, 30, ["--study", "another#2"], "--study another#2: "),
    ],
)
def test_a_mistake_is_one_line(
    model2: Path, tmp_path: Path, capsys: Any, header: Any, records: int, more: list[str], said: str
) -> None:
    about = {"n_votes": 30, "n_pairs": 30} | header
    hashes = {} if "model_hashes" in header else {"model_hashes": {"model2": file_sha256(model2 / GGUF)}}
    votes = write_preferences(tmp_path / "p.jsonl", "model2", None, records, **(about | hashes))
    arguments = ["--model", "model2", "--preferences", str(votes), "--checkpoint", str(model2)]
    assert main([*arguments, "--out", str(tmp_path / "out"), *quick(), *more]) == 2
    told = lines_of(capsys)[-1]
    assert said in told
    assert told.startswith("python -m training.improve: ")
    assert not (tmp_path / "out" / FINAL).exists()


def test_options_that_contradict_each_other_are_told(tmp_path: Path, capsys: Any) -> None:
    file = str(write_preferences(tmp_path / "p.jsonl", "model2", None))
    for words in (["--check", "--plan"], ["--db", "v.db", "--preferences", file], ["--resume", "--restart"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert "not allowed with" in lines_of(capsys)[-1]


def test_what_the_votes_command_says_is_told_in_any_encoding(
    model2: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")  # of the process that reads the votes
    missing = tmp_path / "votés.db"
    assert main(["--model", "model2", "--checkpoint", str(model2), "--db", str(missing)]) == 2
    assert "does not exist" in lines_of(capsys)[-1]


def test_a_rounded_base_is_no_parent(model2: Path, tmp_path: Path, capsys: Any) -> None:
    votes = write_preferences(tmp_path / "p.jsonl", "model2", None)
    arguments = ["--model", "model2", "--preferences", str(votes), "--out", str(tmp_path / "out"), "--checkpoint"]
    assert main([*arguments, str(model2 / GGUF)]) == 2
    assert "rounded for serving" in lines_of(capsys)[-1]
    folder = tmp_path / "four"
    (folder / FINAL).mkdir(parents=True)
    (folder / FINAL / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "bitsandbytes"}}))
    assert main([*arguments, str(folder)]) == 2
    assert "is quantised (bitsandbytes)" in lines_of(capsys)[-1]


def test_a_file_that_is_none_is_told_by_its_line(tmp_path: Path, capsys: Any, model2: Path) -> None:
    path = tmp_path / "p.jsonl"
    for text, said in (("", "is empty"), ("{}\n", "header of kind"), ("x\n", "line 1: is no JSON")):
        path.write_text(text)
        assert main(["--model", "model2", "--preferences", str(path), "--checkpoint", str(model2)]) == 2
        assert said in lines_of(capsys)[-1]
    write_preferences(path, "model2", None)
    path.write_text(path.read_text() + '{"id": "v99"}\n')
    assert main(["--model", "model2", "--preferences", str(path), "--checkpoint", str(model2)]) == 2
    assert "line 32: lacks" in lines_of(capsys)[-1]


def test_votes_of_a_running_study_and_of_one_tester_are_learned_with_a_word(
    model2: Path, tmp_path: Path, capsys: Any
) -> None:
    votes = write_preferences(
        tmp_path / "p.jsonl", "model2", file_sha256(model2 / GGUF), running=True, n_testers=1
    )  # fmt: skip
    arguments = ["--model", "model2", "--preferences", str(votes), "--checkpoint", str(model2)]
    assert main([*arguments, "--out", str(tmp_path / "out"), *quick("max_steps=1")]) == 0
    told = "\n".join(lines_of(capsys))
    assert "the study still runs" in told
    assert "one tester" in told


def test_too_little_memory_is_told_before_any_work(
    model2: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = write_preferences(tmp_path / "p.jsonl", "model2", file_sha256(model2 / GGUF))
    monkeypatch.setattr("training.loop.plan.memory_bytes", lambda device: 200_000_000)
    arguments = ["--model", "model2", "--preferences", str(votes), "--checkpoint", str(model2)]
    assert main([*arguments, "--out", str(tmp_path / "out"), *quick()]) == 2
    assert "the run needs about" in lines_of(capsys)[-1]


def test_a_plan_trains_nothing(model2: Path, tmp_path: Path, capsys: Any) -> None:
    votes = write_preferences(tmp_path / "p.jsonl", "model2", file_sha256(model2 / GGUF))
    arguments = ["--model", "model2", "--preferences", str(votes), "--checkpoint", str(model2)]
    assert main([*arguments, "--plan", "--out", str(tmp_path / "out"), *quick()]) == 0
    said = capsys.readouterr().out
    assert "24 of" in said
    assert "6 steps of 8" in said
    assert "fits" in said
    assert not (tmp_path / "out").exists()


def test_votes_in_the_apps_database_make_version_after_version(model2: Path, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(model2, folder)
    models = {"model1": {"name": "a server"}, "model2": {"source": GGUF, "sha256": file_sha256(model2 / GGUF)}}
    study = Study.from_document(document())
    test = BlindTest(Database(tmp_path / "votes.db"), study, models, Clock())
    for _ in range(3):
        vote_for(test, test.enrol("1").id, ["model2", "model1", "tie"])
    arguments = ["--model", "model2", "--checkpoint", str(folder), "--db", str(tmp_path / "votes.db")]
    for number in (1, 2):
        assert main([*arguments, *quick("max_steps=1")]) == 0
        assert "nothing says that testers agreed" in capsys.readouterr().err
        report = json.loads((folder / "improved" / str(number) / "training_report.json").read_text())
        assert report["improvement"]["study"] == rows(test, "SELECT label FROM studies")[0][0]
        assert report["improvement"]["pairs"]["votes"] == 9
    assert {row[0] for row in rows(test, "SELECT kind FROM looks")} == {"preferences"}
    assert main([*arguments, "--resume", *quick("max_steps=1")]) == 0
    assert "holds this run already, finished" in capsys.readouterr().out
    assert not (folder / "improved" / "3").exists()
    assert main([*arguments, "--set", "model=model1"]) == 2
    assert "do not say which weights model1 had" in lines_of(capsys)[-1]
    assert main(["--model", "model2", "--checkpoint", str(folder), "--db", str(tmp_path / "none.db")]) == 2
    assert "none.db" in lines_of(capsys)[-1]


def test_learning_replaces_nothing_of_somebody_else(model2: Path, tmp_path: Path, capsys: Any) -> None:
    votes = write_preferences(tmp_path / "p.jsonl", "model2", file_sha256(model2 / GGUF))
    arguments = ["--model", "model2", "--preferences", str(votes), "--checkpoint", str(model2)]
    out, progress = tmp_path / "out", tmp_path / "progress.json"
    out.mkdir()
    for path in (out / "model.gguf", progress):
        path.write_text("mine")
    assert main([*arguments, "--out", str(out), *quick()]) == 2
    assert "model.gguf" in lines_of(capsys)[-1]
    assert main([*arguments, "--out", str(tmp_path / "other"), "--progress", str(progress), *quick()]) == 2
    assert "progress.json" in lines_of(capsys)[-1]
    assert main([*arguments, "--out", str(model2), *quick()]) == 2
    assert (out / "model.gguf").read_text() == progress.read_text() == "mine"
