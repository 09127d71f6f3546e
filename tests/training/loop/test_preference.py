"""What a step of learning from preferences learns: TRL's losses, weighed votes, and the reference, read once."""

from __future__ import annotations

import errno
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

from tests.training.preferences import tiny_base, write_preferences
from training.common.cache import cache_folder
from training.common.progress import Progress
from training.corpus.sample import Message, Sample
from training.data.preference_file import read_preferences
from training.data.preferences import prepare_preferences
from training.data.replay import choose_replay
from training.hardware.compute import Compute
from training.loop.preference import build_trainer, likelihoods_of, reference_likelihoods
from training.models.likelihoods import log_likelihoods
from training.settings.improve import ImproveOptions

FP32 = Compute(torch.device("cpu"), torch.float32, "for the test")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def trainer_for(tmp_path: Path, method: str, **changes: Any) -> Any:
    """A trainer whose model is a little away from its reference."""
    base = tiny_base()
    found = read_preferences(write_preferences(tmp_path / "p.jsonl", "model2", None))
    options = ImproveOptions(method=method, batch_size=8, micro_batch_size=8, seq_len=64, lora_rank=4, **changes)
    data = prepare_preferences(found, method, base.encode_batch, base.chat_form())
    torch.manual_seed(0)  # of LoRA's first matrices
    trainer = build_trainer(base, data, options, FP32, tmp_path / "trl")
    generator = torch.Generator().manual_seed(1)
    for name, parameter in trainer.model.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.05 * torch.randn(parameter.shape, generator=generator)
    trainer.reference = reference_likelihoods(trainer, f"tiny {method}", Progress())
    return trainer


def as_trl_has_them(trainer: Any, n: int) -> list[dict[str, Any]]:
    """The first examples as rows of TRL's own tokenised data sets."""
    tokens, train = trainer.data.documents, trainer.data.train

    def split(document: int) -> tuple[list[int], list[int]]:
        part = slice(tokens.offsets[document], tokens.offsets[document + 1])
        ids, begin = tokens.tokens[part].tolist(), int(np.argmax(tokens.learned[part]))
        return ids[:begin], ids[begin:]

    rows = []
    for e in range(n):
        (prompt, first), *others = [split(document) for document in train.documents[e]]
        if others:
            rows.append({"prompt_ids": prompt, "chosen_ids": first, "rejected_ids": others[0][1]})
        else:
            other = split(trainer.data.mismatched[e])[1]
            label = bool(train.wanted[e])
            rows.append({"prompt_ids": prompt, "completion_ids": first, "label": label, "KL_completion_ids": other})
    return rows


