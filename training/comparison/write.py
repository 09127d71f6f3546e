"""The comparison as files: HTML, Markdown, JSON and plots."""

from __future__ import annotations

import json
from pathlib import Path

from training.common.files import ForeignFileError, foreign, refusal, replace_text
from training.comparison.charts import standalone
from training.comparison.evidence import ComparisonError
from training.comparison.html import page
from training.comparison.markdown import text
from training.comparison.report import Report, as_json


def write(report: Report, out: Path) -> list[Path]:
    """``report.html``, ``report.md``, ``report.json``, ``plots/``, and in ``sources/`` the files that figures stand in.

    Raises:
        ComparisonError: the folder cannot be written; one line.
    """
    files = {f"sources/{document.name}": document.raw.decode() for document in report.comparison.documents()}
    files |= {f"plots/{plot.name}.svg": standalone(plot.svg) for plot in report.plots()}
    files["report.json"] = json.dumps(as_json(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    files["report.md"], files["report.html"] = text(report), page(report)
    if names := foreign(out, files):
        raise ForeignFileError(refusal(out, names))
    try:
        for name, content in files.items():
            replace_text(out / name, content)
    except OSError as error:
        raise unwritable(out, error) from error
    return [out / name for name in files]


def unwritable(out: Path, error: OSError) -> ComparisonError:
    """What to tell where the report cannot be written."""
    return ComparisonError(f"{out}: cannot be written ({error.strerror}); choose another folder with --out")
