"""Answers from a trained model. Imports common to models."""
