"""What a run will need, told before anything is allocated: parameters, steps, memory by part, and time.

The memory of a step is not a formula: the step itself runs on fake tensors, which have shapes and no numbers, while
every allocation is counted. So attention, chunked loss, frozen layers, LoRA and activation checkpointing count as they
are written. Layers are alike: two short models are traced and the rest follows in a straight line.
"""

from __future__ import annotations

import shutil
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from training.common.options import OptionsError
from training.corpus import CorpusError, Size, Source, hub, iter_source, known_size, weighted_sources
from training.hardware.compute import EXACT, choose_compute, gpu_dtype, memory_bytes
from training.loop.optimizer import build_optimizers
from training.models.loss import LinearCrossEntropy, output_weight
from training.settings.common import TrainingOptions


@dataclass(frozen=True)
class Device:
    """What a plan has to know of a device: memory in bytes, matrix products in bf16 a second (dense), and whose figure
    that is."""

    name: str
    memory: int
    flops: float
    source: str
    is_gpu: bool = True


_AMPERE = "https://www.nvidia.com/content/PDF/nvidia-ampere-ga-102-gpu-architecture-whitepaper-v2.pdf"
_ADA = "https://images.nvidia.com/aem-dam/Solutions/geforce/ada/nvidia-ada-gpu-architecture.pdf"

DEVICES = {
    "rtx-3090": Device("GeForce RTX 3090", 24 << 30, 71e12, _AMPERE),
    "rtx-3090-ti": Device("GeForce RTX 3090 Ti", 24 << 30, 80e12, _AMPERE),  # 10,752 cores at 1.86 GHz, as the 3090's
    "rtx-4090": Device("GeForce RTX 4090", 24 << 30, 165e12, _ADA),
    "a100": Device("A100 80 GB", 80 << 30, 312e12, "https://www.nvidia.com/en-us/data-center/a100/"),
    "h100": Device("H100 SXM", 80 << 30, 989e12, "https://www.nvidia.com/en-us/data-center/h100/"),
}
"""Devices for ``--plan-for``. GeForce's figures are those with accumulation in fp32, as training needs it."""

GPU_MFU, CPU_MFU = 0.35, 0.4
"""Share of the peak rate that a run is assumed to reach: what trainers of this size report on GPUs, and what was seen
here on CPUs, against the rate that a short measurement finds."""

PROCESS = 580_000_000
"""Bytes that a run holds besides its step, on a CPU: Python, PyTorch and the libraries it loads, the exports'
included (measured, without the data)."""
FRAGMENTED = 0.35
"""What a CPU's allocator holds beyond what a step uses at one moment, as a share of the activations: blocks
between others that are in use (measured over runs of 8 to 230 steps)."""
GPU_CONTEXT = 800_000_000
"""Bytes that CUDA's context and libraries take on a GPU."""
USABLE = 0.95
"""Share of a device's memory that a run can count on."""


class _Allocations(TorchDispatchMode):
    """Counts the bytes of all tensors made while it is active, and the most that lived at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        if storage in self._seen:
            return
        self._seen.add(storage)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.now -= size


@dataclass(frozen=True)
class Step:
    """Bytes of activations at the fullest moment of a step, gradients not included, and its arithmetic: the products
    with weights, not those between positions in a fused attention."""

    activations: float
    flops_per_token: float


Build = Callable[..., nn.Module]
"""Makes the model, whole (None), or with so many layers, of which so many may be frozen, if that is said as well;
parameters that are not trained need no gradient."""


def trace_step(build: Build, options: TrainingOptions, dtype: torch.dtype, *shape: int) -> Step:
    """Run a step's forward and backward pass without numbers; ``shape`` is what ``build`` is to make, if not all."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    rows = min(options.micro_batch_size, options.batch_size)
    with torch.device("meta"):
        model = build(*shape or (None,)).train()
    with FakeTensorMode():
        _pretend_storage(model)
        gradients = _size(p for p in model.parameters() if p.requires_grad)
        with FlopCounterMode(display=False) as counter:
            _pass(model, 1, options, dtype)
        model.zero_grad(set_to_none=True)
        with _Allocations() as allocations:
            for _ in range(1 if rows == options.batch_size else 2):
                _pass(model, rows, options, dtype)
    return Step(max(0, allocations.peak - gradients), counter.get_total_flops() / options.seq_len)


