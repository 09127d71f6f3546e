"""Learning from preferences: TRL's trainers with packed rows, weights of votes, and likelihoods computed once.

TRL pads each pair to the longest of its batch, recomputes activations, and asks the reference anew at each step. Here
the texts of a step lie packed in rows, as in all our trainings, and the reference's likelihoods come from a table. The
losses are TRL's (``tests/training/loop/test_preference.py`` compares them), each example times its weight.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from datasets.utils.logging import disable_progress_bar
from peft import LoraConfig
from torch import Tensor
from tqdm import tqdm
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

from training.common.cache import CacheError, cache_folder, locked
from training.common.cli import Stopped
from training.common.files import replace, unlink
from training.common.progress import Progress, quiet_transformers
from training.data.preferences import PreferenceData
from training.data.replay import Replay
from training.hardware.compute import Compute
from training.hardware.threads import FreeCores
from training.loop.resume import Interruption, TrainingStates
from training.loop.trainer import TrainingError
from training.models.bases import Base
from training.models.fine_tuning import PackedCausalLM, store_in, use_own_lora
from training.models.likelihoods import PackedTexts, log_likelihoods
from training.reporting.report import Metrics
from training.settings.improve import ImproveOptions


def dpo_losses(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """Of pairs (E,), from how much likelier than to the reference each answer is (Rafailov et al. 2023,
    arXiv:2305.18290, equation 7)."""
    return -F.logsigmoid(beta * (chosen - rejected))


def kto_losses(gains: Tensor, wanted: Tensor, mismatched: Tensor, beta: float) -> Tensor:
    """Of single answers (E,), from the same; ``mismatched`` (M,) are those of other questions' answers (Ethayarajh et
    al. 2024, arXiv:2402.01306, equation 7)."""
    moved = mismatched.mean().clamp(min=0).detach()
    return 1 - torch.sigmoid(beta * torch.where(wanted, gains - moved, moved - gains))


@dataclass
class Step:
    """What a run has done so far."""

    seconds: float = 0.0
    tokens: int = 0
    losses: list[float] = field(default_factory=list)
    """Of the micro-batches since the last optimizer step"""


class PackedPreferences:
    """Goes before one of TRL's trainers and gives it our data, our forward pass and weighted losses.

    ``data``, ``reference`` (T,), ``packed``, ``compute``, ``options``, ``pad_id``, ``done`` and, where there is some,
    ``replay`` are set before training.
    """

    data: PreferenceData
    replay: Replay | None = None
    reference: Tensor
    packed: PackedCausalLM
    compute: Compute
    options: ImproveOptions
    pad_id: int
    done: Step

    def _prepare_dataset(self, dataset: Any, *arguments: Any) -> Any:
        """It holds numbers of examples, which ``collate`` makes rows of."""
        return dataset

    def _send_telemetry(self) -> None:
        """Nothing is sent anywhere."""

    def create_model_card(self, *arguments: Any, **more: Any) -> None:
        """Ours is written at the end."""

    def collate(self, examples: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """The examples with these numbers: their texts packed, with those of a mismatch behind them."""
        numbers = np.array([example["example"] for example in examples])
        train = self.data.train
        documents = train.documents[numbers].T.flatten()
        found = {
            "texts": PackedTexts.of(self.data.documents, documents, self.options.seq_len, self.pad_id),
            "documents": torch.from_numpy(documents),
            "weights": torch.from_numpy(train.weights[numbers]),
            "wanted": torch.from_numpy(train.wanted[numbers]),
        }
        if len(self.data.mismatched):
            other = self.data.mismatched[numbers]
            found["mismatched"] = PackedTexts.of(self.data.documents, other, self.options.seq_len, self.pad_id)
            found["mismatched_documents"] = torch.from_numpy(other)
        return found

    def likelihoods(self, texts: PackedTexts) -> Tensor:
        """Of each text, in nats."""
        self.done.tokens += texts.tokens
        return log_likelihoods(self.packed, texts.to(self.compute.device))

    def gains(self, likelihoods: Tensor, documents: Tensor) -> Tensor:
        """How much likelier (nats) the model finds each text than the reference does."""
        return likelihoods - self.reference[documents.cpu()].to(likelihoods.device)

    def compute_loss(
        self, model: Any, inputs: Mapping[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """The weighted mean of TRL's losses, whose weights have a mean of 1 over all examples, and the loss of what is
        learned again, by its share."""
        share = self.options.replay if self.replay else 0.0
        with self.compute.autocast():
            loss = (1 - share) * (self.losses(inputs) * inputs["weights"].to(self.compute.device)).mean()
            if self.replay:
                loss = loss + share * self.replayed(self.replay)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss became {float(loss)} with learning_rate={self.options.learning_rate}; lower it or raise beta"
            )
        self.done.losses.append(float(loss.detach()))
        return loss

    def losses(self, inputs: Mapping[str, Any]) -> Tensor:
        """Of each example (E,), by the method."""
        options, device = self.options, self.compute.device
        texts, documents = inputs["texts"], inputs["documents"]
        if options.method == "kto":
            with torch.no_grad():
                mismatched = self.gains(self.likelihoods(inputs["mismatched"]), inputs["mismatched_documents"])
            gains = self.gains(self.likelihoods(texts), documents)
            return kto_losses(gains, inputs["wanted"].to(device), mismatched, options.beta)
        likelihoods = self.likelihoods(texts)
        imitated = -likelihoods / texts.learned.to(device)
        if options.method == "sft":
            return imitated
        chosen, rejected = self.gains(likelihoods, documents).chunk(2)
        losses = dpo_losses(chosen, rejected, options.beta)
        return losses + options.rpo_alpha * imitated.chunk(2)[0] if options.rpo_alpha else losses

    def replayed(self, replay: Replay) -> Tensor:
        """The loss a token of what this micro-batch learns again; which it is follows from the step alone, so that a
        run that goes on learns the same."""
        trainer: Any = self
        done = trainer.state.global_step * trainer.args.gradient_accumulation_steps + len(self.done.losses)
        numbers = replay.numbers(done)
        if not len(numbers):
            return torch.zeros((), device=self.compute.device)
        texts = PackedTexts.of(replay.documents, numbers, self.options.seq_len, self.pad_id)
        return -self.likelihoods(texts).sum() / replay.learned


class PackedDPO(PackedPreferences, DPOTrainer):
    """TRL's DPO on packed rows; its loss ``sft`` learns the preferred answers alone, or beside (RPO, Pang et al. 2024,
    arXiv:2404.19733)."""


class PackedKTO(PackedPreferences, KTOTrainer):
    """TRL's KTO on packed rows."""


