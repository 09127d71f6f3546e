"""Several processes, on one machine or many, that train as one: started with ``torchrun``.

    torchrun --nproc-per-node 4 training/train_art_ai_model.py --profile seed

Every process assembles the same global batch and takes its rows of it, so the number of learned tokens, by which the
loss is divided, is known to all without asking. ``ddp`` keeps the whole model in each process and adds the gradients
up; ``fsdp`` (FSDP2, ``fully_shard``) keeps a share of weights, gradients and optimizer in each.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from training.common.cli import contained
from training.common.options import OptionsError
from training.common.progress import Progress, Stage
from training.common.score import Score
from training.data.documents import Documents
from training.data.packing import Batch, all_batches
from training.hardware.compute import memory_bytes
from training.hardware.energy import NO_ENERGY, EnergyUse
from training.hardware.shards import SHARDS, split_state, whole
from training.loop.outcome import Outcome
from training.loop.resume import (
    Interruption,
    StateError,
    TrainingStates,
    random_states,
    reason_of,
    restore_random_states,
)
from training.loop.trainer import Trainer
from training.reporting.report import Metrics

T = TypeVar("T")
Parallel = Literal["ddp", "fsdp"]

PATIENCE = datetime.timedelta(hours=2)
"""How long the others wait for the first process, which alone prepares the data and writes files."""
DDP_SHARE = 0.6
"""``auto`` takes DDP where weights, gradients and optimizer need at most this share of a device's memory."""


