"""The course of a run, followed from scores alone: when the rate falls, how a run ends, and the time foretold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from training.loop.course import Course
from training.settings.common import TrainingOptions

OPTIONS = TrainingOptions(
    max_seconds=1200.0,
    target_bits_per_byte=0.1,
    schedule="wsd",
    fall_within=2.0,
    warmup=0.03,
    decay=0.2,
    min_lr_ratio=0.02,
)
PLAN = 400
Score = Callable[[int, Course], float]


def follow(
    course: Course, score: Score, seconds_a_step: Callable[[int], float] = lambda step: 0.3
) -> Iterator[tuple[int, float, float, float]]:
    """A run as the loop drives it: steps, seconds, the rate of the step and the seconds left that are foretold."""
    steps, seconds = 0, 0.0
    course.look(0, 0.0, score(0, course))
    while course.behind(steps, seconds) < 1:
        rate = course.multiplier(steps, seconds)
        steps, seconds = steps + 1, seconds + seconds_a_step(steps)
        yield steps, seconds, rate, course.left(steps, seconds)[1]
        if course.is_look_due(steps):
            now = score(steps, course)
            course.look(steps, seconds, now)
            if course.is_near(steps, now):
                return
        if course.is_fall_over(steps):
            course.rise_again(steps, score(steps, course))


def falling(steps: int, course: Course, stays: float = 0.0) -> float:
    """Scores like those of Model 1's demo: a rate that has fallen is worth half of what is left."""
    start = course.decided.falls_from
    gain = 1.0
    if start is not None:
        gain = 0.4 ** min(1.0, (steps - start) / course._fall_steps)
    return max(stays, 3.0 * math.exp(-steps / 60) * gain)


def test_the_rate_stays_at_its_peak_until_the_target_is_near_and_then_falls() -> None:
    course = Course(OPTIONS, PLAN)
    run = list(follow(course, falling))
    assert course.decided.falls_from is not None
    rates = {steps: rate for steps, _, rate, _ in run}
    start = course.decided.falls_from
    assert all(rates[steps] == 1.0 for steps in range(20, start + 1))
    assert rates[max(rates)] < 0.35
    assert course.decided.looks[-1].bits_per_byte <= 0.1
    assert max(rates) < 0.75 * PLAN, "sooner than the plan's end"


def test_a_fall_that_misses_the_target_is_followed_by_another_from_a_lower_score() -> None:
    course = Course(OPTIONS, 2000)
    missed: list[float] = []

    def score(steps: int, course: Course) -> float:
        if not course.decided.lap_from:
            return falling(steps, course, stays=0.13)
        missed.append(course.decided.missed)
        return falling(steps, course)

    run = list(follow(course, score))
    assert missed[0] == pytest.approx(0.1 / 0.13)
    assert course.decided.looks[-1].bits_per_byte <= 0.1
    lap = course.decided.lap_from
    rates = {steps: rate for steps, _, rate, _ in run}
    assert rates[lap] < 0.1
    assert max(rates[steps] for steps in rates if steps > lap) == 1.0
    assert run[-1][0] > lap


@pytest.mark.parametrize(("seconds_a_step", "end"), [(17.0, "time"), (0.3, "steps")])
def test_whatever_ends_a_run_its_rate_has_fallen(seconds_a_step: float, end: str) -> None:
    course = Course(OPTIONS, PLAN)
    run = list(follow(course, lambda steps, course: 2.0, lambda step: seconds_a_step))
    steps, seconds, rate, _ = run[-1]
    assert rate < 0.15
    assert max(rate for _, _, rate, _ in run) == 1.0
    assert (seconds >= 1200) == (end == "time")
    assert (steps == PLAN) == (end == "steps")


def test_a_run_that_time_ended_has_as_much_again() -> None:
    course = Course(OPTIONS, PLAN)
    *_, (steps, seconds, _, _) = follow(course, lambda steps, course: 2.0, lambda step: 17.0)
    assert course.behind(steps, seconds) >= 1
    course.go_on(steps, seconds)
    assert course.behind(steps, seconds) == pytest.approx(steps / PLAN)
    assert course.until_limit(seconds) == 1200
    assert course.multiplier(steps + 5, seconds + 10) > 0.4


