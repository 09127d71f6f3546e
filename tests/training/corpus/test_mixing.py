"""How often each source is seen, and the card that tells it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from training.corpus import CorpusError, load, mixing, weighted_sources
from training.corpus.__main__ import main
from training.corpus.card import DataCard
from training.corpus.sample import Message, Sample
from training.data.dataset import load_dataset


def times(samples: list[Sample]) -> Counter[str]:
    return Counter(sample.id for sample in samples)


def test_weights_follow_names_paths_and_groups(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b=3"):
        (tmp_path / name).write_text('{"text": "a"}\n')
    found = weighted_sources(["embedded=0.5", "art=2", "squad-v2", f"{tmp_path}=1.5"])
    assert found == {"art": 2, "ai-literacy": 0.5, "conversation": 0.5, "squad-v2": 1, tmp_path / "a.jsonl": 1.5}
    with pytest.raises(CorpusError, match="the format is not known"):  # a file's own name, not a weight
        weighted_sources([str(tmp_path / "b=3")])


@pytest.mark.parametrize("entry", ["art=0", "art=-1", "art=nan", "art=inf", "art=101", "art=", "art=two", "=2"])
def test_a_weight_that_is_none_is_refused_in_one_line(entry: str) -> None:
    with pytest.raises(CorpusError) as raised:
        weighted_sources([entry])
    assert str(raised.value).startswith(f"{entry}: the weight ")
    assert "above 0 and at most 100" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_weight_repeats_and_thins_training_samples_and_leaves_the_held_out_ones() -> None:
    once = load_dataset(["conversation"], None, 400)
    whole = times(once.train)
    assert set(whole.values()) == {1}
    for weight, least, most in ((3.0, 3, 3), (0.25, 0, 1), (1.5, 1, 2)):
        weighted = load_dataset([f"conversation={weight}"], None, 400)
        seen = times(weighted.train)
        assert set(seen) <= set(whole)
        assert {seen[sample] for sample in whole} == set(range(least, most + 1))
        assert seen.total() == pytest.approx(weight * whole.total(), rel=0.1)
        assert weighted.held_out == once.held_out


def test_the_part_that_a_weight_leaves_does_not_depend_on_other_samples() -> None:
    everything = load(["conversation"])
    chosen = {sample.id for sample in everything if mixing.copies(sample, 0.3)}
    assert {sample.id for sample in everything[::2] if mixing.copies(sample, 0.3)} == chosen & {
        sample.id for sample in everything[::2]
    }
    assert chosen < {sample.id for sample in everything if mixing.copies(sample, 0.6)}


def sample(number: int, source: str, area: str = "art") -> Sample:
    messages = (Message("user", "Why?"), Message("assistant", "x" * number))
    return Sample(f"{source}-{number}", source, area, f"row:{number}", messages, "CC0-1.0 | CC-BY")


def test_the_card_counts_what_it_is_given() -> None:
    card = DataCard(["a=2", "b"])
    card.add(sample(6, "a"), "train", 2)
    card.add(sample(16, "b", "ai"), "train", 1)
    card.add(sample(20, "b"), "new_fact", 1)
    card.cleaning.read.update(["a", "b", "b", "b", "c"])
    card.cleaning.add_removed("markup", ["b", "c"])
    content = card.as_dict()
    assert (content["samples"], content["characters"], content["samples_per_epoch"]) == (3, 54, 3)
    assert content["splits"] == {"train": 2, "new_fact": 1}
    assert content["areas"] == {"art": 2, "ai": 1}
    assert content["removed"] == {"markup": 2}
    a, b, c = content["sources"]
    assert (a["share"], b["share"], c["share"]) == (0.5, 0.5, 0.0)
    assert (b["rows"], b["samples"], b["removed"], b["splits"]["new_fact"]) == (3, 2, {"markup": 1}, 1)
    assert (c["name"], c["rows"], c["samples"]) == ("c", 1, 0)
    page = card.markdown()
    assert "| a | CC0-1.0 \\| CC-BY | art | 1 | 1 | 10 | 2 | 50.0% |" in page
    assert "| b | markup | 1 |" in page


def test_the_cards_hash_is_that_of_the_samples() -> None:
    def hashed(*numbers: int, copies: int = 1) -> str:
        card = DataCard(["a"])
        for number in numbers:
            card.add(sample(number, "a"), "train", copies)
        return card.as_dict()["sha256"]

    assert hashed(1, 2) == hashed(1, 2)
    assert len({hashed(1, 2), hashed(1), hashed(1, 3), hashed(1, 2, copies=2)}) == 4


def test_a_build_leaves_a_card_of_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "museum.jsonl"
    texts = ["Monet painted water lilies at Giverny.", "Monet painted water lilies at Giverny.", "<b></b><i></i>" * 9]
    rows.write_text(
        "".join(json.dumps({"text": text, "topic": "art/x", "licence": "CC0-1.0"}) + "\n" for text in texts)
    )
    out = tmp_path / "out" / "corpus.jsonl"
    assert main(["build", "--data", "conversation=2", str(rows), "--max-rows", "50", "--out", str(out)]) == 0
    assert "kept 51 of 53 samples" in capsys.readouterr().out
    card = json.loads((out.parent / "corpus.data_card.json").read_text(encoding="utf-8"))
    conversation, museum = card["sources"]
    assert card["data"] == ["conversation=2", str(rows)]
    assert conversation["samples_per_epoch"] == 2 * conversation["splits"]["train"]
    assert (museum["rows"], museum["samples"], museum["licences"]) == (3, 1, ["CC0-1.0"])
    assert museum["removed"]["exact duplicate"] == 1
    assert sum(museum["removed"].values()) == 2
    assert sum(card["splits"].values()) == card["samples"] == len(out.read_text(encoding="utf-8").splitlines())
    assert "museum" in (out.parent / "corpus.data_card.md").read_text(encoding="utf-8")


def test_files_of_one_name_have_weights_of_their_own(tmp_path: Path) -> None:
    for folder, who in (("a", "Goya"), ("b", "Klee")):
        (tmp_path / folder).mkdir()
        rows = (json.dumps({"question": f"Who made {folder}{n}?", "answer": f"{who} did."}) for n in range(20))
        (tmp_path / folder / "train.jsonl").write_text("\n".join(rows))
    data = [f"{tmp_path / 'a'}=3", str(tmp_path / "b")]
    dataset = load_dataset(data, None, 100)
    seen = Counter(sample.source for sample in dataset.train)
    assert seen.keys() == {"a/train", "b/train"}
    assert seen["a/train"] > 2 * seen["b/train"]
    alone = load([str(tmp_path / "a")])
    assert {sample.source for sample in alone} == {"train"}
    assert {sample.id for sample in alone} < {sample.id for sample in load(data)}, (
        "ids never change with what else is read"
    )


def test_a_built_file_with_another_weight_than_its_source_is_refused(tmp_path: Path) -> None:
    assert main(["build", "--data", "conversation", "--max-rows", "20", "--out", str(tmp_path / "c.jsonl")]) == 0
    with pytest.raises(CorpusError, match="holds samples of conversation with the weight 2, and those before have 1"):
        load_dataset(["conversation", f"{tmp_path / 'c.jsonl'}=2"], None, 100)
