"""Explanation of one stream: the reasons, and the progress of each fire criterion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from winchester_core.inspection.group_silence import find_silence
from winchester_core.inspection.stream_reasons import StreamSituation, stream_reasons
from winchester_core.inspection.values import flat_object, iso_text
from winchester_core.storage.filters import ListOrder, StreamFilter
from winchester_core.storage.paging import find_all
from winchester_core.triggers.member_explanation import explain_members, waiting_after
from winchester_core.triggers.progress_explanation import explain_progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.list_pages import Key
    from winchester_core.storage.read_interface import ReadStore
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.member_explanation import MemberExplanation
    from winchester_core.triggers.progress_explanation import CriterionProgress


GROUP_SEARCH_ROWS: Final = 2_000
"""Maximum number of rows that are searched for the next streams of a group, in each direction."""


@dataclass(frozen=True, slots=True)
class ExplanationBounds:
    """Maximum numbers of the newest events, and of other streams of the group, that are read."""

    events: int
    streams: int


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """The stored facts about a stream: its `events` by timestamp, and `others` of its group by id.

    `are_others_omitted` is true if the group has further streams. `omitted_events` is the number of
    older events that were not read.
    """

    stream: StreamRecord
    events: Sequence[Event]
    others: Sequence[StreamRecord]
    omitted_events: int = 0
    are_others_omitted: bool = False


def explain_stream(
    store: ReadStore,
    definitions: Mapping[str, TriggerDefinition],
    stream_id: int,
    now: datetime | None,
    bounds: ExplanationBounds | None = None,
) -> dict[str, Any]:
    """Return the explanation of a stream as JSON values, at the stream time `now`.

    `definitions` are the configured triggers by name. Without `bounds`, all events of the stream
    and all streams of its group are read. With them, the result has the number of evaluated events,
    and whether streams were omitted. Raises `UnknownStream`.
    """
    stream = store.get_stream_by_id(stream_id)
    facts = _all_facts(store, stream) if bounds is None else read_facts(store, stream, bounds)
    definition = definitions.get(stream.name)
    situation = examine_stream(
        store, definition, stream, facts.events, facts.others, now, facts.omitted_events
    )
    if bounds is None:
        return explanation_of(situation, facts.others)
    return bounded_explanation(situation, facts)


def read_facts(store: ReadStore, stream: StreamRecord, bounds: ExplanationBounds) -> StreamFacts:
    """Return the newest events of a stream, and the streams of its group that are next to it."""
    newest: list[Event] = []
    after: Key | None = None
    total: int | None = None
    while len(newest) < bounds.events:
        wanted = bounds.events - len(newest)
        page = store.page_of_stream_events(
            stream.id,
            after=after,
            limit=wanted,
            order=ListOrder.NEWEST,
            max_rows=bounds.events,
        )
        total = page.total
        newest += page.items
        if len(page.items) == wanted or page.searched_to is None:
            break
        after = page.searched_to
    same_group = StreamFilter(name=stream.name, traits=stream.distinguished_by)
    sides = [
        store.page_of_streams(
            same_group,
            after=(stream.id,),
            limit=bounds.streams // 2,
            order=order,
            max_rows=GROUP_SEARCH_ROWS,
        )
        for order in (ListOrder.NEWEST, ListOrder.OLDEST)
    ]
    before, following = sides
    return StreamFacts(
        stream,
        sorted(newest, key=itemgetter("timestamp")),
        [*reversed(before.items), *following.items],
        max(0, stream.event_count - len(newest)) if total is None else total - len(newest),
        any(
            len(each.items) == bounds.streams // 2 or each.searched_to is not None for each in sides
        ),
    )


def bounded_explanation(situation: StreamSituation, facts: StreamFacts) -> dict[str, Any]:
    """Return the facts as JSON values, with what was left out."""
    found = explanation_of(situation, facts.others)
    reasons = found["reasons"]
    if facts.omitted_events:
        reasons = [
            *reasons,
            (
                f"only its newest {len(facts.events)} events were evaluated: the "
                f"{facts.omitted_events} older ones are not among the events that do not count"
            ),
        ]
    return {
        **found,
        "reasons": reasons,
        "events_evaluated": len(facts.events),
        "others_omitted": facts.are_others_omitted,
    }


def _all_facts(store: ReadStore, stream: StreamRecord) -> StreamFacts:
    same_group = StreamFilter(name=stream.name, traits=stream.distinguished_by)
    group = find_all(store.find_streams, same_group)
    others = [each for each in group if each.id != stream.id]
    return StreamFacts(stream, store.get_stream_events(stream.id), others)


def examine_stream(
    store: ReadStore,
    definition: TriggerDefinition | None,
    stream: StreamRecord,
    events: Sequence[Event],
    others: Sequence[StreamRecord],
    now: datetime | None,
    omitted_events: int = 0,
) -> StreamSituation:
    """Return the facts that explain a stream with these `events`, at the stream time `now`.

    `others` are the other streams of its group, by id. `omitted_events` is the number of its stored
    events that are not among the `events`.
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
        stored_events=len(events) + omitted_events,
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
