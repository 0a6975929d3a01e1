"""How a run ends: everything it leaves behind, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.model.stream import StreamState, states_for_reason
from winchester_core.storage.records import Completed, Recorded
from winchester_core.storage.sql.outbox import record_effects
from winchester_core.storage.sql.queries import claims, clocks, links, stream_traits
from winchester_core.storage.sql.recording import record
from winchester_core.telemetry.checkpoints import Checkpoint, reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import Completion, Failure
    from winchester_core.triggers.stream_time import TimePolicy

_PURGE = (links.DELETION, stream_traits.DELETION, claims.DELETION)


def complete(
    connection: Connection,
    dialect: SqlDialect,
    completions: Sequence[Completion],
    policy: TimePolicy,
) -> Completed:
    """Complete the streams whose claims still hold: new events, what those trigger, effects.

    A lost lease undoes nothing of the others.
    """
    proofs = claims.lock_held(connection, dialect, [each.claim for each in completions])
    won = [each for each in completions if each.claim.proof in proofs]
    arrivals = [arrival for each in won for arrival in each.arrivals]
    recorded = record(connection, dialect, arrivals, policy) if arrivals else Recorded(())
    record_effects(connection, dialect, won)
    purged = [each.claim.stream_id for each in won if each.purge and each.fault is None]
    purge(connection, dialect, purged)
    clean = [each.claim.stream_id for each in won if not each.purge and each.fault is None]
    claims.finish(connection, dialect, clean, StreamState.COMPLETED, last_error=None)
    for each in won:
        if each.fault is not None:
            claims.finish(
                connection,
                dialect,
                [each.claim.stream_id],
                StreamState.COMPLETED,
                last_error=each.fault,
            )
    reach(Checkpoint.BEFORE_COMPLETION_COMMIT)
    return Completed.of(won, arrivals, recorded)


def fail(
    connection: Connection, dialect: SqlDialect, failure: Failure, max_attempts: int
) -> StreamState | None:
    """Send a stream to its next try, or to its error state at the bound of attempts.

    Returns the new state; None when the claim was lost.
    """
    claim = failure.claim
    if not claims.lock_held(connection, dialect, [claim]):
        return None
    lane = states_for_reason(claim.reason)
    final = failure.final or claim.attempt >= max_attempts
    state = lane.failed if final else lane.retry
    retry_at = None if final else clocks.real_time(connection, dialect) + failure.retry_delay
    claims.finish(
        connection,
        dialect,
        [claim.stream_id],
        state,
        last_error=failure.error,
        retry_at=retry_at,
    )
    reach(Checkpoint.BEFORE_FAILURE_COMMIT)
    return state


def purge(connection: Connection, dialect: SqlDialect, stream_ids: Sequence[int]) -> None:
    """Remove streams and their links, never their events."""
    dialect.bulk.delete(connection, _PURGE, stream_ids)
