"""Which names a configuration has: labels have these values and no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from winchester_core.model.effect import Endpoint

OTHER: Final = "(other)"
"""The label of whatever is in the tables and not in the configuration (any more)."""


@dataclass(frozen=True, slots=True)
class Names:
    """What is configured. `endpoints` is None in a process that reads no pipelines."""

    triggers: AbstractSet[str]
    pipelines: AbstractSet[str] = frozenset()
    endpoints: AbstractSet[Endpoint] | None = None