@pytest.mark.parametrize(
    ("method", "config", "trainer"), [("dpo", DPOConfig, DPOTrainer), ("kto", KTOConfig, KTOTrainer)]
)
def test_loss_and_gradients_are_trls_where_all_weigh_alike(
    tmp_path: Path, method: str, config: Any, trainer: Any
) -> None:
    ours = trainer_for(tmp_path, method)
    ours.data.train.weights[:] = 1
    moved = likelihoods_of(ours, np.arange(len(ours.data.documents))) - np.asarray(ours.reference)
    assert np.ptp(moved) > 0.1  # nats; at the reference itself every margin would be 0, whatever is computed
    loss = ours.compute_loss(ours.model, ours.collate([{"example": e} for e in range(8)]))
    loss.backward()
    mine = {name: parameter for name, parameter in ours.model.named_parameters() if parameter.requires_grad}

    class Tokenised(trainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *arguments: Any) -> Any:
            return dataset

        def _send_telemetry(self) -> None:
            pass

    rows, base = as_trl_has_them(ours, 8), tiny_base()
    peer = Tokenised(
        model=base.model,
        args=config(
            output_dir=str(tmp_path / "peer"), per_device_train_batch_size=8, report_to=[], bf16=False, use_cpu=True,
            gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=ours.model.peft_config["default"],
    )  # fmt: skip
    others = {name: parameter for name, parameter in peer.model.named_parameters() if parameter.requires_grad}
    assert others.keys() == mine.keys()
    for name, parameter in others.items():
        parameter.data = mine[name].data.clone()
    their_loss = peer.compute_loss(peer.model, peer.data_collator(rows))
    their_loss.backward()
    assert float(loss.detach()) == pytest.approx(float(their_loss.detach()), abs=1e-5)
    assert float(loss.detach()) != pytest.approx(0.693147 if method == "dpo" else 0.5, abs=1e-5)
    for name, parameter in others.items():
        torch.testing.assert_close(mine[name].grad, parameter.grad, rtol=1e-3, atol=1e-6)


def test_imitation_beside_dpo_is_trls(tmp_path: Path) -> None:
    """TRL takes the mean over the tokens of a batch, RPO that of each answer: of one pair both are the same."""
    ours = trainer_for(tmp_path, "dpo", rpo_alpha=0.7)
    ours.data.train.weights[:] = 1
    one_by_one = []
    for alpha in (0.0, 0.7):
        ours.options = replace(ours.options, rpo_alpha=alpha)
        one_by_one.append(float(ours.compute_loss(ours.model, ours.collate([{"example": 3}])).detach()))
    chosen = ours.data.train.documents[3, 0]
    likelihood = float(likelihoods_of(ours, [chosen])[0])
    documents = ours.data.documents
    learned = documents.learned[documents.offsets[chosen] : documents.offsets[chosen + 1]].sum()
    assert one_by_one[1] - one_by_one[0] == pytest.approx(-0.7 * likelihood / learned, abs=1e-4)
    assert (ours.args.loss_type, ours.args.loss_weights) == (["sigmoid", "sft"], [1.0, 0.7])


def test_imitation_reads_no_other_answers(tmp_path: Path) -> None:
    """Neither those that lost nor, before the training, those that are learned."""
    ours = trainer_for(tmp_path, "sft")
    read = np.isfinite(ours.reference.numpy())
    assert sorted(np.flatnonzero(read)) == sorted(ours.data.held_out.documents.flatten())
    assert len(ours.data.documents) == len(ours.data.train) + 2 * len(ours.data.held_out)
    loss = ours.compute_loss(ours.model, ours.collate([{"example": e} for e in range(4)]))
    documents, numbers = ours.data.documents, ours.data.train.documents[:4, 0]
    learned = [documents.learned[documents.offsets[d] : documents.offsets[d + 1]].sum() for d in numbers]
    expected = -likelihoods_of(ours, numbers) / learned * ours.data.train.weights[:4]
    assert float(loss.detach()) == pytest.approx(float(expected.mean()), abs=1e-4)


@pytest.mark.parametrize("method", ["dpo", "kto", "sft"])
def test_what_is_learned_again_has_its_share_of_the_loss_and_of_the_tokens(tmp_path: Path, method: str) -> None:
    ours = trainer_for(tmp_path, method, replay=0.4)
    inputs = ours.collate([{"example": e} for e in range(8)])
    alone = float(ours.compute_loss(ours.model, inputs).detach())
    read = ours.done.tokens
    samples = [
        Sample(
            f"a-{n}",
            "a",
            "art",
            f"row:{n}",
            (Message("user", f"Who is {n}?"), Message("assistant", "A painter.")),
            "MIT",
        )
        for n in range(40)
    ]
    base = tiny_base()
    ours.replay = choose_replay(
        samples, base.encode_batch, base.chat_form(), "answers", each=read * 0.4 / 0.6, batches=3, max_tokens=64, seed=1
    )
    ours.done.losses.clear()
    mixed = float(ours.compute_loss(ours.model, inputs).detach())
    again = ours.done.tokens - 2 * read
    assert again / (read + again) == pytest.approx(0.4, abs=0.05)
    numbers, documents = ours.replay.numbers(0), ours.replay.documents
    ours.data = replace(ours.data, documents=documents)
    likelihood = float(likelihoods_of(ours, numbers).sum())
    assert mixed == pytest.approx(0.6 * alone - 0.4 * likelihood / ours.replay.learned, abs=1e-4)


def test_likelihoods_are_those_of_each_text_by_itself(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, "dpo")
    documents = trainer.data.documents
    found = likelihoods_of(trainer, np.arange(6))
    for number in range(6):
        part = slice(documents.offsets[number], documents.offsets[number + 1])
        ids = torch.from_numpy(documents.tokens[part].astype(np.int64))
        logits = trainer.packed.model(input_ids=ids[None]).logits[0, :-1]
        each = F.log_softmax(logits, -1).gather(1, ids[1:, None])[:, 0]
        assert found[number] == pytest.approx(float(each[documents.learned[part][1:]].sum()), abs=1e-3)


def test_what_many_votes_are_on_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of Model 1 to a question of the study comes again in vote after vote."""
    trainer = trainer_for(tmp_path, "dpo")
    documents, read = trainer.data.documents, []
    monkeypatch.setattr(
        "training.loop.preference.log_likelihoods",
        lambda model, texts: read.append(texts.texts) or log_likelihoods(model, texts),
    )
    found = likelihoods_of(trainer, np.arange(len(documents)))
    texts = [bytes(documents.tokens[a:b]) for a, b in pairwise(documents.offsets)]
    assert sum(read) == len(set(texts)) < len(texts)
    assert len({(text, float(value)) for text, value in zip(texts, found, strict=True)}) == len(set(texts))
    single = [float(likelihoods_of(trainer, [number])[0]) for number in (0, len(texts) - 1)]
    assert found[[0, -1]] == pytest.approx(single, abs=1e-3)


def test_a_vote_counts_as_often_as_it_weighs(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, "dpo")
    each = []
    for e in range(4):
        trainer.data.train.weights[:] = 1
        each.append(float(trainer.compute_loss(trainer.model, trainer.collate([{"example": e}]))))
    weights = np.array([3, 0.5, 0.5, 0], np.float32)
    trainer.data.train.weights[:4] = weights
    loss = trainer.compute_loss(trainer.model, trainer.collate([{"example": e} for e in range(4)]))
    assert float(loss.detach()) == pytest.approx(float(np.dot(weights, each) / 4), abs=1e-5)


def test_the_reference_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_for(tmp_path, "dpo")
    monkeypatch.setattr("training.loop.preference.likelihoods_of", lambda *arguments: pytest.fail("read again"))
    assert torch.equal(reference_likelihoods(trainer, "tiny dpo", Progress()), trainer.reference)
    with pytest.raises(pytest.fail.Exception):
        reference_likelihoods(trainer, "other weights", Progress())


@pytest.mark.parametrize("damage", [b"", b"half", b"\x93NUMPY", None])
def test_likelihoods_that_were_kept_and_are_damaged_are_read_anew(tmp_path: Path, damage: bytes | None) -> None:
    trainer = trainer_for(tmp_path, "dpo")
    path = max((cache_folder() / "likelihoods").glob("*.npy"), key=lambda path: path.stat().st_mtime)
    np.save(path, np.zeros(3, np.float32))
    if damage is not None:
        path.write_bytes(damage)
    found = reference_likelihoods(trainer, "tiny dpo", Progress())
    assert torch.equal(found, trainer.reference)
    assert np.array_equal(np.load(path), trainer.reference.numpy())


def test_a_cache_that_cannot_be_written_costs_the_kept_likelihoods_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = trainer_for(tmp_path, "dpo")
    (tmp_path / "no folder").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no folder"))
    found = reference_likelihoods(trainer, "nowhere to keep it", Progress())
    assert found.numpy() == pytest.approx(trainer.reference.numpy(), abs=1e-5)
    assert "the likelihoods are not kept: " in capsys.readouterr().err


def test_a_full_disk_costs_the_kept_likelihoods_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def full(path: Path, values: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    trainer = trainer_for(tmp_path, "dpo")
    monkeypatch.setattr(np, "save", full)
    with trainer.model.disable_adapter():
        expected = likelihoods_of(trainer, np.arange(len(trainer.data.documents)))
    found = reference_likelihoods(trainer, "a full disk", Progress())
    assert found.numpy() == pytest.approx(expected, abs=1e-5)
    assert "not kept (No space left on device)" in capsys.readouterr().err
    assert not list((cache_folder() / "likelihoods").glob("*.partial.npy"))
