"""Measuring trained models: what they know, how well they predict held-out text, how they answer and what they cost."""
