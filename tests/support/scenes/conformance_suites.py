"""Running a conformance suite without a test runner, to look at its findings."""

from __future__ import annotations

from typing import Any

from winchester_core.testing import ConformanceError


def failures_of(suite: type[Any]) -> dict[str, str]:
    """Return the failing tests of a suite, each with its message."""
    faults = {}
    for name in dir(suite):
        if name.startswith("test_"):
            try:
                getattr(suite(), name)()
            except ConformanceError as fault:
                faults[name] = str(fault)
    return faults


def assert_failure(suite: type[Any], test: str, message: str) -> None:
    """Assert that a suite fails in `test`, with a message that has these words."""
    faults = failures_of(suite)
    assert test in faults, f"{test} passes; failed: {faults}"
    assert message in faults[test], faults[test]