def test_looks_depend_on_steps_alone_and_come_soon() -> None:
    course = Course(OPTIONS, PLAN)
    due = [steps for steps in range(1, PLAN) if course.is_look_due(steps)]
    assert due[:5] == [2, 4, 8, 17, 34]
    assert len(due) == OPTIONS.looks + 2
    assert not any(Course(replace(OPTIONS, target_bits_per_byte=None), PLAN).is_look_due(steps) for steps in due)


def test_a_fall_is_looked_at_more_often_where_the_run_may_end() -> None:
    course = Course(replace(OPTIONS, looks=10), PLAN)
    start = next(steps for steps in range(PLAN // 2, PLAN) if course.is_look_due(steps))
    course.look(start, 1.0, OPTIONS.target_bits_per_byte or 0.0)
    end = next(steps for steps in range(start, PLAN) if course.is_fall_over(steps))
    middle = start + (end - start) / 2
    due = [steps for steps in range(start + 1, end + 1) if course.is_look_due(steps)]
    assert all(steps >= middle for steps in due), "no score there could end the run"
    assert len(due) >= 3
    assert due[-1] == end
    assert not course.is_near(int(middle) - 1, 0.0)
    assert course.is_near(due[0], 0.0)


def test_without_a_target_the_rate_follows_the_limits() -> None:
    course = Course(replace(OPTIONS, target_bits_per_byte=None, max_seconds=None, decay=0.5), 100)
    assert course.multiplier(1, 0.0) == pytest.approx(0.01 / 0.03)
    assert [course.multiplier(steps, 0.0) for steps in (10, 50)] == [1.0, 1.0]
    assert course.multiplier(99, 0.0) < 0.05
    assert course.left(50, 100.0)[0] == 50


# Seconds a step of runs of the demo on two cores, and what they become when another program begins.
PACES: dict[str, Callable[[int], float]] = {
    "fast": lambda step: 0.25,
    "slow": lambda step: 2.4,
    "slows down": lambda step: 1.0 if step < 90 else 1.7,
    "slows down bit by bit": lambda step: 1.0 + step / 250,
    "warms up": lambda step: 6.0 if step < 4 else 0.5,
    "uneven": lambda step: 0.6 if step % 20 else 8.0,
}


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("half", [42, 60, 80])
def test_the_time_left_is_never_told_too_short(pace: str, half: int) -> None:
    """After the first minute it is at most 1.5 times too optimistic, and it is not told as far too long either."""

    def score(steps: int, course: Course) -> float:
        return falling(steps * 60 // half, course) * (1 + 0.06 * math.sin(steps))

    course = Course(OPTIONS, PLAN)
    run = list(follow(course, score, PACES[pace]))
    end = run[-1][1]
    for _, seconds, _, left in run:
        if seconds >= 60 and end - seconds > 1:
            assert left >= (end - seconds) / 1.5, (
                f"{left:.0f} s foretold after {seconds:.0f} s, {end - seconds:.0f} were"
            )
    middle = next((seconds, left) for _, seconds, _, left in run if seconds >= end / 2)
    assert middle[1] <= 3.5 * (end - middle[0])


def test_a_score_that_is_no_number_ends_no_run() -> None:
    course = Course(OPTIONS, PLAN)
    for step, score in ((20, 2.0), (40, 1.0), (60, math.inf), (80, math.nan)):
        course.look(step, float(step), score)
        steps_left, seconds_left = course.left(step, float(step))
        assert 0 < steps_left <= PLAN
        assert math.isfinite(seconds_left)
    course.look(100, 100.0, 0.15)
    course.rise_again(110, math.inf)
    course.look(300, 300.0, 0.15)
    assert course.decided.falls_from == 300, "the next fall begins where this one did"


def test_a_fall_over_the_whole_run_has_no_place_for_a_target() -> None:
    whole = replace(OPTIONS, warmup=0.0, decay=1.0)
    assert whole.problems() == ["decay=1 must be below 1 with a target, near which the fall begins"]
    assert replace(whole, target_bits_per_byte=None).problems() == []
