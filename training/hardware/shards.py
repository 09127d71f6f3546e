"""Tensors of which each process holds a share (DTensors), and training states made of them.

A state of several processes is written by all of them with ``torch.distributed.checkpoint`` and can be read by any
other number of processes, one included.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

SHARDS = "shards"
"""The folder of a sharded state, in the form of ``torch.distributed.checkpoint``."""


def is_share(tensor: Any) -> bool:
    """Whether it is a DTensor; told by what it can do, since its module takes a second to load."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Any) -> Tensor:
    """The tensor itself, gathered where this process has a share of it; then all processes call this."""
    gathered: Tensor = tensor.full_tensor() if is_share(tensor) else tensor
    return gathered


def is_first() -> bool:
    """Whether this process, alone or the first of several, writes the files."""
    return not dist.is_initialized() or dist.get_rank() == 0


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights, gathered where they are shares; all processes call this, and the first one gets them."""
    weights = model.state_dict()
    if not any(is_share(tensor) for tensor in weights.values()):
        return weights
    gathered = {}
    for name, tensor in weights.items():
        full = whole(tensor)
        if is_first():
            gathered[name] = full.cpu()
    return gathered


def split_state(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A training state without its tensors of weights and optimizers, and these by a flat name."""
    tensors = {f"weights/{name}": tensor for name, tensor in state["weights"].items()}
    groups = []
    for number, optimizer in enumerate(state["optimizers"]):
        groups.append(optimizer["param_groups"])
        for index, values in optimizer["state"].items():
            tensors |= {f"optimizers/{number}/{index}/{key}": tensor for key, tensor in values.items()}
    return {**state, "weights": {}, "optimizers": groups, "sharded": True}, tensors


def complete_state(
    state: Mapping[str, Any], folder: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> dict[str, Any]:
    """A state as this process can load it, whatever number of processes saved it: whole tensors, or shares."""
    named = dict(model.named_parameters())
    if not state.get("sharded"):
        weights = {name: shared_like(tensor, named[name]) for name, tensor in state["weights"].items()}
        saved = state["optimizers"]
    else:
        weights, saved = _read_shards(state, folder / SHARDS, named, optimizers)
    for optimizer, content in zip(optimizers, saved, strict=True):
        for index, parameter in enumerate(_parameters(optimizer)):
            values = content["state"].get(index, {})
            content["state"][index] = {key: shared_like(value, parameter) for key, value in values.items()}
    return {**state, "weights": weights, "optimizers": saved}


def _read_shards(
    state: Mapping[str, Any],
    folder: Path,
    named: Mapping[str, nn.Parameter],
    optimizers: Sequence[torch.optim.Optimizer],
) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    tensors: dict[str, Any] = {}
    for key, content in dcp.FileSystemReader(folder).read_metadata().state_dict_metadata.items():
        assert isinstance(content, TensorStorageMetadata)
        kind, *place = key.split("/")
        parameter = named[place[0]] if kind == "weights" else _parameters(optimizers[int(place[0])])[int(place[1])]
        like = parameter.detach() if parameter.shape == content.size else torch.empty(content.size)
        tensors[key] = torch.empty_like(like, dtype=content.properties.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it loads in one process, which is meant
        dcp.load(tensors, checkpoint_id=folder, no_dist=not dist.is_initialized())
    saved: list[dict[str, Any]] = [{"state": {}, "param_groups": groups} for groups in state["optimizers"]]
    weights = {}
    for key, tensor in tensors.items():
        kind, *place = key.split("/")
        if kind == "weights":
            weights[place[0]] = tensor
        else:
            saved[int(place[0])]["state"].setdefault(int(place[1]), {})[place[2]] = tensor
    return weights, saved


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def shared_like(tensor: Any, parameter: Any) -> Any:
    """This process's share of a whole tensor where ``parameter`` is a share; else the tensor itself."""
    if not is_share(parameter) or is_share(tensor) or tensor.shape != parameter.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor  # see is_share

    local = tensor.to(parameter.device)
    return distribute_tensor(local, parameter.device_mesh, parameter.placements, src_data_rank=None)
