"""Reasons why a stream has fired or not, as sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.inspection.next_transition import next_transition
from winchester_core.inspection.values import duration_text, iso_text
from winchester_core.model.stream import (
    Decision,
    Reason,
    StreamOutcome,
    StreamState,
    states_including,
)
from winchester_core.triggers.member_explanation import (
    describe_cancelling,
    describe_ignored,
    describe_waiting,
)
from winchester_core.triggers.progress_explanation import (
    ONLY_EXPIRES,
    describe_missing,
    describe_sequence,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from winchester_core.inspection.group_silence import GroupSilence
    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.member_explanation import MemberExplanation
    from winchester_core.triggers.progress_explanation import CriterionProgress


@dataclass(frozen=True, slots=True)
class StreamSituation:
    """Facts that explain why a stream has fired, or has not.

    `definition` is the current definition of its trigger (None: removed), and `progress` the
    progress that results from it. `successors` are the ids of later streams of its group. `now` is
    stream time (None: unknown), and `real_now` the database server's time. `silence` is the last
    silence of its group, if it is known; it may be over.
    """

    stream: StreamRecord
    definition: TriggerDefinition | None
    progress: Sequence[CriterionProgress]
    successors: Sequence[int]
    stored_events: int
    now: datetime | None
    real_now: datetime
    members: MemberExplanation | None = None
    silence: GroupSilence | None = None

    @property
    def was_met(self) -> bool:
        """Return whether all fire criteria were met, so that it fires instead of expiring."""
        is_cancelled = self.stream.decision is Decision.CANCELLED
        return self.stream.fire_timestamp is not None and not is_cancelled

    @property
    def has_fired(self) -> bool:
        """Return whether it has fired and its pipeline has succeeded."""
        return self.stream.outcome is StreamOutcome.FIRED


def stream_reasons(situation: StreamSituation) -> list[str]:
    """Return the reasons why the stream has fired or not, as sentences, the decisive one first."""
    return [*_decisive_reasons(situation), *_additional_reasons(situation)]


def _decisive_reasons(situation: StreamSituation) -> Iterator[str]:
    stream = situation.stream
    next_step = next_transition(
        stream,
        now=situation.now,
        real_now=situation.real_now,
        definition=situation.definition,
    )
    if stream.decision is Decision.CANCELLED:
        yield _cancelled_reason(situation)
        if stream.state is not StreamState.COMPLETED:
            yield next_step
    elif stream.decision is Decision.SUPPRESSED:
        yield _suppressed_reason(situation)
        if stream.state is not StreamState.COMPLETED:
            yield next_step
    elif situation.was_met and stream.state is StreamState.COMPLETED:
        yield f"its fire criteria were met, and it has fired: due {iso_text(stream.fire_timestamp)}"
    elif situation.was_met:
        yield f"its fire criteria were met{_delay(situation)}; {next_step}"
    elif stream.state is StreamState.COMPLETED:
        yield from _missing_reasons(situation)
        yield f"it expired, due {iso_text(stream.expire_timestamp)}, and is completed"
    else:
        yield from _missing_reasons(situation)
        yield next_step


def _missing_reasons(situation: StreamSituation) -> Iterator[str]:
    """Yield a sentence on each fire criterion that is not met."""
    if situation.definition is None:
        counts = ", ".join(map(str, situation.stream.progress))
        yield f"its fire criteria were not met: events counted for each: {counts}"
    elif not situation.definition.fire_criteria:
        yield f"its trigger {ONLY_EXPIRES}"
        return
    elif all(each.is_met for each in situation.progress):
        yield (
            "its fire criteria were not met when the stream was last calculated; they are met as "
            "configured now: an open stream fires once it is recalculated"
        )
    if situation.definition is not None and situation.definition.in_sequence:
        yield describe_sequence(situation.progress)
    for number, each in enumerate(situation.progress, start=1):
        if not each.is_met:
            yield describe_missing(number, each)
            if each.step is not None:
                return  # the steps after it cannot be reached


def _cancelled_reason(situation: StreamSituation) -> str:
    at = iso_text(situation.stream.fire_timestamp)
    members = situation.members
    if members is None or members.cancelled_by is None:
        return f"it was cancelled at {at} (stream time)"
    return f"{describe_cancelling(members.cancelled_by)}, at {at} (stream time)"


def _suppressed_reason(situation: StreamSituation) -> str:
    text = "its fire criteria were met while its group was silent, so it is suppressed"
    silence = situation.silence
    if silence is None or silence.stream_id > situation.stream.id:
        return f"{text}; that silence is over"
    tense = "was" if silence.is_over(situation.now) else "is"
    return (
        f"{text}: {_silencing(situation, silence)}, and the group {tense} silent until "
        f"{iso_text(silence.until)} (stream time)"
    )


def _silencing(situation: StreamSituation, silence: GroupSilence) -> str:
    """Return which stream makes the group silent. A stream with a fire_delay may not have fired."""
    is_past = situation.now is not None and silence.since <= situation.now
    verb = "fired" if is_past else "fires"
    return f"stream {silence.stream_id} {verb} at {iso_text(silence.since)}"


def _delay(situation: StreamSituation) -> str:
    definition, stream = situation.definition, situation.stream
    if definition is None or not definition.fire_delay or stream.state is not StreamState.ACTIVE:
        return ""
    return f", {duration_text(definition.fire_delay)} (fire_delay) before it may fire"


def _additional_reasons(situation: StreamSituation) -> Iterator[str]:
    """Yield further sentences that help an operator."""
    stream, definition = situation.stream, situation.definition
    is_done = stream.state is StreamState.COMPLETED
    reason = _upcoming_reason(situation)
    if definition is None:
        text = f"no trigger {stream.name!r} is configured (any more)"
        fate = (
            "its streams get no more events, and only a worker that knows the trigger claims them"
        )
        yield text if is_done else f"{text}: {fate}"
    elif stream.fingerprint != definition.fingerprint:
        text = (
            "its trigger's fire criteria, expiration or other keys of progress have changed since "
            "it was last counted"
        )
        if stream.is_open and not is_done:
            yield (
                f"{text}: a worker with the new ones, or the next event, recalculates it; "
                "this explanation uses the new ones"
            )
        else:
            yield f"{text}: the old ones decided, but this explanation uses the new ones"
    elif (
        not is_done
        and definition.pipelines[reason] is None
        and stream.decision is not Decision.SUPPRESSED
    ):
        yield f"its trigger has no {reason}_pipeline: it is completed without a run"
    yield from _member_reasons(situation)
    yield from _silence_reasons(situation)
    if stream.state is StreamState.ACTIVE and not stream.is_open and stream.decision is None:
        successor = f" and opened stream {situation.successors[0]}" if situation.successors else ""
        yield f"it receives no more events: an event of its group came after it expired{successor}"
    if situation.stored_events < stream.event_count:
        trimmed = stream.event_count - situation.stored_events
        have = "has" if trimmed == 1 else "have"
        yield f"{trimmed} of its {stream.event_count} events {have} been trimmed and cannot count"
    if stream.last_error:
        last = stream.last_error.rstrip().rpartition("\n")[2]
        times = f"{stream.attempts} time{'' if stream.attempts == 1 else 's'}"
        yield f"it was attempted {times}, and the last error is: {last}"


def _member_reasons(situation: StreamSituation) -> Iterator[str]:
    """Yield sentences on members that do not count, cancel a part of the stream, or wait."""
    members, stream = situation.members, situation.stream
    if members is None:
        return
    is_cancelled = stream.decision is Decision.CANCELLED
    if members.cancelled_by is not None and not is_cancelled:
        yield (
            f"{describe_cancelling(members.cancelled_by).removesuffix(' it')} the events that were "
            "not newer than itself; the newer ones still count"
        )
    if not is_cancelled:
        yield from describe_ignored(members)
    if members.waiting is not None:
        yield describe_waiting(members.waiting, has_ended=not stream.is_open)


def _silence_reasons(situation: StreamSituation) -> Iterator[str]:
    """Yield a sentence on a silence that will suppress the stream if it meets its criteria."""
    silence, stream = situation.silence, situation.stream
    if silence is None or stream.fire_timestamp is not None or not stream.is_open:
        return
    if not silence.is_over(situation.now):
        yield (
            f"its group is silent until {iso_text(silence.until)} (stream time), because "
            f"{_silencing(situation, silence)}: if its fire criteria are met before, it is "
            "suppressed"
        )


def _upcoming_reason(situation: StreamSituation) -> Reason:
    states = states_including(situation.stream.state)
    if situation.stream.decision is Decision.CANCELLED:
        return Reason.CANCEL
    if states is not None:
        return states.reason
    return Reason.FIRE if situation.was_met else Reason.EXPIRE