class Course(TrainerCallback):
    """Shows, writes down and saves what a run does, and ends it when it is told to stop."""

    def __init__(
        self,
        done: Step,
        progress: Progress,
        metrics: Metrics,
        states: TrainingStates,
        interruption: Interruption,
        cores: FreeCores,
    ) -> None:
        self.done, self.progress, self.metrics, self.states = done, progress, metrics, states
        self.interruption, self.cores = interruption, cores
        self._started = time.monotonic() - done.seconds

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """After each optimizer step."""
        done = self.done
        before, done.seconds = done.seconds, time.monotonic() - self._started
        loss = sum(done.losses) / max(1, len(done.losses))
        done.losses.clear()
        scheduler = more["lr_scheduler"]
        rate = scheduler.get_last_lr()[0]
        speed = done.tokens / max(done.seconds, 1e-9)
        left = done.seconds / state.global_step * (state.max_steps - state.global_step)
        self.metrics.write(
            step=state.global_step, seconds=round(done.seconds, 2), loss=loss, learning_rate=rate, tokens=done.tokens
        )
        self.progress.step(state.global_step, state.max_steps, loss, speed, left, None)
        if message := self.cores.after_step(done.seconds - before):
            self.progress.say(message)
        if self.interruption.number is not None:
            control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Put what TRL has saved into a state of ours, which appears whole or not at all."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        files = {
            path.name: torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
            for path in sorted(folder.iterdir())
            if path.is_file() and path.stat().st_size
        }
        self.states.save(
            state.global_step,
            {"files": files, "seconds": self.done.seconds, "tokens": self.done.tokens, "step": state.global_step},
        )


def build_trainer(base: Base, data: PreferenceData, options: ImproveOptions, compute: Compute, folder: Path) -> Any:
    """A trainer of TRL over a base, which gets LoRA's matrices; its reference likelihoods are still to be set."""
    quiet_transformers()
    disable_progress_bar()
    store_in(base.model, compute.dtype)
    steps = options.steps(len(data.train))
    common: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": options.micro_batch_size,
        "gradient_accumulation_steps": options.batch_size // options.micro_batch_size,
        "max_steps": steps,
        "learning_rate": options.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(options.warmup * steps),
        "max_grad_norm": options.max_grad_norm,
        "beta": options.beta,
        "seed": options.seed,
        "save_steps": options.save_steps,
        "save_total_limit": 1,
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "gradient_checkpointing": False,
        "use_cpu": compute.device.type == "cpu",
        "bf16": False,  # the forward pass chooses its format itself
    }
    matrices = LoraConfig(
        r=options.lora_rank,
        lora_alpha=2 * options.lora_rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        fan_in_fan_out=base.model.config.model_type == "gpt2",
    )
    numbers = Dataset.from_dict({"example": list(range(len(data.train)))})
    trainers: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "dpo": (PackedDPO, DPOConfig, {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, options.rpo_alpha]}),
        "sft": (PackedDPO, DPOConfig, {"loss_type": ["sft"]}),
        "kto": (PackedKTO, KTOConfig, {}),
    }
    make, settings, loss = trainers[options.method]
    trainer: Any = make(
        model=base.model,
        args=settings(**common, **loss),
        train_dataset=numbers,
        data_collator=lambda examples: trainer.collate(examples),
        processing_class=base.tokenizer,
        peft_config=matrices,
    )
    trainer.remove_callback(PrinterCallback)
    use_own_lora(trainer.model)
    trainer.packed = PackedCausalLM(base.model)
    trainer.data, trainer.options, trainer.compute, trainer.pad_id = data, options, compute, base.pad_id
    trainer.done = Step()
    return trainer


