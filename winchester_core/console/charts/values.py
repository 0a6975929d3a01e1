"""Values that can be drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_VALUE: Final = 10**18
"""Greatest value that is drawn; greater ones are drawn as it."""


def drawable(values: Sequence[float]) -> list[float]:
    """Return the values without what cannot be drawn: infinite, negative, not a number."""
    return [min(each, MAX_VALUE) if math.isfinite(each) and each > 0 else 0 for each in values]
