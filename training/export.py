"""Interchange formats: Hugging Face's folder and llama.cpp's GGUF.

    python -m training.export checkpoints/art_ai_model --to hf
    python -m training.export checkpoints/model2_pretrained --to gguf --type f16 --out model2.gguf

CHECKPOINT is a training run's folder, Model 1's `.pt`, or a folder in Hugging Face's form.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from training.common.checkpoint_folder import CONFIG, FINAL, FOLDERS, GGUF, HF, PT, TO_EXPORT, find, form_of
from training.common.cli import OneLineParser, run_command, stoppable
from training.common.files import ForeignFileError, check_file, new_folder, place, workspace
from training.models.gguf_format import FILE_TYPES, ExportError, FileType, export_gguf
from training.models.hf_format import export_hf


def _source_of(checkpoint: Path) -> Path:
    """What a CHECKPOINT names: Model 1's ``.pt``, or a folder in Hugging Face's form."""
    if form_of(checkpoint) == "model1":
        return checkpoint
    if source := find(checkpoint, TO_EXPORT):
        return source
    raise ExportError(
        f"{checkpoint} is no checkpoint; name a folder that holds {PT}, {FINAL}/ or {CONFIG}, or a .pt file"
    )


def check_place(source: Path, out: Path) -> None:
    """Raises ForeignFileError where a folder that is written to ``out`` would lie around its source or in it."""
    held, place = source.resolve(), out.resolve()
    if place == held or place in held.parents or held in place.parents:
        raise ForeignFileError(f"--out {out} holds {source} or lies in it; name another folder")


@stoppable("stopped; nothing is half written, and what was there before stays", resumable=False)
def _export(arguments: argparse.Namespace) -> None:
    if arguments.to == "hf" and arguments.type:
        raise ExportError(f"--type {arguments.type} is for --to gguf; leave it out with --to hf")
    source = _source_of(arguments.checkpoint)
    if arguments.to == "hf":
        written = _to_hf(source, arguments.out)
    else:
        written = arguments.out or _beside(source) / GGUF
        _to_gguf(source, written, arguments.out is None, arguments.type or "f16")
    print(f"written to {written}" if written != source else f"{source} already has this form")


def _beside(source: Path) -> Path:
    return source.parent if source.suffix == ".pt" or source.name == FINAL else source


def _to_hf(source: Path, out: Path | None) -> Path:
    """Write a checkpoint as a folder; where that is."""
    if out:
        check_place(source, out)
    if source.suffix == ".pt":
        _hf_of(source, out or source.parent / HF)
        return out or source.parent / HF
    from training.models.whole import check_folder

    check_folder(source)
    if out is None:
        return source
    with new_folder(out, FOLDERS[HF]) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True)
    return out


def _hf_of(source: Path, folder: Path) -> None:
    from safetensors import SafetensorError

    from training.models.checkpoint import load

    try:
        export_hf(*load(source), folder)
    except SafetensorError as error:  # such as a full disk: it is no OSError
        raise ExportError(f"{folder}: cannot be written ({error}); make room, or name another place") from error


def _to_gguf(source: Path, out: Path, keep_hf: bool, file_type: FileType) -> None:
    """Write a checkpoint as GGUF, of Model 1 by way of the folder beside it, or of one that goes again."""
    if source.suffix != ".pt":
        export_gguf(source, out, file_type)
    elif keep_hf:
        _hf_of(source, source.parent / HF)
        export_gguf(source.parent / HF, out, file_type)
    else:
        check_file(out, GGUF)
        with workspace(out.parent, out.name) as place:  # the checkpoint may be read-only, and is to stay as it is
            _hf_of(source, place / HF)
            export_gguf(place / HF, out, file_type)


def build_parser() -> OneLineParser:
    parser = OneLineParser(
        prog="training.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=place, metavar="CHECKPOINT", help="a checkpoint's folder or .pt file")
    parser.add_argument("--to", choices=("hf", "gguf"), required=True, help="the form to write")
    parser.add_argument(
        "--out", type=place, metavar="PATH", help="the folder or file to write (default: beside the checkpoint)"
    )
    parser.add_argument("--type", choices=FILE_TYPES, help="numbers in the GGUF file (default: f16)")
    return parser


def main(argv: list[str] | None = None) -> int:
    return run_command(_export, build_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
