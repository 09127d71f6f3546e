"""The page while the models are prepared: times are never rounded down, a curve is told in words too."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from app.demo_training import Step
from app.language import speaking
from app.waiting import in_words, waiting
from training.common.progress import State

LOOKS = [(0.0, 2.99), (9.0, 1.62), (31.0, 0.7)]


def test_a_time_that_is_to_come_is_never_rounded_down() -> None:
    assert [in_words(seconds) for seconds in (0, 11, 89, 91, 121, 1200)] == [
        "5 s", "15 s", "90 s", "2 min", "3 min", "20 min",
    ]  # fmt: skip


def points(html: str) -> list[tuple[float, float]]:
    line = re.search(r'class="score" points="([^"]*)"', html)
    assert line is not None
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line[1].split())]


def test_the_curve_goes_down_to_its_goal_and_leaves_room_for_the_time_to_come() -> None:
    run = State(
        "train", step=40, steps=80, loss=3.25, seconds_left=31.0, seconds_at_most=900.0, looks=LOOKS, target=0.1
    )
    run = replace(run, question="What?", answer="of of")
    running = Step("A model", "running", "Training", run)
    (_, first), (_, second), (now, third) = points(waiting([running], ""))
    assert first < second < third, "down the page"
    assert now == pytest.approx((40 + 628) / 2, abs=1), "half of the time lies behind"
    goal = re.search(r'class="goal" x1="40" x2="628" y1="([\d.]+)"', waiting([running], ""))
    assert goal is not None
    assert float(goal[1]) > third
    done = Step("A model", "done", run=replace(run, answer="Art."))
    assert points(waiting([done], ""))[-1][0] == 628
    assert "What it answers to “What?”" in waiting([done], "")


@pytest.mark.parametrize("looks", [[(0.0, 2.9)], [(0.0, 0.1)], [(5.0, 1e-9), (6.0, 1e9)]])
@pytest.mark.parametrize("target", [None, 0.1])
def test_any_scores_can_be_drawn(looks: list[tuple[float, float]], target: float | None) -> None:
    html = waiting([Step("A model", "running", "Training", State(looks=looks, target=target))], "")
    assert all(14 - 1 <= y <= 190 + 1 for _, y in points(html))
    assert "nan" not in html


def test_the_curve_s_numbers_are_written_as_the_page_s_language_writes_them() -> None:
    run = State("train", looks=LOOKS, target=0.1)
    for code, mark in (("en", "."), ("de", ",")):
        with speaking(code):
            html = waiting([Step("A model", "running", "Training", run)], "")
        assert f">0{mark}5</text>" in html, "at the axis"
        assert f"0{mark}70 " in html, "in words"


def test_a_standstill_says_why_and_who_goes_on() -> None:
    run = State("done", step=80, steps=80, looks=LOOKS, target=0.1, question="What?", answer="<i>of</i>")
    weak = Step("A model", "weak", run=run)
    html = waiting([weak], "Model 1 <has> not learned", can_go_on=True)
    assert "Model 1 &lt;has&gt; not learned." in html
    assert 'href="admin/"' in html
    assert "&lt;i&gt;of" in html
    assert "Has not learned enough yet" in html
    assert 'aria-valuenow="0"' in html
    assert "admin" not in waiting([weak], "no such model")