def _pretend_storage(model: nn.Module) -> None:
    """Give the tensors of a model on the meta device a place on the CPU, in the fake mode that is active."""
    made: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, old in module.named_parameters(recurse=False):
            if id(old) not in made:
                made[id(old)] = nn.Parameter(torch.empty(old.shape, dtype=old.dtype), old.requires_grad)
            module.register_parameter(name, made[id(old)])
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)


def _pass(model: Any, rows: int, options: TrainingOptions, dtype: torch.dtype) -> None:
    """Forward and backward pass of a micro-batch in which every token is learned."""
    tokens = torch.zeros(rows, options.seq_len, dtype=torch.long)
    labels, places = tokens.flatten(), torch.arange(tokens.numel())
    with torch.autocast("cpu", dtype, enabled=dtype != EXACT):
        states = model.hidden(tokens, tokens).to(dtype).flatten(0, 1)
    loss = LinearCrossEntropy.apply(states, output_weight(model), labels, places, options.label_smoothing, 512)
    loss.backward()


def whole_step(build: Build, n_layers: int, options: TrainingOptions, dtype: torch.dtype, frozen: int = 0) -> Step:
    """The step of the whole model, from short ones where it is deep: every layer adds what the one before it added,
    the ``frozen`` lowest ones something else than the trained ones.

    Where a layer's gradients are larger than what it keeps for them, the fullest moment moves to the end of the
    backward pass as layers are added, and memory beside the gradients falls until it is there, and no further.
    """
    if n_layers <= 8:
        return trace_step(build, options, dtype)
    if not frozen:
        two, four = (trace_step(build, options, dtype, n) for n in (2, 4))
        return _extended(four, (two, four, (n_layers - 4) / 2))
    short, more_frozen, deeper = (trace_step(build, options, dtype, *shape) for shape in ((3, 1), (4, 2), (5, 1)))
    return _extended(short, (short, more_frozen, frozen - 1), (short, deeper, (n_layers - frozen - 2) / 2))


def _extended(step: Step, *more: tuple[Step, Step, float]) -> Step:
    """A step with the differences of others added, each so many times."""
    activations = step.activations + sum(times * max(0, b.activations - a.activations) for a, b, times in more)
    flops = step.flops_per_token + sum(times * (b.flops_per_token - a.flops_per_token) for a, b, times in more)
    return Step(activations, flops)


@dataclass(frozen=True)
class Plan:
    """What a run needs on a device. Memory in bytes, by part; time in seconds."""

    device: Device
    dtype: torch.dtype
    parameters: int
    trainable: int
    tokens: int
    steps: int
    tokens_per_step: int
    memory: dict[str, float]
    flops_per_token: float
    mfu: float
    options: TrainingOptions

    @property
    def total(self) -> float:
        return sum(self.memory.values())

    @property
    def seconds(self) -> float:
        return self.steps * self.tokens_per_step * self.flops_per_token / (self.device.flops * self.mfu)

    @property
    def fits(self) -> bool:
        return self.total <= USABLE * self.device.memory

    def remedies(self) -> list[str]:
        """Settings that would need less memory, the mildest first."""
        options, found = self.options, []
        if options.micro_batch_size > 1:
            found.append(f"micro_batch_size={max(1, options.micro_batch_size // 2)}")
        if not options.activation_checkpointing:
            found.append("activation_checkpointing=true")
        if getattr(options, "method", None) == "full":
            found.append("method=lora")
        if options.seq_len > 128:
            found.append(f"seq_len={options.seq_len // 2}")
        return found or ["a smaller model"]

    def problems(self) -> list[str]:
        if self.fits:
            return []
        return [
            f"the run needs about {self.total / 1e9:.1f} GB and {self.device.name} has "
            f"{self.device.memory / 1e9:.1f} GB; try --set {' or --set '.join(self.remedies())}, or see --plan"
        ]

    def describe(self) -> str:
        """The plan as lines of text."""
        name = str(self.dtype).removeprefix("torch.")
        trained = "" if self.trainable == self.parameters else f", {self.trainable:,} of them trained"
        lines = [
            f"parameters   {self.parameters:,}{trained}",
            f"tokens       about {self.tokens:,} in the data",
            f"steps        {self.steps:,} of {self.tokens_per_step:,} tokens",
            f"memory       {self.total / 1e9:.2f} GB of {self.device.memory / 1e9:.1f} GB ({self.device.name}, {name})",
            *(f"  {part:<26}{size / 1e9:7.2f} GB" for part, size in self.memory.items()),
            f"time         {duration(self.seconds)}, at {self.device.flops / 1e12:.2f} TFLOP/s of which "
            f"{self.mfu:.0%} are assumed to be used ({self.device.source})",
        ]
        if self.options.target_bits_per_byte is not None:
            target = f"target_bits_per_byte={self.options.target_bits_per_byte:g}"
            lines.append(f"             it ends sooner when its held-out score reaches {target}")
        if self.options.max_seconds is not None and self.seconds > self.options.max_seconds:
            lines.append(
                f"             max_seconds={self.options.max_seconds:g} ends it sooner, at about "
                f"{self.options.max_seconds / self.seconds:.0%} of its plan"
            )
        lines.append("fits" if self.fits else f"does not fit; try --set {' or --set '.join(self.remedies())}")
        return "\n".join(lines)


