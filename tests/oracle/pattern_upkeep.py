"""Upkeep of waiting events, silent groups, and members that count no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.model.stream import StreamState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from oracle.state import MemoryState
    from oracle.transaction import Transaction
    from winchester_core.triggers.definition import TriggerDefinition


def end_waiting(memory: MemoryState, transaction: Transaction, now: datetime, limit: int) -> int:
    """End the wait of up to `limit` groups in which every event has waited out."""
    over = [
        key
        for key, waiting in memory.waiting.items()
        if all(each.waits_until is not None and each.waits_until <= now for each in waiting)
    ][:limit]
    for key in over:
        memory.set_waiting(key, [], transaction)
    return len(over)


def delete_silences(
    memory: MemoryState,
    transaction: Transaction,
    now: datetime,
    definitions: Iterable[TriggerDefinition],
    limit: int,
) -> int:
    """Delete up to `limit` silences that are over under the current definitions."""
    durations = {each.name: each.suppress for each in definitions}
    over = [
        key
        for key, each in memory.silences.items()
        if each.name in durations
        if each.fires_at + durations[each.name] <= now
    ][:limit]
    for key in over:
        memory.set_silence(key, None, transaction)
    return len(over)


def unlink_old_members(memory: MemoryState, definition: TriggerDefinition, limit: int) -> int:
    """Unlink the members of up to `limit` streams that count no more; its times do not change.

    Return the number of streams that were examined.
    """
    found = [
        each
        for each in memory.streams.values()
        if each.name == definition.name and each.state is StreamState.ACTIVE
    ][:limit]
    for stream in found:
        kept = [each["message_id"] for each in memory.events_of(stream)]
        stream.members = [each for each in stream.members if each in kept]
    return len(found)
