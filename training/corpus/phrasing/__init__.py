"""Wordings: how the records of checked facts are put as questions and answers."""
