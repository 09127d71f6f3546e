"""Both models side by side: facts that trace to files, sentences that rest on them, and a report of it all.

``load`` reads the files; ``cards`` is an overview of each model, ``headings`` are the six headings with their tables
and plots, ``user_testing`` the votes, ``two_minutes`` what can be said; ``training.comparison.html`` makes them HTML.
None of this loads PyTorch; only the table of bases in ``report`` does.
"""

from __future__ import annotations

from training.comparison.cards import Card, cards
from training.comparison.evidence import Comparison, ComparisonError, load
from training.comparison.headings import headings
from training.comparison.two_minutes import two_minutes
from training.comparison.user_testing import user_testing

__all__ = ["Card", "Comparison", "ComparisonError", "cards", "headings", "load", "two_minutes", "user_testing"]
