"""What a run writes beside its weights: metrics, curves, report, verdict. Imports common to models."""
