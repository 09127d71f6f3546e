"""Copies go and different facts stay, in the shapes that museums' and web sites' rows have."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from training.common.workers import Workers
from training.corpus import duplicates
from training.corpus.cleaned import cleaned
from training.corpus.duplicates import DuplicateSearch, fingerprint
from training.corpus.sample import Message, Sample, sample_id

LECTURE = (
    "In this lecture, held on October 27 in conjunction with the month-long programme Sketching is Seeing, Charles "
    "Ritchie presents varied approaches to collecting ideas. Do artists fill a sketchbook from front to back, or do "
    "they open it to an empty space and begin working? Does writing accompany the drawings, and how might it relate to "
    "the images? Are the drawings employed for developing skill, or are they compost for the creation of other works?"
)


def sample(*texts: str, fact: str = "") -> Sample:
    roles = ("text",) if len(texts) == 1 else ("user", "assistant")
    messages = tuple(Message(role, text) for role, text in zip(itertools.cycle(roles), texts, strict=False))
    identity = sample_id("museum", messages)
    return Sample(identity, "museum", "art", fact or f"row:{identity}", messages, "CC0-1.0")


def kept(samples: Sequence[Sample]) -> tuple[list[int], dict[str, int]]:
    with cleaned(samples) as corpus:
        return np.flatnonzero(~corpus.removed).tolist(), corpus.report.by_reason()


def artwork(title: str, artist: str, year: int, medium: str = "charcoal on laid paper") -> Sample:
    return sample(
        f"Tell me about “{title}” by {artist}.",
        f"“{title}” is a drawing or watercolour by the American artist {artist} (1840–1905), made in {year}. "
        f"Its medium is {medium}. It is in the collection of the Carnegie Museum of Art, Pittsburgh (Carnegie Fund).",
    )


def test_exact_copies_go_the_first_one_stays() -> None:
    samples = [
        sample("Who painted it?", "Manet."),
        sample("Who  painted it? ", "Manet."),
        sample("It is by Manet, of Paris."),
    ]
    assert kept(samples) == ([0, 2], {"exact duplicate": 1})


@pytest.mark.parametrize(
    "copy",
    [
        LECTURE.replace("?", "...").replace(",", " ,"),
        LECTURE.replace("varied approaches", "various ways"),
        LECTURE.replace(", or do they", "; or do they").replace("programme", "program"),
    ],
)
def test_a_text_that_differs_in_little_is_a_near_duplicate(copy: str) -> None:
    assert kept([sample(LECTURE), sample("Something else altogether, and quite short."), sample(copy)]) == (
        [0, 1],
        {"near duplicate": 1},
    )


def test_rows_of_one_template_are_different_facts() -> None:
    samples = [
        artwork("Old Trees", "Robert Swain Gifford", 1883),
        artwork("Old Mills", "Robert Swain Gifford", 1883),
        artwork("Old Trees", "Robert Swain Clifford", 1883),
        artwork("Old Trees", "Robert Swain Gifford", 1884),
        sample("What nationality was Lemuel Abbott?", "Lemuel Abbott was British."),
        sample("What nationality was Edwin Abbey?", "Edwin Abbey was British."),
        sample("When was “Old Trees” made?", "It was made in 1883."),
        sample("When was “Old Trees” made?", "It was made in 1884."),
    ]
    assert kept(samples) == (list(range(len(samples))), {})


def test_a_long_text_with_another_name_is_a_copy_and_a_short_one_is_not() -> None:
    long = " ".join(f"{LECTURE} Part {part} follows after a pause." for part in ("one", "two", "three"))
    assert kept([sample(long), sample(long.replace("October 27", "October 28", 1))])[1] == {"near duplicate": 1}
    assert kept([sample(LECTURE), sample(LECTURE.replace("October 27", "October 28"))])[1] == {}


def test_prose_and_the_question_made_from_it_both_stay() -> None:
    assert kept([sample(LECTURE), sample("What is the lecture about?", LECTURE)])[1] == {}


def test_wordings_of_the_embedded_corpus_stay() -> None:
    wordings = ["Who painted Guernica?", "who painted guernica", "Who painted Guernica"]
    told = "Guernica is a large painting in grey, black and white that Pablo Picasso made after the bombing of a town."
    samples = [sample(wording, f"{told} {told}", fact="work:Guernica/artist") for wording in wordings]
    assert kept(samples)[1] == {}


def test_the_estimate_is_close_to_the_jaccard_similarity() -> None:
    words = [f"word{i}" for i in range(1200)]
    texts = [sample(" ".join(words)), sample(" ".join(words[:1000] + [f"other{i}" for i in range(200)]))]
    one, two = fingerprint(texts).signatures
    shared, all_of_them = 996, 1196 + 200
    assert (one == two).mean() == pytest.approx(shared / all_of_them, abs=0.12)


def test_the_same_rows_are_removed_however_they_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lectures = [sample(f"{LECTURE} It was the {n} of {m} lectures.") for n in ("first", "second") for m in range(40)]
    samples = [*lectures, *lectures[::3], *(artwork("Old Trees", "R. Gifford", 1800 + n % 50) for n in range(90))]
    expected = kept(samples)
    assert set(expected[1]) == {"exact duplicate", "near duplicate"}
    monkeypatch.setattr("training.corpus.cleaned.BATCH", 37)
    assert kept(samples) == expected
    monkeypatch.setattr(duplicates, "_word_hashes", duplicates._WordHashes())
    with Workers(1) as workers, cleaned(samples, workers=workers, folder=tmp_path / "work") as corpus:
        assert [s.id for s in corpus] == [samples[i].id for i in expected[0]]
    assert not (tmp_path / "work").exists()


def test_nothing_is_found_among_nothing(tmp_path: Path) -> None:
    with DuplicateSearch(tmp_path) as search:
        assert search.find().tolist() == []
    assert kept([]) == ([], {})
