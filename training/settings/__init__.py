"""The settings of both trainings, and their profiles. Imports common to reporting."""
