"""Why a stream has fired, or has not, in words, from what is stored of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.cli.moments import iso_text, length_text
from winchester_core.cli.outlook import outlook
from winchester_core.model.stream import Reason, StreamState, states_including
from winchester_core.triggers.explanation import describe_missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.explanation import CriterionProgress


@dataclass(frozen=True, slots=True)
class StreamSituation:
    """All that is known of a stream.

    `definition` is its trigger as configured now (None: gone), `progress` how far it has come by
    that; `successors` are the ids of later streams of its group. `now` is stream time (None: not
    known), `real_now` the database server's.
    """

    stream: StreamRecord
    definition: TriggerDefinition | None
    progress: Sequence[CriterionProgress]
    successors: Sequence[int]
    stored_events: int
    now: datetime | None
    real_now: datetime

    @property
    def was_met(self) -> bool:
        """Whether all fire criteria had been met, so that it fires and does not expire."""
        return self.stream.fire_timestamp is not None

    @property
    def has_fired(self) -> bool:
        """Whether it has fired, and its pipeline has succeeded."""
        return self.was_met and self.stream.state is StreamState.COMPLETED

    @property
    def is_current(self) -> bool:
        """Whether what it has counted was counted by its trigger as it is now."""
        return (
            self.definition is not None and self.stream.fingerprint == self.definition.fingerprint
        )


def reasons(situation: StreamSituation) -> list[str]:
    """Why it has fired, or has not: each a sentence, the first the one that decides."""
    return [*_deciding(situation), *_attending(situation)]


def _deciding(situation: StreamSituation) -> Iterator[str]:
    stream = situation.stream
    what_next = outlook(stream, now=situation.now, real_now=situation.real_now)
    if situation.was_met and stream.state is StreamState.COMPLETED:
        yield f"its fire criteria were met, and it has fired: due {iso_text(stream.fire_timestamp)}"
    elif situation.was_met:
        yield f"its fire criteria were met{_delay(situation)}; {what_next}"
    elif stream.state is StreamState.COMPLETED:
        yield from _missing(situation)
        yield f"it expired, due {iso_text(stream.expire_timestamp)}, and is completed"
    else:
        yield from _missing(situation)
        yield what_next


def _missing(situation: StreamSituation) -> Iterator[str]:
    """What of the fire criteria is not met, each with what came near."""
    if situation.definition is None:
        counted = ", ".join(map(str, situation.stream.progress))
        yield f"its fire criteria were not met: they have counted {counted}"
    elif all(each.is_met for each in situation.progress):
        yield (
            "its fire criteria are met as they are now, and were not when it was last counted: "
            "what is open fires once it is counted anew"
        )
    for place, each in enumerate(situation.progress, start=1):
        if not each.is_met:
            yield describe_missing(place, each)


def _delay(situation: StreamSituation) -> str:
    definition, stream = situation.definition, situation.stream
    if definition is None or not definition.fire_delay or stream.state is not StreamState.ACTIVE:
        return ""
    return f", {length_text(definition.fire_delay)} (fire_delay) before it may fire"


def _attending(situation: StreamSituation) -> Iterator[str]:
    """What else an operator must know of it."""
    stream = situation.stream
    is_done = stream.state is StreamState.COMPLETED
    if situation.definition is None:
        yield _without_trigger(stream)
    elif not situation.is_current:
        yield _changed(stream, is_done=is_done)
    elif not is_done and situation.definition.pipeline(_heading(situation)) is None:
        yield f"its trigger has no {_heading(situation)}_pipeline: it is completed without a run"
    if stream.state is StreamState.ACTIVE and not stream.is_open:
        yield _closed(situation)
    if situation.stored_events < stream.event_count:
        gone = stream.event_count - situation.stored_events
        yield f"{gone} of its {stream.event_count} events have been trimmed, and are not looked at"
    if stream.last_error:
        last = stream.last_error.rstrip().rpartition("\n")[2]
        yield f"{_attempts(stream)}, and the last error is: {last}"


def _heading(situation: StreamSituation) -> Reason:
    states = states_including(situation.stream.state)
    if states is not None:
        return states.reason
    return Reason.FIRE if situation.was_met else Reason.EXPIRE


def _without_trigger(stream: StreamRecord) -> str:
    told = f"no trigger {stream.name!r} is configured (any more)"
    if stream.state is StreamState.COMPLETED:
        return told
    return f"{told}: no event joins its streams, and a worker that claims one sends it to error"


def _changed(stream: StreamRecord, *, is_done: bool) -> str:
    told = "its trigger's fire criteria or expiration have changed since they were last counted"
    if stream.is_open and not is_done:
        return (
            f"{told}: a worker that starts with the new ones, or the next event, counts anew, "
            "as is done here"
        )
    return f"{told}; that decided by the old ones, what is said here is by the new ones"


def _closed(situation: StreamSituation) -> str:
    later = f", and opened stream {situation.successors[0]}" if situation.successors else ""
    return f"it takes no more events: one of its group came when it had expired{later}"


def _attempts(stream: StreamRecord) -> str:
    return f"it was attempted {stream.attempts} time{'' if stream.attempts == 1 else 's'}"
