"""The operations of a training whose report does not tell them: those until 2026-11-28. Its model is built again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from training.common.checkpoint_folder import CONFIG, FINAL
from training.evaluation.subjects import Unavailable
from training.loop.flops import counted
from training.loop.plans import shape_in_training, shape_of
from training.models.known_bases import KNOWN
from training.settings.common import in_new_names
from training.settings.model1 import Model1Options
from training.settings.model2 import Model2Options


def recounted(report: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What the report would tell. Raises Unavailable: see ``trained_model``."""
    return counted(trained_model(report, folder), in_new_names(report["config"])["seq_len"], report["tokens"])


def trained_model(report: Mapping[str, Any], folder: Path) -> Any:
    """The model of a training report, without numbers, with what was frozen marked so.

    Raises:
        Unavailable: settings of another version, or a base whose configuration is not beside the checkpoint.
    """
    try:
        model = _build(report, folder)
    except Unavailable:
        raise
    except Exception as error:  # whatever transformers raises for a configuration that is not one
        raise Unavailable(f"the model's shape cannot be read ({' '.join(str(error).split())[:150]})") from error
    found = sum(p.numel() for name, p in model.named_parameters() if "lora_" not in name)
    if found != report["parameters"]:
        raise Unavailable(f"the report's settings give {found:,} parameters and it tells of {report['parameters']:,}")
    return model


def _build(report: Mapping[str, Any], folder: Path) -> Any:
    config = {key: value for key, value in in_new_names(report["config"]).items() if key != "data"}
    if report["model"] == "model1":
        return shape_of(_with_known(Model1Options(), config))

    options = _with_known(Model2Options(), config)
    if options.base not in KNOWN:
        if not (folder / FINAL / CONFIG).is_file():
            raise Unavailable(f"{folder / 'final'} has no config.json")
        options = replace(options, base=str(folder / FINAL))
    return shape_in_training(options)


def _with_known(options: Any, config: Mapping[str, Any]) -> Any:
    """The settings of a report; those that this version lacks decide nothing about the shape."""
    names = {field.name for field in fields(options)}
    return replace(options, **{key: value for key, value in config.items() if key in names})