@dataclass(frozen=True)
class World:
    """The processes of this run, and which of them this one is."""

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls) -> World:
        """Meet the other processes if ``torchrun`` started this one; gloo between CPUs, NCCL between GPUs."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if not dist.is_initialized():
            cuda = torch.cuda.is_available()
            if cuda:
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=PATIENCE)
        return cls(dist.get_rank(), size)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        if self.size > 1:
            dist.destroy_process_group()

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def agree(self, value: T) -> T:
        """The first process's value, in all of them."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def gather(self, value: T) -> list[T]:
        """Every process's value, by rank, in all of them."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def total(self, *values: float) -> list[float]:
        """The sums over all processes."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return sums.tolist()

    def largest(self, value: int) -> int:
        """The largest value of all processes."""
        found = torch.tensor(value)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def wait(self) -> None:
        """Until all processes are here."""
        self.total(0.0)

    def in_turn(self, make: Callable[[], T]) -> T:
        """What ``make`` gives: first in the first process, which leaves files behind that the others then find.

        Where it fails there, the others end without a word: the first one says why.
        """
        if not self.is_first:
            if not self.agree(True):
                raise SystemExit(2)
            return make()
        done = False
        try:
            made = make()
            done = True
        finally:
            self.agree(done)
        return made

    def progress(self, path: Path | None) -> Progress:
        """What the user sees, and what ``--progress`` writes: from the first process alone."""
        return Progress(path) if self.is_first else Silence()

    def metrics(self, path: Path, keep_until_step: int | None) -> Metrics:
        return Metrics(path, keep_until_step) if self.is_first else NoMetrics()

    def trainer(self, *arguments: Any) -> Trainer:
        """The loop, for one process or for several; arguments as for ``Trainer``."""
        return Trainer(*arguments) if self.size == 1 else DistributedTrainer(*arguments, world=self)

    def add_up(self, energy: EnergyUse) -> EnergyUse:
        """The energy of all processes, where each could tell its own."""
        if self.size == 1:
            return energy
        unknown, estimated = self.total(energy.kwh is None, energy.source == "estimated")
        kwh, co2_kg = self.total(energy.kwh or 0.0, energy.co2_kg or 0.0)
        return EnergyUse() if unknown else EnergyUse(kwh, co2_kg, "estimated" if estimated else energy.source)

    def share(self, batch: Batch, pad_id: int) -> Batch:
        """This process's rows of the global batch, with empty rows where the last have none to take."""
        tokens, labels, documents = (
            part[self.rank :: self.size] for part in (batch.tokens, batch.labels, batch.documents)
        )
        missing = -(-len(batch.tokens) // self.size) - len(tokens)
        if missing:
            like = batch.tokens[:missing]
            empty = (torch.full_like(like, pad_id), torch.full_like(like, -100), torch.full_like(like, -1))
            tokens, labels, documents = (
                torch.cat(pair) for pair in zip((tokens, labels, documents), empty, strict=True)
            )
        return Batch(tokens, labels, documents)


class Silence(Progress):
    """What the other processes show: nothing."""

    def stage(self, stage: Stage, message: str) -> None:
        pass

    def say(self, message: str) -> None:
        pass

    def look(self, *scores: Any) -> None:
        pass

    def step(self, *state: Any, **more: Any) -> None:
        pass


class NoMetrics(Metrics):
    """What the other processes write: nothing."""

    def __init__(self) -> None:
        self.path = Path(os.devnull)

    def write(self, **row: Any) -> None:
        pass


class LossModule(nn.Module):
    """A model whose forward pass is its loss: what DDP and FSDP watch."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, labels: Tensor, documents: Tensor, label_smoothing: float) -> Tensor:
        model: Any = self.model
        return model.loss(tokens, labels, documents, label_smoothing=label_smoothing)


def choose_parallel(asked: str, model: nn.Module, device: torch.device) -> Parallel:
    """DDP where the model fits, FSDP where not, or what was asked for."""
    if asked in ("ddp", "fsdp"):
        return asked  # type: ignore[return-value]
    needed = sum(p.numel() * (p.element_size() + (12 if p.requires_grad else 0)) for p in model.parameters())
    return "ddp" if needed <= DDP_SHARE * memory_bytes(device) else "fsdp"


def parallelise(model: Any, parallel: Parallel, device: torch.device) -> nn.Module:
    """The model as one of several: a module to call with a batch. With fsdp its weights become shares (DTensors)."""
    model.to(device)
    module = LossModule(model)
    if parallel == "ddp":
        ids = [torch.cuda.current_device()] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=ids, forward_sync_buffers=False)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for layer in model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(module, mesh=mesh)
    return module


class DistributedTrainer(Trainer):
    """The loop of ``Trainer`` in each of several processes; their losses and steps are those of one.

    Raises:
        OptionsError: for what several processes cannot do.
    """

    follows_cores = False

    def __init__(self, model: Any, *arguments: Any, world: World) -> None:
        options, compute = arguments[2], arguments[3]
        if compute.needs_scaler:
            raise OptionsError(["dtype=fp16 is for one process; use bf16 or fp32 under torchrun"])
        self.world = world
        self.parallel = world.agree(choose_parallel(options.parallel, model, compute.device))
        self.whole = parallelise(model, self.parallel, compute.device)
        if options.compile == "auto":  # it is decided by a measurement, which may differ between processes
            options = replace(options, compile="false")
        arguments = (*arguments[:2], options, *arguments[3:])
        super().__init__(model, *arguments)
        if self.parallel == "fsdp":
            self.answers = None  # a sharded model answers only in all processes at once
        self.rank = world.rank
        self._random_by_rank: list[dict[str, Any]] = []

    def backward(self, batch: Batch) -> Tensor:
        n_labels = max(1, batch.n_labels)
        total = torch.zeros((), dtype=torch.float64)
        self.model.train()
        parts = list(self.world.share(batch, self.pad_id).slices(self.options.micro_batch_size))
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            wait = not last and isinstance(self.whole, nn.parallel.DistributedDataParallel)
            with self.whole.no_sync() if wait else contextlib.nullcontext():  # type: ignore[operator]
                # The processes' gradients are averaged; times their number that is the sum.
                loss = self._loss_sum(part, self.options.label_smoothing) / n_labels
                (loss * self.world.size).backward()
            total += loss.detach().double().cpu()
        return torch.tensor(self.world.total(float(total))[0])

    def _loss_sum(self, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        batch = batch.to(self.compute.device)
        with self.compute.autocast():
            return self.whole(batch.tokens, batch.labels, batch.documents, label_smoothing)

    def _clip(self) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options.max_grad_norm)
        return float(whole(norm))

    @torch.no_grad()
    def score(self, documents: Documents) -> Score:
        self.model.eval()
        rows = self.options.micro_batch_size * self.world.size
        nats, tokens = 0.0, 0
        for batch in all_batches(documents, self.options.seq_len, rows, self.pad_id):
            nats += float(self._loss_sum(self.world.share(batch, self.pad_id)))
            tokens += batch.n_labels
        return Score(self.world.total(nats)[0], tokens, int(documents.answer_bytes.sum()))

    # -- what all must decide alike --------------------------------------------------------------------------------

    def _wall_seconds(self, started: float) -> float:
        return self.world.agree(time.monotonic() - started)

    def _interrupted(self, interruption: Interruption) -> int | None:
        return self.world.largest(interruption.number or 0) or None

    def _save_seconds_passed(self, share: float = 1.0) -> bool:
        return self.world.agree(super()._save_seconds_passed(share))

    # -- saving and going on ---------------------------------------------------------------------------------------

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        random = state.get("random_by_rank", [])
        if len(random) == self.world.size:
            restore_random_states(random[self.rank])
        elif not self.world.is_first:  # saved by another number of processes: numbers of its own, for its own dropout
            torch.manual_seed(self.options.seed + self.rank + self.world.size * self.outcome.steps)
        if not self.world.is_first:  # what was saved is the energy of all processes
            self.energy.earlier = NO_ENERGY

    def _energy_so_far(self) -> EnergyUse:
        return self.world.add_up(super()._energy_so_far())

    def state(self) -> dict[str, Any]:
        return super().state() | {"random_by_rank": self._random_by_rank}

    def run(self) -> Outcome:
        try:
            return super().run()
        except StateError:
            if self.world.is_first:
                raise
            raise SystemExit(2) from None  # the first one says why

    def _write_state(self, states: TrainingStates) -> None:
        self._random_by_rank = self.world.gather(random_states())  # every process draws a dropout of its own
        error: StateError | None = None
        try:
            if self.parallel == "fsdp":
                self._write_shards(states)
            elif self.world.is_first:
                super()._write_state(states)
        except StateError as found:
            error = found
        if reason := self._reason(error):
            raise error or StateError(reason)

    def _reason(self, error: Exception | None) -> str:
        """Why a disk refused what one of the processes wrote: all go on or end alike."""
        return next(filter(None, self.world.gather("" if error is None else reason_of(error))), "")

    def _refused(self) -> Exception | None:
        error = super()._refused()
        reason = self._reason(error)
        return (error or OSError(reason)) if reason else None

    def _keep_ended(self) -> None:
        """All processes are here, and a state may take them all."""
        if self.states is not None and not self.world.agree(self.outcome.steps in self.states.steps()):
            self.outcome.stopped = "steps"
            contained("no state is saved", self.save)

    @contextlib.contextmanager
    def kept_unless_written(self) -> Iterator[None]:
        """A state of a model in shares takes all processes: the others ``stand_by`` until the first one is done."""
        if self.parallel != "fsdp":
            with super().kept_unless_written():
                yield
            return
        try:
            yield
        except Exception:
            self._keep_if(True)
            raise
        self._keep_if(False)

    def stand_by(self) -> None:
        if self.parallel == "fsdp":
            try:
                self._keep_if(False)
            except RuntimeError:  # the first one has gone, and says why
                raise SystemExit(2) from None

    def _keep_if(self, fails: bool) -> None:
        """Save the run as it is where the first process says that writing fails."""
        if self.world.agree(fails) and not self.is_cut_short:
            self._keep_ended()

    def _write_shards(self, states: TrainingStates) -> None:
        """A state whose tensors every process writes its share of."""
        import torch.distributed.checkpoint as dcp

        rest, tensors = split_state(self.state())
        with contextlib.ExitStack() as stack:
            folder: Any = None
            error: Exception | None = None
            if self.world.is_first:
                try:
                    folder = stack.enter_context(states.writing(self.outcome.steps))
                    torch.save(rest, folder / "state.pt")
                except (OSError, RuntimeError, StateError) as found:
                    error = found
            if reason := self._reason(error):
                raise error or StateError(reason)
            try:
                dcp.save(tensors, checkpoint_id=self.world.agree(folder) / SHARDS)
            except dcp.CheckpointException as found:  # no Exception; raised in all processes
                failure = next(iter(found.failures.values()))[0]
                raise (StateError if folder is None else OSError)(reason_of(failure)) from None
        if self.world.is_first:
            states.forget(self.outcome.best_step)
