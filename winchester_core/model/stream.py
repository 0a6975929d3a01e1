"""Streams: their states, the allowed transitions, and the history of their states."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from winchester_core.errors import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class StreamState(StrEnum):
    """State of a stream."""

    ACTIVE = "active"
    FIRING = "firing"
    EXPIRING = "expiring"
    ERROR = "error"
    EXPIRE_ERROR = "expire_error"
    COMPLETED = "completed"
    RETRY_FIRE = "retry_fire"
    RETRY_EXPIRE = "retry_expire"


HOLDING: Final = "holding"
"""Stored state of a row that is not a stream: its events wait for an event that opens one."""


class Reason(StrEnum):
    """Reason for running a stream's events through a pipeline."""

    FIRE = "fire"
    EXPIRE = "expire"
    CANCEL = "cancel"


class Decision(StrEnum):
    """Decision that a stream does not fire, although it takes the way of a stream that does."""

    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"


class StreamOutcome(StrEnum):
    """Outcome of a stream. `ACTIVE`: no pipeline has succeeded, or failed permanently."""

    FIRED = "fired"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    FAILED = "failed"
    ACTIVE = "active"


class Trial(StrEnum):
    """Mark of a stream that may have killed its worker.

    Workers try streams with the mark `DUE` alone. While a stream is claimed for this, its mark is
    `ALONE`.
    """

    DUE = "due"
    ALONE = "alone"


PERMANENT_FAILURE = (
    "it failed max_attempts times, its pipeline does not exist, or the database refused to "
    "complete it after its handlers had committed"
)

TRANSITIONS: Mapping[StreamState, Mapping[StreamState, str]] = {
    StreamState.ACTIVE: {
        StreamState.FIRING: "claimed: criteria met and fire time reached",
        StreamState.EXPIRING: "claimed: expired before its criteria were met",
    },
    StreamState.FIRING: {
        StreamState.COMPLETED: "its pipeline succeeded",
        StreamState.RETRY_FIRE: "its pipeline failed, its worker died, or it was released",
        StreamState.ERROR: PERMANENT_FAILURE,
    },
    StreamState.EXPIRING: {
        StreamState.COMPLETED: "its pipeline succeeded",
        StreamState.RETRY_EXPIRE: "its pipeline failed, its worker died, or it was released",
        StreamState.EXPIRE_ERROR: PERMANENT_FAILURE,
    },
    StreamState.RETRY_FIRE: {StreamState.FIRING: "claimed again"},
    StreamState.RETRY_EXPIRE: {StreamState.EXPIRING: "claimed again"},
    StreamState.ERROR: {StreamState.RETRY_FIRE: "reset by an operator"},
    StreamState.EXPIRE_ERROR: {StreamState.RETRY_EXPIRE: "reset by an operator"},
    StreamState.COMPLETED: {},
}
"""All allowed transitions with their causes. The diagram in the docs is generated from it."""


@dataclass(frozen=True, slots=True)
class ReasonStates:
    """States of streams that have been claimed for the same reason."""

    reason: Reason
    working: StreamState
    retry: StreamState
    failed: StreamState


FIRE_STATES = ReasonStates(
    Reason.FIRE, StreamState.FIRING, StreamState.RETRY_FIRE, StreamState.ERROR
)
EXPIRE_STATES = ReasonStates(
    Reason.EXPIRE, StreamState.EXPIRING, StreamState.RETRY_EXPIRE, StreamState.EXPIRE_ERROR
)

REASON_STATES = (FIRE_STATES, EXPIRE_STATES)


CLAIM_REASONS = tuple(states.reason for states in REASON_STATES)
"""The reasons for which workers look for streams; cancelled streams are found like firing ones."""

CLAIMED_STATES = tuple(states.working for states in REASON_STATES)
"""The states of streams that a worker has claimed."""

WAITING_STATES = (StreamState.ACTIVE, *(states.retry for states in REASON_STATES))
"""The states of streams that are, or will be, ready for a worker."""

ERROR_STATES = tuple(states.failed for states in REASON_STATES)
"""The states of streams that wait for an operator."""


def states_for_reason(reason: Reason) -> ReasonStates:
    """Return the states for `reason`. A cancelled stream has the states of firing."""
    return EXPIRE_STATES if reason is Reason.EXPIRE else FIRE_STATES


