"""What is recorded of a stream whose workers died until its attempts were used up."""

from __future__ import annotations


def died_each_time(attempts: int) -> str:
    """For a stream of which no attempt ended otherwise."""
    return f"worker died {attempts} times"


def died_after_failure(attempts: int) -> str:
    """What stands before the error of an earlier attempt, which is kept."""
    return f"worker died in attempt {attempts}; before that: "
