"""How a run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.model.stream import StreamState, states_for_reason
from winchester_core.storage.memory.claiming import held_by
from winchester_core.storage.memory.ingest import record
from winchester_core.storage.records import Completed, Recorded
from winchester_core.telemetry.checkpoints import Checkpoint, reach

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from winchester_core.storage.memory.holdings import HeldStream, Holdings
    from winchester_core.storage.memory.transaction import Transaction
    from winchester_core.storage.records import Completion, Failure
    from winchester_core.triggers.stream_time import TimePolicy


def complete(
    held: Holdings,
    transaction: Transaction,
    completions: Sequence[Completion],
    policy: TimePolicy,
    real_now: datetime,
) -> Completed:
    """Complete the streams whose claims still hold."""
    won = [
        (each, stream) for each in completions if (stream := held_by(held, each.claim)) is not None
    ]
    arrivals = [arrival for each, _ in won for arrival in each.arrivals]
    recorded = record(held, transaction, arrivals, policy, real_now) if arrivals else Recorded(())
    for each, stream in won:
        _finish(held, transaction, each, stream, real_now)
        for effect in each.effects:
            held.outbox.record(transaction, each.claim, effect, real_now)
    reach(Checkpoint.BEFORE_COMPLETION_COMMIT)
    return Completed.of([each for each, _ in won], arrivals, recorded)


def _finish(
    held: Holdings,
    transaction: Transaction,
    completion: Completion,
    stream: HeldStream,
    real_now: datetime,
) -> None:
    transaction.keep(stream)
    stream.become(StreamState.COMPLETED, real_now)
    stream.lease_until, stream.last_error = None, completion.fault
    if completion.purge and completion.fault is None:
        held.remove(stream, transaction)


def fail(
    held: Holdings,
    transaction: Transaction,
    failure: Failure,
    max_attempts: int,
    real_now: datetime,
) -> StreamState | None:
    """Send a stream to its next try or its error state; None when the claim was lost."""
    stream = held_by(held, failure.claim)
    if stream is None:
        return None
    lane = states_for_reason(failure.claim.reason)
    final = failure.final or stream.attempts >= max_attempts
    transaction.keep(stream)
    stream.become(lane.failed if final else lane.retry, real_now)
    stream.lease_until, stream.last_error = None, failure.error
    stream.retry_at = None if final else real_now + failure.retry_delay
    reach(Checkpoint.BEFORE_FAILURE_COMMIT)
    return stream.state