def states_including(state: StreamState) -> ReasonStates | None:
    """Return the set of states that includes `state`, or None for active and completed."""
    for states in REASON_STATES:
        if state in (states.working, states.retry, states.failed):
            return states
    return None


def require_failed(state: StreamState, participle: str) -> ReasonStates:
    """Return the set of states of a stream in error.

    Raises `IllegalTransition` if it is not in error; `participle` is what was to be done with it.
    """
    states = states_including(state)
    if states is None or state is not states.failed:
        target = f"{participle}: only a stream in error can be {participle}"
        raise IllegalTransition(state, target)
    return states


def check_transition(current: StreamState, target: StreamState) -> None:
    """Raise `IllegalTransition` unless `TRANSITIONS` allows this change."""
    if target not in TRANSITIONS[current]:
        raise IllegalTransition(current, f"moved to {target}")


@dataclass(frozen=True, slots=True)
class StateChange:
    """Change of a stream's state, with its time (the database server's time, aware UTC).

    For a claim, `worker` is the worker that claimed the stream. For a reset, it is the name of the
    operator, if the reset was recorded as an action.
    """

    at: datetime
    state: StreamState
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A stored stream, for commands and embedding programs.

    All times are aware UTC. `fire_timestamp` and `expire_timestamp` are stream time; `retry_at` and
    `lease_until` are the database server's time. `distinguished_by` maps each distinguishing name
    to its value: a trait value or a `TimeRange`. `progress` contains the number of events that each
    fire criterion has counted, or its total for a sum, in the trigger's order. `fingerprint`
    identifies the trigger definition that was used for counting. `attempts` is the number of the
    last attempt. `failures` counts failed runs, and deaths of workers that tried the stream alone.
    `history` contains the latest state changes in order; it is empty for an active stream.
    `decision` is set if the stream was cancelled or suppressed. `progress_text` is the stored form
    of its progress.
    """

    id: int
    name: str
    state: StreamState
    state_serial_no: int
    distinguished_by: Mapping[str, Any]
    first_event: datetime
    last_event: datetime
    expire_timestamp: datetime
    fire_timestamp: datetime | None
    event_count: int
    progress: tuple[float, ...]
    fingerprint: str
    is_open: bool
    attempts: int = 0
    failures: int = 0
    trial: Trial | None = None
    worker: str | None = None
    lease_until: datetime | None = None
    retry_at: datetime | None = None
    last_error: str | None = None
    history: tuple[StateChange, ...] = ()
    decision: Decision | None = None
    progress_text: str = field(default="", repr=False, compare=False)

    @property
    def outcome(self) -> StreamOutcome:
        """The outcome. If the stream was cancelled or suppressed, it is set at once."""
        if self.state in ERROR_STATES:
            return StreamOutcome.FAILED
        if self.decision is not None:
            return StreamOutcome(self.decision.value)
        if self.state is not StreamState.COMPLETED:
            return StreamOutcome.ACTIVE
        claims = [each.state for each in self.history if each.state in CLAIMED_STATES]
        has_fired = claims[-1] is StreamState.FIRING if claims else self.fire_timestamp is not None
        return StreamOutcome.FIRED if has_fired else StreamOutcome.EXPIRED


# --- history of a stream --------------------------------------------------------------------------
#
# One text column, a line for each change of state, of bounded length. The statement that changes
# the state appends the line, so no other statement is needed.

MAX_HISTORY_LENGTH: Final = 4000
"""Maximum length in characters, enough for about 30 attempts; the oldest are cut off."""

_HISTORY_LINE: Final = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}) (?P<state>[a-z_]+)(?: (?P<worker>.+))?"
)


def history_time(at: datetime) -> str:
    """Return the start of a history line: the time in UTC, without an offset."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def history_line_end(state: StreamState, worker: str | None = None) -> str:
    """Return the rest of a history line, after the time."""
    return f" {state.value} {' '.join(worker.split())}\n" if worker else f" {state.value}\n"


def parse_history(text: str | None) -> tuple[StateChange, ...]:
    """Return the state changes, oldest first; an incomplete line is skipped."""
    return tuple(_parse_lines(text or ""))


def _parse_lines(text: str) -> Iterator[StateChange]:
    for line in text.splitlines():
        if parts := _HISTORY_LINE.fullmatch(line):
            at = datetime.fromisoformat(parts["at"]).replace(tzinfo=UTC)
            yield StateChange(at, StreamState(parts["state"]), parts["worker"])
