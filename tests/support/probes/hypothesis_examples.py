"""Number of examples of a property test: all in the gate, a part elsewhere."""

from __future__ import annotations

import os

IS_THOROUGH = os.environ.get("WINCHESTER_TEST_EXAMPLES", "few") == "all"
LEAST = 10


def examples(number: int = 100) -> int:
    """Return `number` in a complete run, else 30 % of it."""
    return number if IS_THOROUGH else max(LEAST, number * 3 // 10)
