"""The debug counts' part of the store in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from winchester_core.storage.records import DebugRecord
from winchester_core.telemetry.debug import DebugGroup

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from threading import Lock

    from winchester_core.clock import Clock
    from winchester_core.storage.memory.holdings import Holdings


@dataclass(slots=True)
class HeldDebug:
    """What was counted at a trigger."""

    since: datetime
    counted_at: datetime
    group: DebugGroup = field(default_factory=DebugGroup)


class MemoryDebugStore:
    """A `DebugStore` that lives and dies with its process."""

    _clock: Clock
    _held: Holdings
    _lock: Lock

    def add_debug_counts(self, groups: Mapping[str, DebugGroup]) -> None:
        """See `DebugStore.add_debug_counts`."""
        with self._lock:
            now = self._clock.now()
            for name, group in groups.items():
                held = self._held.debug.setdefault(name, HeldDebug(now, now))
                held.counted_at = now
                held.group.add(group)

    def debug_counts(self) -> dict[str, DebugRecord]:
        """See `DebugStore.debug_counts`."""
        with self._lock:
            return {
                name: DebugRecord.of(held.group, since=held.since, counted_at=held.counted_at)
                for name, held in sorted(self._held.debug.items())
            }

    def reset_debug_counts(self, name: str) -> bool:
        """See `DebugStore.reset_debug_counts`."""
        with self._lock:
            return self._held.debug.pop(name, None) is not None
