"""Explanation of one stream: the reasons, and the progress of each fire criterion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from winchester_core.inspection.group_silence import find_silence
from winchester_core.inspection.stream_reasons import StreamSituation, stream_reasons
from winchester_core.inspection.values import flat_object, iso_text
from winchester_core.storage.paging import find_all
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.member_explanation import explain_members, waiting_after
from winchester_core.triggers.progress_explanation import explain_progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.read_interface import ReadStore
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.member_explanation import MemberExplanation
    from winchester_core.triggers.progress_explanation import CriterionProgress


def explain_stream(
    store: ReadStore,
    definitions: Mapping[str, TriggerDefinition],
    stream_id: int,
    now: datetime | None,
) -> dict[str, Any]:
    """Return the explanation of a stream as JSON values, at the stream time `now`.

    `definitions` are the configured triggers by name. Reads all events of the stream and all
    streams of its group. Raises `UnknownStream`.
    """
    stream = store.get_stream_by_id(stream_id)
    events = store.get_stream_events(stream_id)
    same_group = StreamFilter(name=stream.name, traits=stream.distinguished_by)
    others = [each for each in find_all(store.find_streams, same_group) if each.id != stream_id]
    situation = examine_stream(store, definitions.get(stream.name), stream, events, others, now)
    return explanation_of(situation, others)


def examine_stream(
    store: ReadStore,
    definition: TriggerDefinition | None,
    stream: StreamRecord,
    events: Sequence[Event],
    others: Sequence[StreamRecord],
    now: datetime | None,
) -> StreamSituation:
    """Return the facts that explain a stream with these `events`, at the stream time `now`.

    `others` are the other streams of its group, by id.
    """
    window_now = now if stream.is_open else None
    progress: Sequence[CriterionProgress] = ()
    if definition is not None:
        progress = explain_progress(definition, stream, events, window_now)
    return StreamSituation(
        stream=stream,
        definition=definition,
        progress=progress,
        successors=[each.id for each in others if each.id > stream.id],
        stored_events=len(events),
        now=now,
        real_now=store.real_time(),
        members=_members(store, definition, stream, events, now),
        silence=find_silence(store, definition, stream),
    )


def explanation_of(situation: StreamSituation, others: Sequence[StreamRecord]) -> dict[str, Any]:
    """Return the facts as JSON values. `others` are the other streams of the group."""
    stream, definition = situation.stream, situation.definition
    return {
        **flat_object(stream, "id name state outcome distinguished_by event_count"),
        "has_fired": situation.has_fired,
        "reasons": stream_reasons(situation),
        "fire_criteria": [_criterion(each) for each in situation.progress],
        **_member_columns(situation),
        "expiration": None if definition is None else definition.expiration.text,
        **flat_object(stream, "first_event last_event expire_timestamp fire_timestamp"),
        "stream_time": iso_text(situation.now),
        "others_of_group": [flat_object(each, "id state") for each in others],
    }


def _members(
    store: ReadStore,
    definition: TriggerDefinition | None,
    stream: StreamRecord,
    events: Sequence[Event],
    now: datetime | None,
) -> MemberExplanation | None:
    """Explain the members. Once the stream has ended, the store knows which of them still wait."""
    if definition is None:
        return None
    members = explain_members(definition, stream, events, now)
    if stream.is_open:
        return members
    return replace(members, waiting=waiting_after(store.waits_after(stream.id), now))


def _member_columns(situation: StreamSituation) -> dict[str, Any]:
    """Return the members and the group of a stream, as in the database, without a past silence."""
    members, silence = situation.members, situation.silence
    if silence is not None and silence.is_over(situation.now):
        silence = None
    event = None if members is None else members.cancelled_by
    waiting = None if members is None else members.waiting
    return {
        "not_counted": [
            {"reason": each.reason, "events": each.number, "first": each.message_id}
            for each in (() if members is None else members.ignored)
        ],
        "cancelled_by": event and flat_object(event, "message_id event_type timestamp"),
        "waiting": waiting and {"events": waiting.number, "until": iso_text(waiting.until)},
        "silence": silence
        and {
            "stream": silence.stream_id,
            "since": iso_text(silence.since),
            "until": iso_text(silence.until),
        },
    }


def _criterion(progress: CriterionProgress) -> dict[str, Any]:
    window = progress.window
    return {
        "criterion": progress.criterion,
        "has": progress.has,
        "needs": progress.needs,
        "counts": progress.counts,
        "within": progress.within,
        "step": progress.step,
        "met": progress.is_met,
        "counts_until": None if window is None else iso_text(window.next_out),
        "not_counted": [
            {
                "reason": each.reason,
                "events": each.number,
                "of_wanted_type": each.type_matches,
                "first": each.message_id,
            }
            for each in progress.mismatches
        ],
    }
