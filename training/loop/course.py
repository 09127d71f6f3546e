"""The course of a run: how far it is, its learning rate, the scores on its way to a target, and the time left.

Nothing here computes with a model, so a whole run can be followed from its recorded scores alone.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from training.settings.common import TrainingOptions

PACE_MARGIN = 1.2
"""What a foretold time allows for: a run that becomes slower by as much is foretold rightly."""
STEPS_MARGIN = 1.35
"""The same for the steps until the rate falls: scores come down more slowly towards the end of a straight line."""
RECENT = 0.25
"""The share of the time behind in which a run's present pace is measured."""
FIRST_STEPS = 4
FEW_EVALUATIONS, STEPS_OF_EVALUATION = 4, 10
"""A run is evaluated at most every ten steps, unless that would be fewer than four times: 50 evaluations of a run of
45 steps would take longer than its training."""


class Look(NamedTuple):
    """A score on the way: of some held-out samples, after so many optimizer steps and seconds of the run."""

    step: int
    seconds: float
    bits_per_byte: float


@dataclass
class Decisions:
    """What has been decided and seen so far; it is a part of a training state, so that a run goes on with it."""

    looks: list[Look] = field(default_factory=list)  # the scores on the way
    falls_from: int | None = None  # the step from which the rate falls towards the target; None before that
    lap_from: int = 0  # the step at which the rate last began to rise: 0, or the end of a fall that missed the target
    missed: float = 1.0  # target / score of the falls that missed it; the next one begins at a score lower by as much
    ceiling_from: float = 0.0
    """The seconds of the run from which ``max_seconds`` counts: those of a run that it ended and that goes on are
    counted anew."""


