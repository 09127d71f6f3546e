"""Answers from a trained model: generation in Python, and the engines that serve. Imports common to models."""
