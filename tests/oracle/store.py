"""The store in memory: the ingest and admin roles, and all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from oracle import ingest, stream_actions
from oracle.effect_store import MemoryDebugStore, MemoryEffectStore
from oracle.operations_store import MemoryOperationsStore
from oracle.page_store import MemoryPageStore
from oracle.read_store import MemoryReadStore
from oracle.work_store import MemoryWorkStore
from winchester_core.failpoints import Failpoint, hit
from winchester_core.model.stream import ERROR_STATES, StreamState
from winchester_core.storage.records import IngestResult

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from winchester_core.clock import TimePolicy
    from winchester_core.model.action import Action
    from winchester_core.storage.records import MatchedEvent, Rejection, StreamVersion


class MemoryStore(
    MemoryEffectStore,
    MemoryDebugStore,
    MemoryOperationsStore,
    MemoryWorkStore,
    MemoryPageStore,
    MemoryReadStore,
):
    """An in-memory `Store`; `host_clock` is its real time.

    Safe to share between threads.
    """

    is_embedded = True

    def record(self, matched_events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        """See `IngestStore.record`."""
        if not matched_events:
            return IngestResult(())
        with self._transaction() as transaction:
            result = ingest.record(
                self._memory, transaction, matched_events, policy, self._clock.now()
            )
            hit(Failpoint.BEFORE_INGEST_COMMIT)
        self._notify_workers(result.fire_times_set)
        return result

    def insert_rejected(self, rejections: Sequence[Rejection]) -> int:
        """See `IngestStore.insert_rejected`."""
        with self._lock:
            now = self._clock.now()
            return sum(ingest.insert_rejected(self._memory, each, now) for each in rejections)

    def event_clock(self) -> datetime | None:
        """See `IngestStore.event_clock`."""
        with self._lock:
            return self._memory.event_clock

    def advance_event_clock(self, moment: datetime) -> None:
        """See `IngestStore.advance_event_clock`."""
        with self._transaction() as transaction:
            ingest.advance_clock(self._memory, transaction, moment)

    def set_event_clock(self, moment: datetime) -> None:
        """See `AdminStore.set_event_clock`."""
        with self._lock:
            self._memory.event_clock = moment

    def close(self) -> None:
        """See `IngestStore.close`. Does nothing: the contents stay."""

    def set_rejected_reason(
        self, rejected_id: int, reason: str, *, action: Action | None = None
    ) -> None:
        """See `AdminStore.set_rejected_reason`."""
        with self._transaction() as transaction:
            key = self._memory.rejected_key(rejected_id)
            self._memory.rejected[key] = replace(self._memory.rejected[key], reason=reason)
            self._record_action(transaction, action, 1)

    def delete_rejected(self, rejected_id: int, *, action: Action | None = None) -> None:
        """See `AdminStore.delete_rejected`."""
        with self._transaction() as transaction:
            self._memory.remove_rejected(transaction, rejected_id)
            self._record_action(transaction, action, 1)

    def delete_rejected_messages(
        self, rejected_ids: Sequence[int], *, action: Action | None = None
    ) -> frozenset[int]:
        """See `AdminStore.delete_rejected_messages`."""
        with self._transaction() as transaction:
            stored = {message.id for message in self._memory.rejected.values()}
            deleted = stored.intersection(rejected_ids)
            for each in deleted:
                self._memory.remove_rejected(transaction, each)
            self._record_action(transaction, action, len(deleted))
            return frozenset(deleted)

    def reset_stream(self, stream_id: int) -> StreamState:
        """See `AdminStore.reset_stream`."""
        with self._transaction() as transaction:
            state = stream_actions.reset(self._memory, transaction, stream_id, self._clock.now())
        self._notify_workers(1)
        return state

    def reset_streams(
        self, versions: Sequence[StreamVersion], *, action: Action | None = None
    ) -> dict[int, StreamState]:
        """See `AdminStore.reset_streams`."""
        operator = None if action is None else action.name
        with self._transaction() as transaction:
            now = self._clock.now()
            states = {
                stream.id: stream_actions.reset(self._memory, transaction, stream.id, now, operator)
                for stream in stream_actions.unchanged(self._memory, versions)
            }
            self._record_action(transaction, action, len(states))
        self._notify_workers(len(states))
        return states

    def discard_streams(
        self,
        versions: Sequence[StreamVersion],
        states: Collection[StreamState] = ERROR_STATES,
        *,
        action: Action | None = None,
    ) -> frozenset[int]:
        """See `AdminStore.discard_streams`."""
        with self._transaction() as transaction:
            found = stream_actions.unchanged(self._memory, versions, states)
            for stream in found:
                self._memory.remove(stream, transaction)
            self._record_action(transaction, action, len(found))
            return frozenset(stream.id for stream in found)

    def purge_stream(self, stream_id: int, *, action: Action | None = None) -> None:
        """See `AdminStore.purge_stream`."""
        with self._transaction() as transaction:
            stream_actions.purge(self._memory, transaction, stream_id)
            self._record_action(transaction, action, 1)
