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
from training.common.files import ForeignFileError, new_folder, place
from training.models.gguf_format import FILE_TYPES, ExportError, export_gguf
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
    if arguments.to == "hf" and arguments.out:
        check_place(source, arguments.out)
    if source.suffix == ".pt":
        from safetensors import SafetensorError

        from training.models.checkpoint import load

        hf = arguments.out if arguments.to == "hf" and arguments.out else source.parent / HF
        try:
            export_hf(*load(source), hf)
        except SafetensorError as error:  # such as a full disk: it is no OSError
            raise ExportError(f"{hf}: cannot be written ({error}); make room, or name another place") from error
        default = source.parent / GGUF
    else:
        hf = source
        if arguments.to == "hf":
            from training.models.whole import check_folder

            check_folder(source)
        default = (source.parent if source.name == FINAL else source) / GGUF
        if arguments.to == "hf" and arguments.out:
            with new_folder(arguments.out, FOLDERS[HF]) as partial:
                shutil.copytree(source, partial, dirs_exist_ok=True)
            hf = arguments.out
    written = hf
    if arguments.to == "gguf":
        written = arguments.out or default
        export_gguf(hf, written, arguments.type or "f16")
    print(f"written to {written}" if written != source else f"{source} already has this form")


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
