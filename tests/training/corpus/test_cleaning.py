"""Each rule removes what it is for and nothing like the rows of real sources, and says how many."""

from __future__ import annotations

from collections import Counter

import pytest

from training.corpus import embedded
from training.corpus.cleaning import RULES, CleaningReport, clean, why_removed
from training.corpus.sample import Message, Sample

SENTENCE = "The painter mixed lead white with a little oil, and laid it over the darker ground in thin strokes. "


def prose(text: str, fact: str = "row:1") -> Sample:
    return Sample("id", "notes", "art", fact, (Message("text", text),), "MIT")


def chat(question: str, answer: str) -> Sample:
    return Sample("id", "quiz", "art", "row:1", (Message("user", question), Message("assistant", answer)), "MIT")


@pytest.mark.parametrize(
    ("reason", "sample"),
    [
        ("says nothing", chat("Who painted it?", "...")),
        ("says nothing", chat("  ", "Nobody knows.")),
        ("says nothing", chat("Who painted it?", "\u3164 \u2800\uffa0")),  # letters by their class that nobody sees
        ("too short", prose("Chapter 4")),
        ("too long", prose(SENTENCE * 1200)),
        ("not text", prose(f"{SENTENCE}\x00\x01")),
        ("not text", prose(f"Jos\ufffd de Ribera. {SENTENCE}")),
        ("markup", prose('<div class="a"><p>Home</p><a href="/art">Art</a></div> A museum.')),
        ("repetitive", prose("Click here to read more. " * 40)),
        ("symbols", prose("+---+---+---+ | | | | +---+---+---+ ==== #### **** ---- ____ ....")),
        ("other script", prose("Импрессионизм возник во Франции, and that is all.")),
    ],
)
def test_a_rule_removes_what_it_is_for(reason: str, sample: Sample) -> None:
    assert why_removed(sample) == reason


@pytest.mark.parametrize(
    "sample",
    [
        chat("Three of these animals hibernate. Which one does not?\nA) Mouse\nB) Sloth\nC) Frog\nD) Snake", "Sloth"),
        chat("Which is arithmetic?\nA) 1, 1, 2, 3, 5...\nB) 2, 4, 8, 16...\nC) 2, 4, 6, 8...", "2, 4, 6, 8..."),
        chat("When was “A Fishing Boat” by Ōide Tōkō made?", "It was made in 1929."),
        chat("Are you sure?", "Yes 🙂"),
        prose(f"If $X \\sim \\textrm{{Bernoulli}}(p)$, then $\\mu_X = p$ for a < b. {SENTENCE}"),
        prose("Use `<b>` for bold type and `&amp;` for an ampersand. " + SENTENCE),
        prose(SENTENCE * 2),
    ],
)
def test_rows_like_those_of_real_sources_stay(sample: Sample) -> None:
    assert why_removed(sample) is None


def test_what_was_removed_is_counted_by_reason_and_source() -> None:
    report = CleaningReport()
    samples = [chat("Who?", "Picasso."), chat("Who?", "?"), prose("Page 3"), prose("Page 4"), prose(SENTENCE)]
    assert [s.answer for s in clean(samples, report)] == ["Picasso.", SENTENCE]
    assert report.read == {"quiz": 2, "notes": 3}
    assert report.removed == {"says nothing": {"quiz": 1}, "too short": {"notes": 2}}
    assert str(report) == "kept 2 of 5 samples; removed 1 says nothing, 2 too short"
    twice = CleaningReport.from_dict(report.as_dict())
    twice.add(report)
    assert (twice.total_read, twice.total_removed) == (10, 6)
    assert twice.removed_from("notes") == 4


def test_the_embedded_corpus_is_never_touched_and_would_pass_all_the_same() -> None:
    assert why_removed(prose("Chapter 4", fact="exchange:greeting")) is None
    for sample in embedded.samples("conversation")[::17]:
        text = "\n".join(message.content for message in sample.messages)
        assert [name for name, breaks in RULES.items() if breaks(sample, text)] == []


def test_a_warning_counts_the_reasons_of_the_sources_that_it_names() -> None:
    report = CleaningReport(Counter(poor=10, rich=1000))
    report.add_removed("exact duplicate", ["poor", "poor", *["rich"] * 9])
    report.add_removed("markup", ["rich"])
    assert report.warning() == (
        "WARNING: nothing is learned from 2 of 10 rows of poor (20%): 2 exact duplicate. Look at these rows before you "
        "train."
    )
    assert str(report) == "kept 998 of 1,010 samples; removed 1 markup, 11 exact duplicate"
