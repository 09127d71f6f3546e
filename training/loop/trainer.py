"""The training loop of both models: packed batches, accumulation by valid tokens, scores, states; see ``Course`` for
its learning rate and its end."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from training.common.cli import Stopped, contained
from training.common.progress import Progress
from training.common.score import NOTHING, Score
from training.data.documents import Documents
from training.data.packing import Batch, PackedBatches, all_batches
from training.hardware.compute import Compute
from training.hardware.energy import NO_ENERGY, Energy, EnergyUse
from training.hardware.shards import complete_state
from training.hardware.threads import FreeCores
from training.loop.compilation import choose_compilation, is_compiled
from training.loop.course import Course
from training.loop.optimizer import build_optimizers, set_learning_rate
from training.loop.outcome import Outcome, score
from training.loop.resume import (
    Interruption,
    StateError,
    TrainingStates,
    fingerprint,
    random_states,
    reason_of,
    restore_random_states,
)
from training.reporting.report import Metrics
from training.settings.common import TrainingOptions

MAX_SKIPPED = 20


class TrainingError(ValueError):
    """A training that cannot go on; the message is one line and says what to do."""


class Trainer:
    """Trains ``model`` on ``documents`` and calls ``on_best`` whenever the first of ``held_out`` scores better;
    where there is none, at the end.

    ``model`` is a module with ``loss(tokens, labels, documents, *, label_smoothing)``, the sum over the labels, and
    ``layers``: ``ModernTransformer`` or ``PackedCausalLM``. With ``states`` the run is saved as it goes, and
    ``restore`` goes on with a saved one. ``answers`` gives the model's answers to fixed questions.

    Raises:
        TrainingError: when the loss or its gradient is no longer a number; the best weights so far are kept.
        StateError: when a state cannot be written, or belongs to other data.
        Stopped: after Ctrl-C or SIGTERM, with the state saved.
    """

    rank = 0
    """Of this process among those that train together."""
    follows_cores = True
    """Whether the number of threads may follow what other programs leave; several processes must add up alike."""

    def __init__(
        self,
        model: Any,
        documents: Documents,
        held_out: Mapping[str, Documents],
        options: TrainingOptions,
        compute: Compute,
        pad_id: int,
        progress: Progress,
        metrics: Metrics,
        on_best: Callable[[int, dict[str, Score]], None],
        states: TrainingStates | None = None,
        answers: Callable[[], dict[str, str]] | None = None,
    ) -> None:
        self.model, self.options, self.compute, self.pad_id = model.to(compute.device), options, compute, pad_id
        self.held_out, self.progress, self.metrics, self.on_best = held_out, progress, metrics, on_best
        self.states, self.answers = states, answers
        self.batches = PackedBatches(documents, options.seq_len, options.batch_size, pad_id, options.seed)
        self.optimizers = build_optimizers(model, options, compute.optimizer_dtype)
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.needs_scaler)
        self.max_steps = options.steps(documents)
        self.outcome = Outcome(planned_steps=self.max_steps)
        self.course = Course(options, self.max_steps, self.outcome.decided)
        self._first, first = next(iter(held_out.items()), ("", None))
        self._looked_at = first.spread(options.look_samples) if first is not None else None
        self.energy, self.energy_used = Energy(), NO_ENERGY
        self._saved_at = time.monotonic()

    def run(self) -> Outcome:
        options, outcome = self.options, self.outcome
        if not outcome.steps:
            torch.manual_seed(options.seed + self.rank)
        choose_compilation(self)
        on_cores = self.compute.device.type == "cpu" and not is_compiled(self.model)
        self.cores = FreeCores(follow=on_cores and self.follows_cores)
        self._saved_at = time.monotonic()
        started = self._saved_at - outcome.wall_seconds
        with Interruption() as interruption, self.cores:
            if not outcome.steps and options.target_bits_per_byte is not None:
                self._look()
            while not (end := self._end()):
                self._advance(started)
                if (number := self._interrupted(interruption)) is not None:
                    self._stop(number)
                elif self._save_is_due() and not self._end():
                    self.save()
        outcome.stopped = end
        if self.is_cut_short:
            try:
                self.save()
            except StateError as error:  # its result is to be had even on a full disk
                self.progress.say(str(error))
        outcome.epochs = outcome.tokens / max(1, len(self.batches.documents.tokens))
        self.energy_used = self._energy_so_far()
        if not self.held_out:
            self._keep_weights()
        elif outcome.best_step is None:  # whatever lies in the folder is of another run
            raise TrainingError(
                f"the held-out loss was no number after {outcome.steps} steps with learning_rate="
                f"{options.learning_rate}, so no weights are kept; lower it and train again"
            )
        return outcome

    def _advance(self, started: float) -> None:
        """One step, with what is due after it."""
        outcome = self.outcome
        rate = set_learning_rate(self.optimizers, self.course.multiplier(outcome.steps, outcome.wall_seconds))
        step_started = time.monotonic()
        batch = next(self.batches)
        loss = self.step(batch)
        outcome.steps += 1
        outcome.tokens += int((batch.documents >= 0).sum())
        step_seconds = time.monotonic() - step_started
        outcome.seconds += step_seconds
        outcome.wall_seconds = self._wall_seconds(started)
        self._show(loss, rate)
        if message := self.cores.after_step(step_seconds):
            self.progress.say(message)
        course, steps = self.course, outcome.steps
        found = self._look() if course.is_look_due(steps) else NOTHING
        is_near = found.tokens > 0 and course.is_near(steps, found.bits_per_byte)
        is_due = course.is_evaluation_due(steps, outcome.wall_seconds, outcome.evaluations)
        if is_near or course.is_fall_over(steps) or is_due:
            self._evaluate(found if found.tokens and course.is_fall_half_over(steps) else None)

    def step(self, batch: Batch) -> float:
        """One optimizer step; the loss (nats a label, with smoothing) before it."""
        loss = float(self.backward(batch))
        self._update(loss)
        return loss

    def backward(self, batch: Batch) -> Tensor:
        """Add the batch's gradients to the parameters'; its loss in nats a label."""
        n_labels = max(1, batch.n_labels)
        total = torch.zeros((), device=self.compute.device)
        self.model.train()
        for part in batch.slices(self.options.micro_batch_size):
            loss = self._loss_sum(part, self.options.label_smoothing) / n_labels
            self.scaler.scale(loss).backward()
            total += loss.detach()
        return total

    def _update(self, loss: float) -> None:
        """Clip the gradients and let the optimizers use them, unless they are no numbers."""
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        norm = self._clip()
        if math.isfinite(loss) and math.isfinite(norm):
            self.outcome.skipped_in_a_row = 0
            for optimizer in self.optimizers:
                optimizer.step()
        else:
            self._skip(loss, norm)
        self.scaler.update()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def _clip(self) -> float:
        """Scale the gradients down to the norm of the settings; the norm that they had."""
        return float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options.max_grad_norm))

    def _skip(self, loss: float, norm: float) -> None:
        """Leave a step out where fp16's scaled gradients overflowed: the scaler then halves its scale. All else ends
        the run."""
        outcome = self.outcome
        outcome.skipped, outcome.skipped_in_a_row = outcome.skipped + 1, outcome.skipped_in_a_row + 1
        if self.scaler.is_enabled() and math.isfinite(loss) and outcome.skipped_in_a_row <= MAX_SKIPPED:
            return
        what = f"the loss became {loss}" if not math.isfinite(loss) else f"the gradient's norm became {norm}"
        saved = self.states.steps() if self.states else []
        resume = f", or go on from step {saved[-1]} with a lower one and --resume" if saved else ""
        lower = "lower learning_rate" + (" or use dtype=bf16 or fp32" if self.scaler.is_enabled() else "")
        raise TrainingError(
            f"{what} at step {outcome.steps + 1}, with learning_rate={self.options.learning_rate} and "
            f"max_grad_norm={self.options.max_grad_norm}; {lower} and train again{resume}"
        )

    def _loss_sum(self, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        batch = batch.to(self.compute.device)
        with self.compute.autocast():
            return self.model.loss(batch.tokens, batch.labels, batch.documents, label_smoothing=label_smoothing)

    def score(self, documents: Documents) -> Score:
        """Held-out loss over the learned tokens, without smoothing or dropout."""
        self.model.eval()
        rows = all_batches(documents, self.options.seq_len, self.options.micro_batch_size, self.pad_id)
        return score(self._loss_sum, rows, int(documents.answer_bytes.sum()))

    def _look(self) -> Score:
        """Score some held-out samples on the way to the target and ask the fixed questions; where the run may end here,
        all of the first kind: 40 of Model 2's 80 said 0.445 where all say 0.408, ten steps too late."""
        outcome = self.outcome
        if self._looked_at is None:
            return NOTHING
        documents = self.held_out[self._first] if self.course.is_fall_half_over(outcome.steps) else self._looked_at
        found = self.score(documents)
        self.course.look(outcome.steps, outcome.wall_seconds, found.bits_per_byte)
        self._log(found, f"{len(documents)} of {self._first}", samples=len(documents))
        return found

    def _log(self, found: Score, of_what: str, **more: Any) -> None:
        """Write down a score, with the answers to the fixed questions, and show both."""
        outcome = self.outcome
        ask = self.answers if self.options.sample_tokens else None
        said = contained("the questions are not asked", ask) if ask else None
        answers = {"answers": said} if said else {}
        self.metrics.write(
            step=outcome.steps,
            seconds=outcome.seconds,
            val_loss=found.loss,
            val_bits_per_byte=found.bits_per_byte,
            **more,
            **answers,
        )
        self.progress.say(
            f"step {outcome.steps}: held-out loss {found.loss:.3f}, perplexity {found.perplexity:.1f}, "
            f"{found.bits_per_byte:.3f} bits per byte ({of_what})"
        )
        for question, answer in answers.get("answers", {}).items():
            self.progress.say(f"  {question}  {answer}")
        looks = [(look.seconds, look.bits_per_byte) for look in outcome.decided.looks]
        self.progress.look(looks, self.options.target_bits_per_byte, answers.get("answers", {}))

    def _evaluate(self, first_score: Score | None = None) -> None:
        """Score the held-out sets, the first unless its score is known, keep the weights if they are the best, and ask
        the fixed questions."""
        outcome = self.outcome
        outcome.evaluations += 1
        known = {} if first_score is None else {self._first: first_score}
        outcome.scores = {name: known.get(name) or self.score(documents) for name, documents in self.held_out.items()}
        if not outcome.scores:
            return
        name, first = next(iter(outcome.scores.items()))
        self._log(first, name)
        if self.course.is_fall_over(outcome.steps) and not self.has_reached_target:
            self.course.rise_again(outcome.steps, first.bits_per_byte)  # before a state is saved, to be a part of it
        if first.loss < outcome.best_loss:
            outcome.best, outcome.best_step, outcome.evaluations_without_gain = outcome.scores, outcome.steps, 0
            # First the state, then the weights: a run that goes on from it keeps them again, so they always agree.
            if self._save_seconds_passed(share=0.1) and not self._end():
                self.save()
            self._keep_weights()
        else:
            outcome.evaluations_without_gain += 1

    def _keep_weights(self) -> None:
        """Hand the weights to whoever writes them; where that fails, as on a full disk, the saved states stay."""
        error = self._refused()
        if error is None:
            return
        self._keep_ended()
        nothing = self.states is not None and not self.states.steps()
        go_on = "train again, for no state is saved" if nothing else "go on with --resume"
        raise StateError(
            f"the weights of step {self.outcome.steps} cannot be written: {reason_of(error)}; make room and {go_on}"
        ) from error

    def _refused(self) -> Exception | None:
        """What kept the weights from being written."""
        try:
            self.on_best(self.outcome.steps, self.outcome.scores)
        except (OSError, RuntimeError, SafetensorError) as error:  # PyTorch's writer and that of safetensors
            return error
        return None

    def _keep_ended(self) -> None:
        """Save the run as it is, where there is room for that at least."""
        self.keep(self.ended())

    # -- the course ------------------------------------------------------------------------------------------------

    @property
    def has_reached_target(self) -> bool:
        """Whether the last scores of all held-out samples say so."""
        target, first = self.options.target_bits_per_byte, next(iter(self.outcome.scores.values()), None)
        return target is not None and first is not None and first.bits_per_byte <= target

    @property
    def is_cut_short(self) -> bool:
        """Whether a run with a target ended with its limit of seconds, so that more of them would help."""
        return self.options.target_bits_per_byte is not None and self.outcome.stopped == "time"

    def _end(self) -> str:
        """What ends the run here; nothing while it goes on."""
        if self.has_reached_target:
            return "target"
        if self.outcome.evaluations_without_gain >= self.options.patience:
            return "patience"
        if self.course.behind(self.outcome.steps, self.outcome.wall_seconds) < 1:
            return ""
        return "steps" if self.outcome.steps >= self.max_steps else "time"

    def _show(self, loss: float, rate: float) -> None:
        outcome = self.outcome
        steps_left, left = self.course.left(outcome.steps, outcome.wall_seconds)
        steps = outcome.steps + steps_left
        best = None if math.isinf(outcome.best_loss) else outcome.best_loss
        at_most = self.course.until_limit(outcome.wall_seconds)
        self.progress.step(outcome.steps, steps, loss, outcome.tokens_per_second, left, best, at_most)
        if outcome.steps == 1 or outcome.steps % 10 == 0:
            self.metrics.write(
                step=outcome.steps,
                seconds=outcome.seconds,
                loss=loss,
                learning_rate=rate,
                tokens_per_second=outcome.tokens_per_second,
            )

    # -- saving and going on ---------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the state of the run, if it keeps any."""
        if self.states is not None:
            self.energy_used = self._energy_so_far()
            self._write_state(self.states)
            self._saved_at = time.monotonic()

    def _write_state(self, states: TrainingStates) -> None:
        states.save(self.outcome.steps, self.state(), self.outcome.best_step)

    def _energy_so_far(self) -> EnergyUse:
        return self.energy.so_far()

    def state(self) -> dict[str, Any]:
        """All that decides how the run goes on, in tensors and plain types."""
        return {
            "weights": {name: p.detach() for name, p in self.model.named_parameters() if p.requires_grad},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "random": random_states(),
            "epoch": self.batches.epoch,
            "position": self.batches.position,
            "outcome": self.outcome.as_dict(),
            "energy": asdict(self.energy_used),
            "fingerprint": self.fingerprint,
            "dtype": self.compute.dtype_name,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; ``run`` then does what the run that saved it would have done.

        Raises:
            StateError: when the state was saved with other data or another base.
        """
        if state["fingerprint"] != self.fingerprint:
            raise StateError(
                "--resume: the data, their tokens or the base differ from those of the saved run; give what it was "
                "started with, or --restart to begin anew"
            )
        if self.states is not None:
            folder = self.states.path(state["outcome"]["steps"])
            state = complete_state(state, folder, self.model, self.optimizers)
        trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(state["weights"][name])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            peaks = [group["peak_lr"] for group in optimizer.param_groups]
            optimizer.load_state_dict(saved)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["peak_lr"] = peak  # that of the settings, which may have been lowered
        self.scaler.load_state_dict(state["scaler"])
        self.batches.seek(state["epoch"], state["position"])
        self.outcome = Outcome.from_dict(state["outcome"])
        self.outcome.planned_steps = self.max_steps
        self.course = Course(self.options, self.max_steps, self.outcome.decided)
        if self.outcome.stopped == "time":  # its seconds were used up: as many again, from a rate that rises anew
            self.course.go_on(self.outcome.steps, self.outcome.wall_seconds)
            self.outcome.stopped, self.outcome.evaluations, self.outcome.evaluations_without_gain = "steps", 0, 0
        self.energy.earlier = EnergyUse(**state.get("energy", {}))
        restore_random_states(state["random"])
        if self.outcome.best_step == self.outcome.steps:
            self._keep_weights()
        self.progress.say(f"going on from step {self.outcome.steps} of {self.max_steps}")

    @cached_property
    def fingerprint(self) -> str:
        """Of the data and of what is not trained, by which a state knows its run."""
        return fingerprint((self.batches.documents, *self.held_out.values()), self.model)

    def _wall_seconds(self, started: float) -> float:
        return time.monotonic() - started

    def _interrupted(self, interruption: Interruption) -> int | None:
        """The signal that asks the run to stop."""
        return interruption.number

    def _save_is_due(self) -> bool:
        by_steps = self.options.save_steps and self.outcome.steps % self.options.save_steps == 0
        return bool(by_steps) or self._save_seconds_passed()

    def _save_seconds_passed(self, share: float = 1.0) -> bool:
        seconds = self.options.save_seconds
        return seconds is not None and time.monotonic() - self._saved_at >= share * seconds

    def ended(self) -> dict[str, Any] | None:
        """The state of the run as it is, from which --resume does what is left to do; None where no states are kept, or
        the newest is this one."""
        if self.states is None or self.outcome.steps in self.states.steps():
            return None
        state = self.state()
        state["outcome"]["stopped"] = "steps"  # a run that its time ended has no more of it
        return state

    def keep(self, state: Mapping[str, Any] | None) -> None:
        """Save a state that ``ended`` gave; where there is no room for it either, that is said."""
        if state is not None and self.states is not None:
            contained("no state is saved", self.states.save, self.outcome.steps, state, self.outcome.best_step)

    @contextlib.contextmanager
    def kept_unless_written(self) -> Iterator[None]:
        """Save the run as it is if what the block writes of it fails: --resume writes it then."""
        ended = None if self.is_cut_short else self.ended()
        try:
            yield
        except Exception:
            self.keep(ended)
            raise

    def stand_by(self) -> None:
        """What another process than the first does while that one writes: nothing, but for a model in shares."""

    def _stop(self, number: int) -> None:
        self.save()
        saved = "saved" if self.states is not None else "not saved"
        raise Stopped(number, f"stopped at step {self.outcome.steps} of {self.max_steps}, {saved}")