class Course:
    """Where a run is between its first step and its last one.

    Without a target it ends after ``max_steps``, or after ``max_seconds`` where they are nearer, and the rate follows
    the share of the run that lies behind. With a target, and ``schedule=wsd``, the rate stays at its peak until the
    score is within ``fall_within`` of it, and then falls over a share ``decay`` of the run. A fall that ends above the
    target is followed by another rise. So the last part of a run is always one with a small rate, whichever end comes.
    """

    def __init__(self, options: TrainingOptions, max_steps: int, decided: Decisions | None = None) -> None:
        self.options, self.max_steps = options, max_steps
        self.decided = decided if decided is not None else Decisions()
        self._begun: tuple[int, float] | None = None
        self._paces: deque[tuple[int, float]] = deque()
        self._timed = 0

    # -- how far -----------------------------------------------------------------------------------------------------

    def behind(self, steps: int, seconds: float) -> float:
        """The share of the run's limits that lies behind, from 0 to 1: of steps or of seconds, whichever is larger."""
        limit = self.options.max_seconds
        by_time = (seconds - self.decided.ceiling_from) / limit if limit else 0.0
        return max(steps / self.max_steps, by_time)

    def is_fall_over(self, steps: int) -> bool:
        return self.decided.falls_from is not None and steps >= self.decided.falls_from + self._fall_steps

    @property
    def _fall_steps(self) -> int:
        """Length of the fall that has begun, so that it is the share ``decay`` of the run at its end."""
        assert self.decided.falls_from is not None
        return self._fall_after(self.decided.falls_from)

    def _fall_after(self, steps: float) -> int:
        return max(1, round(steps * self.options.decay / (1 - self.options.decay)))

    # -- the rate ----------------------------------------------------------------------------------------------------

    def multiplier(self, steps: int, seconds: float) -> float:
        """That of the peak learning rate, for the step that follows."""
        options, behind, decided = self.options, self.behind(steps, seconds), self.decided
        if options.schedule == "cosine":
            return cosine_with_warmup(behind, warmup=options.warmup, floor=options.min_lr_ratio)
        if decided.falls_from is not None:
            fallen = (steps - decided.falls_from) / self._fall_steps
            behind = max(behind, 1 - options.decay * (1 - fallen))
        rate = warmup_stable_decay(behind, warmup=options.warmup, decay=options.decay, floor=options.min_lr_ratio)
        if decided.lap_from:
            rate *= min(1.0, (steps - decided.lap_from + 1) / max(1.0, options.warmup * self.max_steps))
        return rate

    # -- scores -------------------------------------------------------------------------------------------

    def is_evaluation_due(self, steps: int, seconds: float, evaluations: int) -> bool:
        """Whether all held-out samples are to be scored once more, whatever the target: at even distances, or at the
        end."""
        planned = self.options.evaluations if self.options.target_bits_per_byte is None else 1
        planned = min(planned, max(FEW_EVALUATIONS, self.max_steps // STEPS_OF_EVALUATION))
        return self.behind(steps, seconds) >= min(1.0, (evaluations + 1) / planned)

    def is_look_due(self, steps: int) -> bool:
        """Whether a score on the way is due: at even distances, sooner at the beginning and near a fall's end.

        It depends on steps alone, so that a run that was stopped and goes on decides what it would have decided.
        """
        options, start = self.options, self.decided.falls_from
        if options.target_bits_per_byte is None:
            return False
        every = max(1, round(self.max_steps / options.looks))
        if start is not None:
            if self._may_end(steps):
                every = max(1, min(every, self._fall_steps // 5))
            return (steps - start) % every == 0 or self.is_fall_over(steps)
        return steps % every == 0 or steps in (every // 8, every // 4, every // 2)

    def look(self, steps: int, seconds: float, bits_per_byte: float) -> None:
        """Take a score on the way into account: it may be time for the rate to fall."""
        decided, options = self.decided, self.options
        decided.looks.append(Look(steps, seconds, max(bits_per_byte, 1e-9)))
        if options.target_bits_per_byte is None or options.schedule != "wsd" or decided.falls_from is not None:
            return
        has_risen = not decided.lap_from or steps >= decided.lap_from + self._fall_after(decided.lap_from)
        if has_risen and bits_per_byte <= self._falls_at:
            decided.falls_from = steps

    @property
    def _falls_at(self) -> float:
        """The score at which the rate begins to fall."""
        assert self.options.target_bits_per_byte is not None
        return self.options.target_bits_per_byte * self.options.fall_within * self.decided.missed

    def is_near(self, steps: int, bits_per_byte: float) -> bool:
        """Whether a score on the way says that all held-out samples may have reached the target by now.

        With ``wsd`` it counts from the middle of the fall on, where the rate is below a third: a model that is stopped
        at its full rate is worse than it could be a few steps later.
        """
        target = self.options.target_bits_per_byte
        return target is not None and bits_per_byte <= target and self._may_end(steps)

    def _may_end(self, steps: int) -> bool:
        """Whether the rate is low enough for the run to end here."""
        return self.options.schedule != "wsd" or self.is_fall_half_over(steps)

    def is_fall_half_over(self, steps: int) -> bool:
        start = self.decided.falls_from
        return start is not None and steps >= start + self._fall_steps / 2

    def rise_again(self, steps: int, score: float) -> None:
        """Begin anew with the rate after a fall that ended at ``score``, which is above the target."""
        decided, target = self.decided, self.options.target_bits_per_byte
        assert target is not None
        decided.missed *= min(1.0, target / score) if math.isfinite(score) else 1.0
        decided.falls_from, decided.lap_from = None, steps

    def go_on(self, steps: int, seconds: float) -> None:
        """A run that its limit of seconds had ended goes on: the limit counts anew, and the rate rises again."""
        limit = self.options.max_seconds
        if limit and seconds - self.decided.ceiling_from >= limit:
            self.decided.ceiling_from, self.decided.falls_from, self.decided.lap_from = seconds, None, steps

    # -- the time left -----------------------------------------------------------------------------------------------

    def left(self, steps: int, seconds: float) -> tuple[int, float]:
        """Optimizer steps and seconds until the run ends, rather too many than too few; asked after every step."""
        pace, steps_left = self._pace(steps, seconds), self._steps_left(steps)
        seconds_left = PACE_MARGIN * pace * steps_left
        until_limit = self.until_limit(seconds)
        if until_limit is not None:
            seconds_left = min(seconds_left, until_limit)
            steps_left = min(steps_left, until_limit / pace if pace else steps_left)
        return round(steps_left), seconds_left

    def until_limit(self, seconds: float) -> float | None:
        """Seconds until the limit of seconds ends the run; None without one."""
        limit = self.options.max_seconds
        return None if limit is None else max(0.0, limit + self.decided.ceiling_from - seconds)

    def _pace(self, steps: int, seconds: float) -> float:
        """Seconds a step, looks included: of this process's steps or of the latest ones, whichever are slower.

        The first few are left out where there are others: memory is allocated and kernels are chosen in them.
        """
        self._timed += 1
        if self._timed <= FIRST_STEPS or self._begun is None:
            self._begun = (steps, seconds)
            return seconds / max(1, steps)
        paces = self._paces
        paces.append((steps, seconds))
        while len(paces) > 8 and seconds - paces[1][1] > RECENT * (seconds - self._begun[1]):
            paces.popleft()
        return max(
            (seconds - then) / (steps - before) if steps > before else 0.0 for before, then in (self._begun, paces[0])
        )

    def _steps_left(self, steps: int) -> float:
        """Optimizer steps until the end; to the plan's end where no target can be foretold."""
        to_the_end = float(self.max_steps - steps)
        if self.decided.falls_from is not None:
            return min(to_the_end, self.decided.falls_from + self._fall_steps - steps)
        rate = self._descent()
        if rate is None:
            return to_the_end
        last = next(look for look in reversed(self.decided.looks) if math.isfinite(look.bits_per_byte))
        falls_at = last.step + STEPS_MARGIN * max(0.0, math.log(last.bits_per_byte / self._falls_at) / rate)
        falls_at = max(falls_at, steps)
        return min(to_the_end, falls_at + self._fall_after(falls_at) - steps)

    def _descent(self) -> float | None:
        """By how much the score's logarithm falls with a step, over the latest looks; None if unknown."""
        options, lap = self.options, self.decided.lap_from
        begin = max(lap, options.warmup * self.max_steps)
        looks = [look for look in self.decided.looks if look.step > begin and math.isfinite(look.bits_per_byte)][-4:]
        if options.target_bits_per_byte is None or options.schedule != "wsd" or len(looks) < 2:
            return None
        first, last = looks[0], looks[-1]
        rate = math.log(first.bits_per_byte / last.bits_per_byte) / (last.step - first.step)
        return rate if rate > 0 else None


def cosine_with_warmup(done: float, *, warmup: float, floor: float) -> float:
    """Multiplier of the peak learning rate after the share ``done`` of the run (Loshchilov & Hutter 2017)."""
    if done < warmup:
        return max(done / warmup, 0.01)
    course = min(1.0, (done - warmup) / max(1e-9, 1 - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * course))


def warmup_stable_decay(done: float, *, warmup: float, decay: float, floor: float) -> float:
    """The same for a rate that stays at its peak until the last share ``decay`` of the run (Hu et al. 2024,
    arXiv:2404.06395), and then falls as 1 - sqrt (Hägele et al. 2024, arXiv:2405.18392)."""
    if done < warmup:
        return max(done / warmup, 0.01)
    course = min(1.0, max(0.0, done - (1 - decay)) / decay)
    return floor + (1 - floor) * (1 - math.sqrt(course))