def likelihoods_of(
    trainer: PackedPreferences, numbers: Sequence[int] | np.ndarray, progress: Progress | None = None
) -> np.ndarray:
    """Log-likelihoods (nats) of the documents with these numbers, longest first through the model; what is in several
    documents, as an answer to a question that many testers were asked, is read once."""
    documents, options = trainer.data.documents, trainer.options
    numbers, places_of = documents.distinct(np.asarray(numbers, np.int64))
    found = np.zeros(len(numbers), np.float32)
    order = np.argsort(-documents.lengths[numbers], kind="stable")
    at_once = max(2, 2 * options.micro_batch_size)
    trainer.packed.eval()
    cores = FreeCores(follow=trainer.compute.device.type == "cpu")
    bar = tqdm(total=len(order), desc="reading", unit="text", file=sys.stderr, mininterval=15, delay=15)
    with cores, bar, torch.no_grad(), trainer.compute.autocast():
        for start in range(0, len(order), at_once):
            started = time.monotonic()
            places = order[start : start + at_once]
            texts = PackedTexts.of(documents, numbers[places], options.seq_len, trainer.pad_id)
            found[places] = log_likelihoods(trainer.packed, texts.to(trainer.compute.device)).cpu().numpy()
            bar.update(len(places))
            if progress is not None:
                progress.update(f"reading {len(order):,} texts, {start + len(places):,} done")
            cores.after_step(time.monotonic() - started)
    return found[places_of]


def reference_likelihoods(trainer: Any, weights_hash: str, progress: Progress) -> Tensor:
    """Those of all documents before training, of sft of those alone that are held back (the others are no numbers),
    from the cache where the same weights have read the same texts."""
    documents, is_sft = trainer.data.documents, trainer.options.method == "sft"
    key = hashlib.sha256(repr((weights_hash, trainer.compute.dtype_name, is_sft)).encode())
    for part in (documents.tokens, documents.learned, documents.offsets):
        key.update(np.ascontiguousarray(part).tobytes())
    path = cache_folder() / "likelihoods" / f"{key.hexdigest()[:32]}.npy"
    if (found := _kept(path, len(documents))) is not None:  # also in a cache that can only be read
        return torch.from_numpy(found)

    def read() -> np.ndarray:
        needed = trainer.data.held_out.documents.flatten() if is_sft else np.arange(len(documents))
        progress.stage("evaluate", f"reading the texts of {len(needed):,} answers with the model as it is")
        found = np.full(len(documents), np.nan, np.float32)
        with trainer.model.disable_adapter():
            found[needed] = likelihoods_of(trainer, needed, progress)
        return found

    try:
        with locked(path):
            found = _kept(path, len(documents))
            if found is None:
                found = read()
                _keep(path, found, progress)
    except CacheError as error:
        progress.say(f"the likelihoods are not kept: {error}")
        found = read()
    return torch.from_numpy(found)


def _kept(path: Path, n: int) -> np.ndarray | None:
    """So many likelihoods from a file; None where it is not there, or damaged."""
    with contextlib.suppress(OSError, ValueError, EOFError):  # the last of a file that is empty
        found = np.load(path)
        return found if found.shape == (n,) else None
    return None


def _keep(path: Path, likelihoods: np.ndarray, progress: Progress) -> None:
    partial = path.with_suffix(".partial.npy")
    try:
        np.save(partial, likelihoods)
        replace(partial, path)
    except OSError as error:  # such as a full disk: they are read anew next time
        progress.say(f"{path.parent}: the likelihoods are not kept ({error.strerror or error})")
        unlink(partial)


def run_trainer(
    trainer: Any, progress: Progress, metrics: Metrics, states: TrainingStates, state: Mapping[str, Any] | None
) -> Step:
    """Train, from a state if there is one.

    Raises:
        Stopped: after Ctrl-C or SIGTERM, with the state saved.
        TrainingError: when the loss is no longer a number.
    """
    done: Step = trainer.done
    cores = FreeCores(follow=trainer.compute.device.type == "cpu")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch, Interruption() as interruption, cores:
        folder = None
        if state is not None:
            done.seconds, done.tokens = state["seconds"], state["tokens"]
            folder = Path(scratch) / f"checkpoint-{state['step']}"
            folder.mkdir()
            for name, content in state["files"].items():
                (folder / name).write_bytes(content.numpy().tobytes())
        trainer.add_callback(Course(done, progress, metrics, states, interruption, cores))
        trainer.train(resume_from_checkpoint=str(folder) if folder else None)
        if interruption.number is not None and trainer.state.global_step < trainer.state.max_steps:
            step = trainer.state.global_step
            raise Stopped(interruption.number, f"stopped at step {step}, its state is saved in {states.path(step)}")
    return done
