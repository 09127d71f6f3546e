"""The training loop: optimizer, course, states, plan, several processes. Imports common to settings."""
