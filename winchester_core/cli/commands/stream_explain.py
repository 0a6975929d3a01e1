"""``winchester stream explain``: why one stream has not fired."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from winchester_core.cli.argument_values import flat_object, iso_text
from winchester_core.cli.group_silence import find_silence
from winchester_core.cli.options import id_argument
from winchester_core.cli.output import ObjectShow
from winchester_core.cli.session import ALL_BUT_TRIGGERS, StoreSession, load_triggers
from winchester_core.cli.stream_reasons import StreamSituation, stream_reasons
from winchester_core.storage.paging import find_all
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.member_explanation import explain_members, waiting_after
from winchester_core.triggers.progress_explanation import explain_progress, progress_text

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from datetime import datetime

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.read_interface import ReadStore
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.member_explanation import MemberExplanation
    from winchester_core.triggers.progress_explanation import CriterionProgress


MAX_SHOWN_REASONS = 10
"""Maximum number of reasons for one criterion in a table; JSON and YAML contain all reasons."""


def _criterion_lines(criterion: dict[str, Any]) -> list[str]:
    met = "met" if criterion["met"] else "not met"
    step = "" if criterion["step"] is None else f"step {criterion['step']}: "
    values = (criterion[key] for key in ("has", "needs", "counts", "within"))
    lines = [f"{step}{met}, {progress_text(*values)}: {criterion['criterion']}"]
    for each in criterion["not_counted"][:MAX_SHOWN_REASONS]:
        events = "event does" if each["events"] == 1 else "events do"
        lines.append(f"  {each['events']} {events} not count: {each['reason']}")
    omitted = len(criterion["not_counted"]) - MAX_SHOWN_REASONS
    return [*lines, f"  and {omitted} more (-f json)"] if omitted > 0 else lines


class StreamExplain(ObjectShow):
    """Explain why a stream has not fired.

    Shows the reasons, the decisive one first. Then, for each fire criterion in the current
    definition of the trigger, shows how many events the stream has and needs, and why its other
    events do not count (events of a matching type first). If the times of the events matter, has is
    the number of events in the time window at the current stream time, and counts_until the time
    after which the oldest of them counts no more. not_counted lists the events that count for no
    criterion. cancelled_by is the event that cancelled the stream, or only those of its events that
    were not newer; waiting are the events that wait because of lateness; silence is the current
    silence of its group because of suppress. others_of_group lists the other streams with the same
    distinguishing traits. Nothing is changed, and no traits of events are shown.
    """

    examples = (
        "winchester stream explain -c winchester.yaml 12",
        "winchester stream explain -c winchester.yaml 12 -f json",
    )
    arguments = (id_argument("stream"),)
    lines = {
        "reasons": iter,
        "fire_criteria": lambda criteria: chain.from_iterable(map(_criterion_lines, criteria)),
        "not_counted": lambda ignored: (
            f"{each['events']} (first {each['first']}): {each['reason']}" for each in ignored
        ),
        "others_of_group": lambda others: (f"{each['id']} ({each['state']})" for each in others),
    }

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the explanation. Raises `UnknownStream`."""
        with StoreSession(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            stream = session.store.get_stream_by_id(parsed_args.id)
            definition = load_triggers(session.settings).get(stream.name)
            events = session.store.get_stream_events(stream.id)
            same_group = StreamFilter(name=stream.name, traits=stream.distinguished_by)
            group = find_all(session.store.find_streams, same_group)
            others = [each for each in group if each.id != stream.id]
            now = session.stream_time()
            window_now = now if stream.is_open else None
            situation = StreamSituation(
                stream=stream,
                definition=definition,
                progress=(
                    ()
                    if definition is None
                    else explain_progress(definition, stream, events, window_now)
                ),
                successors=[each.id for each in others if each.id > stream.id],
                stored_events=len(events),
                now=now,
                real_now=session.store.real_time(),
                members=_members(session.store, definition, stream, events, now),
                silence=find_silence(session.store, definition, stream),
            )
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
