"""Figures about answers, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from training.corpus.sample import Message, Sample
from training.evaluation import answers
from training.evaluation.subjects import Answer, Chat, Unavailable


def sample(question: str, answer: str, source: str = "") -> Sample:
    messages = (Message("user", question), Message("assistant", answer))
    return Sample(question, "mine", "art", "row:1", messages, "MIT", source)


SAMPLES = [
    sample("Who painted Guernica?", "Pablo Picasso painted Guernica.", "Museo Reina Sofía"),
    sample("What is a fresco?", "A fresco is a painting on wet plaster."),
    sample("Hello!", "Hello! How are you?"),
]
SPLITS = dict.fromkeys((one.id for one in SAMPLES), "new_fact")
PROSE = Sample("p", "mine", "art", "row:2", (Message("text", "A painting."),), "MIT")


class Parrot:
    """Says the reference to the first question, repeats itself at the second and is silent at the third."""

    def answers(self, conversations: Sequence[Chat], max_new_tokens: int) -> list[Answer]:
        assert [list(chat) for chat in conversations] == [[Message("user", s.question)] for s in SAMPLES]
        return [
            Answer(SAMPLES[0].answer, 5, True),
            Answer("a fresco is a fresco is a fresco is", max_new_tokens, False),
            Answer("", 0, True),
        ]


def test_what_is_counted_in_answers() -> None:
    subject: Any = Parrot()
    part = answers.measure(subject, SAMPLES, SPLITS, max_new_tokens=9)
    assert part["n"] == 3
    assert part["stopped"]["estimate"] == pytest.approx(2 / 3)
    assert part["mean_words"]["estimate"] == pytest.approx((4 + 9 + 0) / 3)
    assert part["mean_tokens"]["estimate"] == pytest.approx((5 + 9 + 0) / 3)
    assert part["empty"] == 1
    # Of six runs of four words three are new: "a fresco is a", "fresco is a fresco", "is a fresco is".
    assert part["repetition"]["estimate"] == pytest.approx((0 + 0.5 + 0) / 3)
    assert part["distinct_1"] == pytest.approx(7 / 13)
    assert part["distinct_2"] == pytest.approx(6 / 11)
    # ROUGE-L: of 9 and 8 words the longest common subsequence is "a fresco is a".
    precision, recall = 4 / 9, 4 / 8
    expected = (1 + 2 * precision * recall / (precision + recall) + 0) / 3
    assert part["rouge_l"]["estimate"] == pytest.approx(expected)
    assert 0 < part["bleu"] < 100
    assert "version:" in part["bleu_signature"]
    assert "not measure quality" in part["caution"]
    assert part["examples"][0] == {
        "prompt": SAMPLES[0].question, "answer": SAMPLES[0].answer, "reference": SAMPLES[0].answer,
        "split": part["examples"][0]["split"], "stopped": True, "look_up": "Museo Reina Sofía",
    }  # fmt: skip
    assert "look_up" not in part["examples"][1]


def test_questions_are_chats_of_one_question_chosen_by_hash() -> None:
    turns = (*SAMPLES[0].messages, Message("user", "When?"), Message("assistant", "In 1937."))
    longer = Sample("longer", "mine", "art", "row:3", turns, "MIT")
    chosen = answers.questions([PROSE, longer, *SAMPLES], 2)
    assert len(chosen) == 2
    assert set(chosen) < set(SAMPLES)
    assert answers.questions([*SAMPLES][::-1], 2) == chosen
    assert answers.questions([PROSE, longer]) == [longer]
    subject: Any = Parrot()
    with pytest.raises(Unavailable, match="only prose"):
        answers.measure(subject, answers.questions([PROSE]), {})
