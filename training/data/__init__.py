"""Samples to batches: chat forms, token ids, packed rows, prepared data. Imports common and corpus."""
