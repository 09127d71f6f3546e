"""A data file as bytes and as text, compressed or not, and what else may lie in its place."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

ENDINGS = (".jsonl", ".csv", ".parquet", ".txt", ".json", ".ndjson", ".tsv")


def open_text(path: Path) -> IO[str]:
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig")


def open_bytes(path: Path) -> IO[bytes]:
    return COMPRESSIONS.get(path.suffix.lower(), open)(path, "rb")


def _open_zstd(path: Path, _: str) -> Any:
    import pyarrow

    return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd"))


def problem(path: Path) -> str:
    """What a file is in the place of data, as its first bytes tell, and what to do; nothing where it may be data."""
    with path.open("rb") as file:
        start = file.read(512)
    ending = path.suffix.lower()
    for beginning, (endings, what) in _KINDS.items():
        if start.startswith(beginning) and ending not in endings:
            return what
    start = start.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if start.startswith(b"version https://git-lfs.github.com/"):
        return "is a pointer of Git LFS, not the file itself; run git lfs pull where it was cloned"
    if start.startswith((b"<!doctype html", b"<html")):
        return "is a web page, perhaps that of an error or a login; download the file itself"
    return ""


_ARCHIVE = "is a ZIP archive or a spreadsheet (.xlsx, .ods); unpack it, or save the spreadsheet as CSV in UTF-8"
_KINDS: dict[bytes, tuple[tuple[str, ...], str]] = {
    b"PK\x03\x04": ((), _ARCHIVE),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (
        (),
        "is a file of Excel or Word (.xls, .doc); save it as CSV or text",
    ),
    b"%PDF-": ((), "is a PDF; copy its text into a .txt file"),
    b"SQLite format 3\0": ((), "is an SQLite database; export its rows as CSV or JSON lines"),
    b"PAR1": ((".parquet",), "is a Parquet file; name it .parquet"),
    b"\x1f\x8b": ((".gz",), "is compressed with gzip; put .gz behind its name"),
    b"BZh": ((".bz2",), "is compressed with bzip2; put .bz2 behind its name"),
    b"\xfd7zXZ\0": ((".xz",), "is compressed with xz; put .xz behind its name"),
    b"\x28\xb5\x2f\xfd": ((".zst",), "is compressed with Zstandard; put .zst behind its name"),
}
"""What files begin with, under which endings that is right, and what to do else."""


def encoding_problem(path: Path, error: UnicodeDecodeError) -> str:
    """What the bytes are, as far as they tell, and what to do."""
    with open_bytes(path) as file:
        start = file.read(512)
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "is UTF-32, not UTF-8; convert it with iconv -f UTF-32 -t UTF-8"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and len(start) > 4:
        return "is UTF-16, not UTF-8; convert it with iconv -f UTF-16 -t UTF-8"
    if b"\0" in start:
        return f"holds binary data, not text; name text, or one of {', '.join(ENDINGS)}"
    byte = error.object[error.start]
    return f"is not UTF-8 (byte 0x{byte:02x}); convert it, for instance with iconv -f WINDOWS-1252 -t UTF-8"


COMPRESSIONS: dict[str, Callable[[Path, str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstd,
}


def uncompressed_name(path: Path) -> str:
    return path.stem if path.suffix.lower() in COMPRESSIONS else path.name


def format_of(path: Path) -> str:
    return Path(uncompressed_name(path)).suffix.lower()
