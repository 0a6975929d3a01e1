"""Failpoints: named points between the steps of a transaction, where tests stop or kill a process.

Tests install a hook with `on_hit`. If there is no hook, a failpoint costs one comparison.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Failpoint(StrEnum):
    """The failpoints, in the order in which messages, streams and effects reach them."""

    RECEIVED = "received"
    PREPARED = "prepared"
    DISTILLED = "distilled"
    EVENTS_STORED = "events-stored"
    STREAMS_STORED = "streams-stored"
    BEFORE_INGEST_COMMIT = "before-ingest-commit"
    INGEST_COMMITTED = "ingest-committed"
    ACKNOWLEDGED = "acknowledged"
    BEFORE_CLAIM_COMMIT = "before-claim-commit"
    CLAIMED = "claimed"
    EVENTS_LOADED = "events-loaded"
    HANDLED = "handled"
    LEASE_VERIFIED = "lease-verified"
    HANDLERS_COMMITTED = "handlers-committed"
    BEFORE_COMPLETION_COMMIT = "before-completion-commit"
    COMPLETED = "completed"
    BEFORE_FAILURE_COMMIT = "before-failure-commit"
    BEFORE_EFFECTS_CLAIM_COMMIT = "before-effects-claim-commit"
    EFFECTS_CLAIMED = "effects-claimed"
    EFFECTS_SENT = "effects-sent"
    BEFORE_EFFECT_RESULTS_COMMIT = "before-effect-results-commit"
    EFFECT_RESULTS_STORED = "effect-results-stored"


_hook: Callable[[Failpoint], None] | None = None


def on_hit(hook: Callable[[Failpoint], None] | None) -> None:
    """Call `hook` at every failpoint from now on; None removes it. For tests."""
    global _hook  # noqa: PLW0603 - one process, one hook
    _hook = hook


def hit(point: Failpoint) -> None:
    """Reach `point`: call the hook, if there is one."""
    if _hook is not None:
        _hook(point)
