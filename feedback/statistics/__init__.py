"""The statistics of a blind preference study: :func:`summary`, and where its votes come from."""

from .csv_file import read_csv, read_study_csv
from .load import StudyVotes, load_study
from .outcomes import Outcomes, VotesError
from .summary import summary

__all__ = ["Outcomes", "StudyVotes", "VotesError", "load_study", "read_csv", "read_study_csv", "summary"]
