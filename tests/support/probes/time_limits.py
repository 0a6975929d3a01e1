"""Time limit of a test's waits."""

BOUND_SECONDS = 300.0
"""Reached only by a test that hangs: no machine is slow enough for a single wait of this length."""