def make_plan(
    build: Build,
    n_layers: int,
    options: TrainingOptions,
    n_tokens: int,
    *,
    device: str | None = None,
    frozen: int = 0,
    weight_bytes: Callable[[nn.Module], float] | None = None,
) -> Plan:
    """The plan of a run.

    Args:
        build: makes the model, or a shorter one.
        n_tokens: tokens of the training data.
        device: one of ``DEVICES``; without it the one that the run would use.
        frozen: how many of the layers are.
        weight_bytes: bytes of the weights where they are not stored as the model has them (4 bits).

    Raises:
        OptionsError: for a device that is not in the table.
    """
    where, dtype = find_device(device, options)
    with torch.device("meta"):
        model = build(None)
    parameters = list(model.parameters())
    trained = [p for p in parameters if p.requires_grad]
    step = whole_step(_as_on_a_gpu(build) if where.is_gpu else build, n_layers, options, dtype, frozen)
    memory = {
        "weights": weight_bytes(model) if weight_bytes else float(_size(parameters)),
        "gradients": float(_size(trained)),
        f"optimizer ({options.optimizer})": float(optimizer_bytes(model, options)),
        "activations": step.activations,
    }
    if where.is_gpu:
        memory["CUDA's context"] = GPU_CONTEXT
    else:
        memory["held by the allocator"] = FRAGMENTED * step.activations
        memory["Python and libraries"] = PROCESS
    per_step = options.batch_size * options.seq_len
    steps = options.max_steps or max(1, round(options.epochs * n_tokens / per_step))
    counts = sum(p.numel() for p in parameters), sum(p.numel() for p in trained)
    mfu = GPU_MFU if where.is_gpu else CPU_MFU
    return Plan(where, dtype, *counts, n_tokens, steps, per_step, memory, step.flops_per_token, mfu, options)


def memory_problems(options: TrainingOptions, model: nn.Module, plan: Callable[[], Plan]) -> list[str]:
    """Whether a run is too large for the device it would use; ``model`` has no weights yet.

    The step is traced only where it might be: a trace takes seconds, and activations are rarely more than 200 bytes a
    token and unit of width and layer.
    """
    available = memory_bytes(choose_compute(options.dtype).device)
    parameters = list(model.parameters())
    weights = _size(parameters) + 3 * _size(p for p in parameters if p.requires_grad)
    widths = sum(p.shape[0] for p in parameters if p.dim() == 2)
    tokens = min(options.micro_batch_size, options.batch_size) * options.seq_len
    scores = tokens * options.seq_len * 400
    if weights + 40 * tokens * widths + scores + PROCESS < USABLE * available:
        return []
    return plan().problems()


def _as_on_a_gpu(build: Build) -> Build:
    """Without dropout in attention: a CPU then holds all scores, the kernels of GPUs do not."""

    def built(*shape: int | None) -> nn.Module:
        model = build(*shape)
        for module in model.modules():
            for name in ("dropout", "attention_dropout"):
                if isinstance(getattr(module, name, None), float):
                    setattr(module, name, 0.0)
            if isinstance(dropout := getattr(module, "attn_dropout", None), nn.Dropout):  # GPT-2's
                dropout.p = 0.0
        return model

    return built


