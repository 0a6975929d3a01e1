"""Actions of operators on streams: reset, purge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.errors import IllegalTransition
from winchester_core.model.stream import CLAIMED_STATES, ERROR_STATES, StreamState, states_including

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from oracle.state import MemoryState, MemoryStream
    from oracle.transaction import Transaction
    from winchester_core.storage.records import StreamVersion


def reset(
    memory: MemoryState,
    transaction: Transaction,
    stream_id: int,
    real_now: datetime,
    operator: str | None = None,
) -> StreamState:
    """Make a stream in error ready again with 0 failures; return its new state."""
    stream = memory.stream(stream_id)
    reason_states = states_including(stream.state)
    if reason_states is None or stream.state is not reason_states.failed:
        raise IllegalTransition(stream.state, "reset: only a stream in error can be reset")
    stream.save(transaction)
    stream.change_state(reason_states.retry, real_now, operator)
    stream.failures, stream.retry_at = 0, real_now
    stream.worker, stream.last_error = None, None
    return stream.state


def unchanged(
    memory: MemoryState,
    versions: Sequence[StreamVersion],
    states: Collection[StreamState] = ERROR_STATES,
) -> list[MemoryStream]:
    """Return the unchanged streams in `states` among `versions`."""
    streams = ((memory.streams.get(each.stream_id), each.serial) for each in versions)
    return [
        stream
        for stream, serial in streams
        if stream is not None and stream.serial == serial and stream.state in states
    ]


def purge(memory: MemoryState, transaction: Transaction, stream_id: int) -> None:
    """Delete a stream and its links, never its events."""
    stream = memory.stream(stream_id)
    if stream.state in CLAIMED_STATES:
        raise IllegalTransition(stream.state, "purged: it is claimed by a worker")
    memory.remove(stream, transaction)
