"""A page to keep: ``report.html``, one file with its plots inside, which needs no network and prints well."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..battles import timestamp
from ..database import Database
from ..export.write import ExportError, check_place, replace_file
from ..statistics import StudyVotes, VotesError, load_study, summary
from .facts import gather
from .page import page

REPORT = "a report of votes"
"""What it is, for the list of our files: the comparison has a page of the same name."""


def write_report(
    database: Database, out: str | Path, label: str | None = None
) -> tuple[Path, StudyVotes, dict[str, Any]]:
    """Write ``report.html`` of a study into a folder, which is made when missing. Raises VotesError or ExportError.

    Returns:
        The file, the votes it rests on, and their summary.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_place(folder / "report.html", REPORT)
    except OSError as error:
        raise ExportError(f"{folder}: cannot be made ({error.strerror}); choose another folder with --out") from None
    votes = load_study(database, label)
    if votes.id is None:
        raise VotesError(f"{database.path} has no study yet; start the app once, then report")
    result = summary(votes.outcomes, votes.guesses, alpha=votes.alpha)
    with database.snapshot() as connection:
        html = page(votes, result, gather(connection, votes.id), timestamp(datetime.now(timezone.utc)))
    path = folder / "report.html"
    replace_file(path, [html.encode()], kind=REPORT)
    return path, votes, result