def _size(parameters: Iterable[Tensor]) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)


def optimizer_bytes(model: nn.Module, options: TrainingOptions) -> int:
    """State of the optimizers: two fp32 numbers a weight for AdamW, one for Muon."""
    return sum(
        (1 if isinstance(optimizer, torch.optim.Muon) else 2) * _size(group["params"])
        for optimizer in build_optimizers(model, options)
        for group in optimizer.param_groups
    )


def find_device(name: str | None, options: TrainingOptions) -> tuple[Device, torch.dtype]:
    """The device of a plan and its number format."""
    if name is not None:
        if name not in DEVICES:
            raise OptionsError([f"--plan-for {name!r} is not known; choose {', '.join(DEVICES)}"])
        return DEVICES[name], gpu_dtype(options.dtype)
    compute = choose_compute(options.dtype)
    is_gpu = compute.device.type == "cuda"
    found = Device(
        compute.name, memory_bytes(compute.device), measure_flops(compute.device, compute.dtype), "measured", is_gpu
    )
    return found, compute.dtype


def measure_flops(device: torch.device, dtype: torch.dtype, size: int = 1024) -> float:
    """Floating-point operations a second in a product of square matrices, the fastest of a few."""
    a = torch.ones(size, size, dtype=dtype, device=device)
    times = []
    for _ in range(4):
        started = time.perf_counter()
        float((a @ a)[0, 0])
        times.append(time.perf_counter() - started)
    return 2 * size**3 / min(times)


TOKENS_OF_TURNS = 6
"""Of the chat form, in a sample of one question and its answer."""
FEW_TOKENS = 5.0
"""Tokens a parameter below which a model learns its texts rather than language. A model of a given cost is best at
about 20 (Hoffmann et al. 2022, arXiv:2203.15556)."""


def estimate_tokens(data: Sequence[str], options: TrainingOptions, bytes_per_token: float) -> int:
    """About how many tokens an epoch has. What is on this machine is read, but neither cleaned nor tokenised; of the
    rest the counts are known, and nothing is fetched.

    Raises:
        CorpusError: A source on the Hub that nobody has counted.
    """
    tokens = samples = 0.0
    for source, weight in weighted_sources(data).items():
        size = known_size(source) or _size_here(source, options)
        share = min(1.0, (options.max_rows_per_source or size.samples) / max(1, size.samples)) * weight
        samples += size.samples * share
        tokens += (size.bytes / bytes_per_token + TOKENS_OF_TURNS * size.samples) * share
    limit = getattr(options, "max_samples", None) or samples
    return round(tokens * min(1.0, limit / max(1.0, samples)))


def _size_here(source: Source, options: TrainingOptions) -> Size:
    if source in hub.SOURCES and not hub.copies(str(source)):
        raise CorpusError(f"{source}: how much of it would be trained on is not known; a plan needs --data without it")
    sizes = [sum(len(message.content.encode()) for message in sample.messages) for sample in iter_source(source)]
    return Size(len(sizes), sum(sizes))


def few_tokens(tokens: float, parameters: int) -> str:
    """A line for a run from scratch on too little text; empty where there is enough."""
    if tokens >= FEW_TOKENS * parameters:
        return ""
    return (
        f"{tokens / parameters:.2g} tokens a parameter over all epochs, fewer than {FEW_TOKENS:g}: it will learn these "
        f"texts rather than language. {FEW_TOKENS:g} would be {FEW_TOKENS * parameters / 1e6:,.0f} million tokens; add "
        "data (--data open eli5 art-wikipedia, or texts of your own), or train a smaller model"
    )


def duration(seconds: float) -> str:
    """For a reader: 40 s, 12 min, 3.4 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def disk_problems(folder: Path, n_bytes: float) -> list[str]:
    """Whether a run that writes ``n_bytes`` fits on the disk of ``folder``, which need not exist yet."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if n_bytes <= free:
        return []
    return [
        f"the run writes up to {n_bytes / 1e9:.1f} GB and {there} has {free / 1e9:.1f} GB free; make room, name "
        "another --out, or keep fewer states with --set keep_checkpoints=1"
    ]
