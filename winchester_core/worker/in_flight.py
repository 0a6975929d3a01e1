"""Claims in flight: the claims of a worker, shared by its threads.

A claim is held until its stream is completed, failed, released or lost. All held claims are
renewed. A claim that is not held any more can begin no `commit`.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.worker.slot_state import BATCH_STREAMS_WITHOUT_COMMIT, Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from winchester_core.storage.records import Claim
    from winchester_core.worker.slot_state import HandlerCalls, SlotState
    from winchester_core.worker.stream_run import StreamRun


@dataclass(frozen=True, slots=True)
class ShutdownSnapshot:
    """Claims in flight at a forced shutdown, and the handler calls in progress."""

    uncommitted: list[Claim]
    """Claims without side effects: they are pending, or started but not committed."""
    committed: list[Claim]
    """Claims with handlers that have started to commit."""
    calls: list[HandlerCalls]


class InFlight:
    """Claims in flight. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, Claim] = {}
        self._unloaded: deque[Claim] = deque()
        self._ready: dict[str, deque[StreamRun]] = {}
        self._awaiting_proof: dict[int, SlotState] = {}
        self._committed: set[int] = set()
        self._lost: set[int] = set()
        self._is_shut_down = False
        self.slots: tuple[SlotState, ...] = ()
        """The slots that take runs. A change replaces the collection."""
        self._pipeline_concurrency: Mapping[str, int] = {}
        self.pipeline_of: Callable[[Claim], str | None] = lambda _: None
        """Returns the pipeline of a claim that has not been loaded, if it needs one."""

    def limit_pipelines(self, pipeline_concurrency: Mapping[str, int]) -> None:
        """Set the maximum number of slots that may have runs of a pipeline, by its name.

        The batches in progress get no further runs, because they were begun under other limits.
        """
        with self._lock:
            self._pipeline_concurrency = pipeline_concurrency
            for batch in [slot.batch for slot in self.slots]:
                if batch is not None:
                    batch.streams = 0

    # --- claims that have not begun ---------------------------------------------------------

    def add(self, claims: Iterable[Claim]) -> None:
        """Add claims whose events must be loaded."""
        with self._lock:
            self._held.update((claim.stream_id, claim) for claim in claims)
            self._unloaded.extend(claims)

    def next_to_load(self, max_streams: int, max_events: int) -> list[Claim]:
        """Remove and return the next claims to load: at least one, if there is any.

        Claims whose pipeline may get no further slot now are left, to limit the loaded events.
        """
        with self._lock:
            full = {name for name in self._pipeline_concurrency if not self._has_room(name)}
            claims: list[Claim] = []
            left: list[Claim] = []
            events = 0
            while self._unloaded and len(claims) < max_streams:
                if full and self.pipeline_of(self._unloaded[0]) in full:
                    left.append(self._unloaded.popleft())
                    continue
                events += self._unloaded[0].event_count
                if claims and events > max_events:
                    break
                claims.append(self._unloaded.popleft())
            self._unloaded.extendleft(reversed(left))
            return claims

    def put_back(self, claims: Sequence[Claim]) -> None:
        """Return claims that were not loaded, unless they have been released meanwhile."""
        with self._lock:
            self._unloaded.extendleft(reversed([each for each in claims if self._holds(each)]))

    def add_ready(self, pipeline: str, run: StreamRun) -> None:
        """Add a run whose events are loaded, unless its claim has been released meanwhile."""
        with self._lock:
            if self._holds(run.claim):
                self._ready.setdefault(pipeline, deque()).append(run)

    def pop_pending(self, pipelines: Collection[str] | None = None) -> list[Claim]:
        """Remove and return the claims of these pipelines that have not begun (None: of all)."""
        with self._lock:
            names = [name for name in self._ready if pipelines is None or name in pipelines]
            ready = [run.claim for name in names for run in self._ready.pop(name)]
            unloaded: list[Claim] = []
            kept: deque[Claim] = deque()
            for claim in self._unloaded:
                is_chosen = pipelines is None or self.pipeline_of(claim) in pipelines
                (unloaded if is_chosen else kept).append(claim)
            self._unloaded = kept
            pending = [*unloaded, *ready]
            self._remove(pending)
            return pending

    @property
    def pending(self) -> int:
        """Number of claims that have not begun."""
        with self._lock:
            return len(self._unloaded) + sum(map(len, self._ready.values()))

    @property
    def takeable(self) -> int:
        """Number of loaded runs that a slot without a batch could take."""
        with self._lock:
            return sum(len(queue) for name, queue in self._ready.items() if self._has_room(name))

    @property
    def ready_events(self) -> int:
        """Number of events of the runs that `takeable` counts."""
        with self._lock:
            queues = (queue for name, queue in self._ready.items() if self._has_room(name))
            return sum(run.claim.event_count for queue in queues for run in queue)

    # --- runs -------------------------------------------------------------------------------

    def take(self, slot: SlotState) -> StreamRun | None:
        """Remove and return the next run for the batch of `slot`; begin a batch if it has none.

        A new batch gets its share of the pipeline's runs, so that all slots have work. Return None
        if there is no run, if the batch is full, or if the slot is none of `slots` any more.
        """
        with self._lock:
            if self._is_shut_down or slot not in self.slots:
                return None
            batch = slot.batch or self._new_batch(slot)
            queue = None if batch is None else self._ready.get(batch.pipeline)
            if batch is None or not queue or not batch.accepts(queue[0]):
                return None
            run = queue.popleft()
            if not queue:
                del self._ready[batch.pipeline]
            batch.add(run)
            return run

    def _new_batch(self, slot: SlotState) -> Batch | None:
        for name, queue in self._ready.items():
            if not self._has_room(name):
                continue
            share = -(-len(queue) // len(self.slots))
            full = queue[0].batch_limit if queue[0].has_commit else BATCH_STREAMS_WITHOUT_COMMIT
            slot.batch = Batch(name, min(share, full))
            self._ready[name] = self._ready.pop(name)  # the other pipelines come first next time
            return slot.batch
        return None

    def _has_room(self, pipeline: str) -> bool:
        limit = self._pipeline_concurrency.get(pipeline)
        if limit is None:
            return True
        batches = (slot.batch for slot in self.slots)
        return sum(each is not None and each.pipeline == pipeline for each in batches) < limit

    def blocked_pipelines(self, seconds: float) -> frozenset[str] | None:
        """Return the pipelines whose slots are all in calls that have taken longer than `seconds`.

        Return None if this is true of all slots, so that no run can begin.
        """
        with self._lock:
            outlasting = [slot for slot in self.slots if slot.has_outlasted(seconds)]
            if len(outlasting) == len(self.slots):
                return None
            if not outlasting:
                return frozenset()
            batches = (slot.batch for slot in outlasting)
            numbers = Counter(each.pipeline for each in batches if each is not None)
            limits = self._pipeline_concurrency.items()
            return frozenset(name for name, limit in limits if numbers[name] >= limit)

    def await_proof(self, run: StreamRun, slot: SlotState) -> bool:
        """Record that a handled run waits in `slot`. Return False if its claim has ended."""
        with self._lock:
            if not self._holds(run.claim):
                return False
            self._awaiting_proof[run.claim.stream_id] = slot
            return True

    def give_back(self, slot: SlotState, *, keep: Claim | None = None) -> list[Claim]:
        """Remove and return the claims of runs that wait in `slot` and have not begun to commit."""
        with self._lock:
            given_back = [
                self._held[stream_id]
                for stream_id, owner in self._awaiting_proof.items()
                if owner is slot and (keep is None or stream_id != keep.stream_id)
            ]
            self._remove(given_back)
            return given_back

    def begin_commit(self, claim: Claim) -> bool:
        """Permit the handlers to commit. Return False if the claim has ended or is known lost."""
        with self._lock:
            if not self._holds(claim) or claim.stream_id in self._lost:
                return False
            self._awaiting_proof.pop(claim.stream_id, None)
            self._committed.add(claim.stream_id)
            return True

    def mark_lost(self, claims: Iterable[Claim]) -> None:
        """Record that a renewal has found these claims invalid, unless they have ended."""
        with self._lock:
            self._lost.update(claim.stream_id for claim in claims if self._holds(claim))

    # --- ends of claims ---------------------------------------------------------------------

    def holds(self, claim: Claim) -> bool:
        """Return whether this claim is held."""
        with self._lock:
            return self._holds(claim)

    def _holds(self, claim: Claim) -> bool:
        return self._held.get(claim.stream_id) is claim

    def remove(self, claims: Iterable[Claim]) -> None:
        """Remove claims that are completed, failed or lost."""
        with self._lock:
            self._remove(claims)

    def _remove(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            if self._holds(claim):  # the stream may have been claimed again
                del self._held[claim.stream_id]
                self._awaiting_proof.pop(claim.stream_id, None)
                self._committed.discard(claim.stream_id)
                self._lost.discard(claim.stream_id)

    def clear(self) -> None:
        """Remove all claims. The leases of interrupted claims will expire."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._unloaded.clear()
        self._ready.clear()
        self._held.clear()
        self._awaiting_proof.clear()
        self._committed.clear()
        self._lost.clear()

    def shut_down(self) -> ShutdownSnapshot:
        """Remove and return all claims. From now on, no claim is started, renewed or committed."""
        with self._lock:
            self._is_shut_down = True
            claims = self._held.values()
            snapshot = ShutdownSnapshot(
                uncommitted=[each for each in claims if each.stream_id not in self._committed],
                committed=[each for each in claims if each.stream_id in self._committed],
                calls=[calls for slot in self.slots if (calls := slot.calls) is not None],
            )
            self._clear()
            return snapshot

    def renewable(self) -> list[Claim]:
        """Return all claims to renew."""
        with self._lock:
            return list(self._held.values())

    def stream_ids(self) -> Collection[int]:
        """Return the ids of the streams of all held claims."""
        with self._lock:
            return set(self._held)
