"""Files, settings, the command line, progress, worker processes: whatever knows no model. Imports no other room."""
