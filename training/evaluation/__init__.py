"""What trained models know, predict and cost, measured. Imports common to inference."""
