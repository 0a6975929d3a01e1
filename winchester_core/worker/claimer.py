"""Claims on ready streams: their triggers and their number.

Streams to fire and streams to expire have one limit each, so that neither wait behind the others.
With `pipeline_concurrency`, at most `CLAIMS_PER_THREAD` streams are held besides for each thread
that a pipeline may use, so that a slow pipeline takes no streams from other workers, and others of
its worker do not wait behind it.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.model.stream import CLAIM_REASONS, Reason
from winchester_core.storage.records import TriggerScope
from winchester_core.telemetry.log_context import record_span, span_start_time

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import TypeAlias

    from winchester_core.storage.interface import WorkStore
    from winchester_core.storage.records import Claim
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.worker.options import WorkerOptions

    Queue: TypeAlias = str | Reason

CLAIMS_PER_THREAD: Final = 10

RECHECK_SECONDS: Final = 1.0
"""Minimum interval at which queues are read from their start, which may be slow."""

_PIPELINE_REASONS: Final = {
    Reason.FIRE: (Reason.FIRE, Reason.CANCEL),  # cancelled streams are claimed like firing ones
    Reason.EXPIRE: (Reason.EXPIRE,),
}


class Claimer:
    """Claims streams for one worker. `scope` is that of all triggers of the worker."""

    def __init__(
        self,
        store: WorkStore,
        worker_id: str,
        triggers: Mapping[str, TriggerDefinition],
        options: WorkerOptions,
        scope: TriggerScope,
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._triggers = triggers
        self._lease = options.lease
        self._capacity = options.batch_size
        self._limits = options.pipeline_concurrency
        self._scope = scope
        self._scopes: dict[Reason, deque[tuple[frozenset[str], TriggerScope]]] = {}
        self._made_at = monotonic()
        self._rechecked_at = -math.inf

    def claim_ready(
        self,
        reason: Reason,
        now: datetime | None,
        limit: int,
        held: Sequence[Claim] = (),
        blocked: Collection[str] = (),
    ) -> list[Claim]:
        """Claim up to `limit` streams that are ready to fire (or expire) at stream time `now`.

        `held` are the claims that the worker has already. No streams of `blocked` pipelines are
        claimed; these have a limit.
        """
        start_time = span_start_time()
        claims: list[Claim] = []
        for pipelines, scope in self._scopes_of(reason):
            if not pipelines.isdisjoint(blocked):
                continue
            room = self._room(reason, pipelines, limit, [*held, *claims])
            room = min(room, limit - len(claims))
            if room > 0:
                claims += self._store.claim_ready(
                    worker=self._worker_id,
                    reason=reason,
                    now=now,
                    limit=room,
                    lease=self._lease,
                    scope=scope,
                )
        if claims:
            record_span("claim", start_time, reason=reason.value, streams=len(claims))
        return claims

    def claim_one(self, stream_id: int, reason: Reason) -> Claim | None:
        """Claim one stream regardless of its time. Raises `UnknownStream`."""
        return self._store.claim_one(
            stream_id=stream_id,
            worker=self._worker_id,
            reason=reason,
            lease=self._lease,
            scope=self._scope,
        )

    def claim_trial(self) -> Claim | None:
        """Claim one stream that must be tried alone."""
        return self._store.claim_trial(worker=self._worker_id, lease=self._lease, scope=self._scope)

    def clear_floors(self) -> bool:
        """Let the next claims read all queues from their start. Return False if they do already."""
        floors = [scope.floors for scope in (self._scope, *self._pipeline_scopes()) if scope.floors]
        for each in floors:
            each.clear()
        return bool(floors)

    def recheck(self) -> None:
        """Let the next claims find streams that are ready, but were committed late.

        The backlog contains them, because it does not use the scopes of single pipelines.
        """
        if monotonic() - self._rechecked_at >= RECHECK_SECONDS:
            self._rechecked_at = monotonic()
            for scope in self._pipeline_scopes():
                scope.floors.clear()

    def _pipeline_scopes(self) -> Iterator[TriggerScope]:
        for scopes in self._scopes.values():
            for _, scope in scopes:
                yield scope

    def _scopes_of(self, reason: Reason) -> Iterator[tuple[frozenset[str], TriggerScope]]:
        """Yield the scopes of claims for `reason` (fire or expire), each with its pipelines.

        The pipelines are those with a limit. What a claim finds out about unknown triggers is added
        to the scope of all triggers.
        """
        if not self._limits:
            yield frozenset(), self._scope
            return
        if monotonic() - self._made_at > self._lease.total_seconds():
            self._scopes, self._made_at = {}, monotonic()  # others may be in the way by now
        if reason not in self._scopes:
            self._scopes[reason] = deque(self._make(reason))
        scopes = self._scopes[reason]
        scopes.rotate()  # the limit of one claim must not always serve the same ones
        for pipelines, scope in tuple(scopes):
            yield pipelines, scope
            self._scope.skipped |= scope.skipped - self._scope.known
            for name, stream_id in scope.first_ready.items():
                if name not in self._scope.known:
                    self._scope.first_ready.setdefault(name, stream_id)

    def _make(self, reason: Reason) -> Iterator[tuple[frozenset[str], TriggerScope]]:
        names: dict[frozenset[str], set[str]] = {}
        for name, definition in self._triggers.items():
            pipelines = (definition.pipelines[each] for each in _PIPELINE_REASONS[reason])
            limited = frozenset(each for each in pipelines if each and each in self._limits)
            names.setdefault(limited, set()).add(name)
        for limited, known in names.items():
            yield limited, TriggerScope(frozenset(known))

    def _room(
        self, reason: Reason, pipelines: Collection[str], limit: int, held: Iterable[Claim]
    ) -> int:
        """Return how many more streams with these limited pipelines may be claimed."""
        numbers = self._count(held)
        if not pipelines:
            return limit - numbers[reason]
        return min(CLAIMS_PER_THREAD * self._limits[each] - numbers[each] for each in pipelines)

    def low(self, held: Iterable[Claim], blocked: Collection[str] = ()) -> frozenset[Queue]:
        """Return the limited pipelines, and reasons, of which few streams are held.

        More of them should be claimed. `blocked` pipelines are left out.
        """
        numbers = self._count(held)
        limits: dict[Queue, int] = {
            each: CLAIMS_PER_THREAD * limit for each, limit in self._limits.items()
        }
        limits |= dict.fromkeys(CLAIM_REASONS, self._capacity)
        low = (each for each, limit in limits.items() if numbers[each] <= limit // 2)
        return frozenset(low).difference(blocked)

    def _count(self, held: Iterable[Claim]) -> Counter[Queue]:
        return Counter(map(self._queue_of, held))

    def _queue_of(self, claim: Claim) -> Queue:
        """Return the limited pipeline of a claim, or the reason for which others are claimed."""
        if self._limits and (definition := self._triggers.get(claim.name)) is not None:
            pipeline = definition.pipelines[claim.reason]
            if pipeline is not None and pipeline in self._limits:
                return pipeline
        return Reason.EXPIRE if claim.reason is Reason.EXPIRE else Reason.FIRE
