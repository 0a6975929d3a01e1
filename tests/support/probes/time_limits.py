"""How long a test waits for something that must happen."""

BOUND_SECONDS = 300.0
"""Reached only by a test that hangs: no machine is so slow that a single wait takes this long."""
