"""The report that compares both models, from files alone. Imports common to evaluation."""

from __future__ import annotations

from training.comparison.evidence import Comparison, ComparisonError, load
from training.comparison.headings import Card, cards, headings
from training.comparison.two_minutes import two_minutes
from training.comparison.user_testing import user_testing

__all__ = ["Card", "Comparison", "ComparisonError", "cards", "headings", "load", "two_minutes", "user_testing"]
