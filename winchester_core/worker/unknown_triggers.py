"""Unknown triggers: their streams exist in the database and are left to other workers.

If a claim finds an unknown trigger, its streams are skipped for one lease, so that queries do not
read them again and again. Then the trigger is removed, and added again if it still has streams.
If its oldest ready stream is then the same, the trigger is reported, because no worker has claimed
this stream for a whole lease.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.model.stream import WAITING_STATES
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from datetime import timedelta

    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import TriggerScope

logger = logging.getLogger(__name__)

MAX_LOGGED_NAMES: Final = 20


class UnknownTriggers:
    """Keeps the scope of a worker up to date, and reports triggers that no worker knows."""

    def __init__(self, store: Store, scope: TriggerScope, lease: timedelta) -> None:
        self._store = store
        self._scope = scope
        self._lease_seconds = lease.total_seconds()
        self._found_at: float | None = None
        self._before: dict[str, int] = {}
        self._reported: set[str] = set()

    def review(self) -> None:
        """Report unclaimed streams once, and remove unknown triggers after one lease."""
        now = monotonic()
        if self._found_at is None:
            self._found_at = now
        met = self._scope.first_ready
        unclaimed = {name for name, each in met.items() if self._before.get(name) == each}
        if new := sorted(unclaimed - self._reported):
            self._reported.update(new)
            logger.warning(
                "no worker claims the ready streams of these unknown triggers: triggers=%s",
                _shown(new),
            )
        if now - self._found_at >= self._lease_seconds:
            self._before, self._found_at = met, None
            self._scope.clear()

    def find(self) -> None:
        """Skip all unknown triggers from now on, even if no claim has found them yet."""
        if self._found_at is None:
            self._found_at = monotonic()
            self._store.skip_unknown_triggers(self._scope)

    def report_left(self) -> None:
        """Log the number of streams that an idle worker leaves to others when it ends."""
        names = self._scope.skipped
        if not names:
            return
        left = self._store.count_streams(
            StreamFilter(states=WAITING_STATES, unknown_to=frozenset(self._scope.known))
        )
        if left:
            logger.warning(
                "streams of unknown triggers left to other workers: streams=%d triggers=%s",
                left,
                _shown(sorted(names)),
            )


def _shown(names: list[str]) -> str:
    shown = ",".join(names[:MAX_LOGGED_NAMES])
    return shown if len(names) <= MAX_LOGGED_NAMES else f"{shown},... ({len(names)})"
