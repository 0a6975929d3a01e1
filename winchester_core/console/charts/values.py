"""Values that can be drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_VALUE: Final = 10**18
"""Greatest value that is drawn; greater values are drawn like it."""


def drawable(values: Sequence[float]) -> list[float]:
    """Return the values; 0 replaces values that are infinite, negative or not a number."""
    return [min(each, MAX_VALUE) if math.isfinite(each) and each > 0 else 0 for each in values]
