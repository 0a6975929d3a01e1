"""``winchester stream explain``: why one stream has not fired."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from winchester_core.cli.argument_values import duration_text, flat_object, iso_text
from winchester_core.cli.commands.stream import next_transition
from winchester_core.cli.options import id_argument
from winchester_core.cli.output import ObjectShow
from winchester_core.cli.session import ALL_BUT_TRIGGERS, StoreSession, load_triggers
from winchester_core.model.stream import Reason, StreamState, states_including
from winchester_core.storage.paging import find_all
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.explanation import describe_missing, explain_progress

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.explanation import CriterionProgress


MAX_SHOWN_REASONS = 10
"""Maximum number of reasons for one criterion in a table; JSON and YAML contain all reasons."""


def _criterion_lines(criterion: dict[str, Any]) -> list[str]:
    met = "met" if criterion["met"] else "not met"
    lines = [f"{met}, {criterion['has']} of {criterion['needs']}: {criterion['criterion']}"]
    for each in criterion["not_counted"][:MAX_SHOWN_REASONS]:
        events = "event does" if each["events"] == 1 else "events do"
        lines.append(f"  {each['events']} {events} not count: {each['reason']}")
    omitted = len(criterion["not_counted"]) - MAX_SHOWN_REASONS
    return [*lines, f"  and {omitted} more (-f json)"] if omitted > 0 else lines


class StreamExplain(ObjectShow):
    """Explain why a stream has not fired.

    Shows the reasons, the decisive one first. Then, for each fire criterion in the current
    definition of the trigger, shows how many events the stream has and needs, and why its other
    events do not count (events of a matching type first). others_of_group lists the other streams
    with the same distinguishing traits. Nothing is changed, and no traits of events are shown.
    """

    examples = (
        "winchester stream explain -c winchester.yaml 12",
        "winchester stream explain -c winchester.yaml 12 -f json",
    )
    arguments = (id_argument("stream"),)
    lines = {
        "reasons": iter,
        "fire_criteria": lambda criteria: chain.from_iterable(map(_criterion_lines, criteria)),
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
            progress = () if definition is None else explain_progress(definition, stream, events)
            situation = StreamSituation(
                stream=stream,
                definition=definition,
                progress=progress,
                successors=[each.id for each in others if each.id > stream.id],
                stored_events=len(events),
                now=session.stream_time(),
                real_now=session.store.real_time(),
            )
            return {
                **flat_object(stream, "id name state distinguished_by event_count"),
                "has_fired": situation.has_fired,
                "reasons": stream_reasons(situation),
                "fire_criteria": [_criterion(each) for each in progress],
                "expiration": None if definition is None else definition.expiration.text,
                **flat_object(stream, "first_event last_event expire_timestamp fire_timestamp"),
                "stream_time": iso_text(situation.now),
                "others_of_group": [flat_object(each, "id state") for each in others],
            }


def _criterion(progress: CriterionProgress) -> dict[str, Any]:
    return {
        "criterion": progress.criterion,
        "has": progress.has,
        "needs": progress.needs,
        "met": progress.is_met,
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


@dataclass(frozen=True, slots=True)
class StreamSituation:
    """Facts that explain why a stream has fired, or has not.

    `definition` is the current definition of its trigger (None: removed), and `progress` the
    progress that results from it. `successors` are the ids of later streams of its group. `now` is
    stream time (None: unknown), and `real_now` the database server's time.
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
        """Return whether all fire criteria were met, so that it fires instead of expiring."""
        return self.stream.fire_timestamp is not None

    @property
    def has_fired(self) -> bool:
        """Return whether it has fired and its pipeline has succeeded."""
        return self.was_met and self.stream.state is StreamState.COMPLETED


def stream_reasons(situation: StreamSituation) -> list[str]:
    """Return the reasons why the stream has fired or not, as sentences, the decisive one first."""
    return [*_decisive_reasons(situation), *_additional_reasons(situation)]


def _decisive_reasons(situation: StreamSituation) -> Iterator[str]:
    stream = situation.stream
    next_step = next_transition(stream, now=situation.now, real_now=situation.real_now)
    if situation.was_met and stream.state is StreamState.COMPLETED:
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
    elif all(each.is_met for each in situation.progress):
        yield (
            "its fire criteria were not met when the stream was last calculated; they are met as "
            "configured now: an open stream fires once it is recalculated"
        )
    for number, each in enumerate(situation.progress, start=1):
        if not each.is_met:
            yield describe_missing(number, each)


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
        text = "its trigger's fire criteria or expiration have changed since it was last counted"
        if stream.is_open and not is_done:
            yield (
                f"{text}: a worker with the new ones, or the next event, recalculates it; "
                "this explanation uses the new ones"
            )
        else:
            yield f"{text}: the old ones decided, but this explanation uses the new ones"
    elif not is_done and definition.pipelines[reason] is None:
        yield f"its trigger has no {reason}_pipeline: it is completed without a run"
    if stream.state is StreamState.ACTIVE and not stream.is_open:
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


def _upcoming_reason(situation: StreamSituation) -> Reason:
    states = states_including(situation.stream.state)
    if states is not None:
        return states.reason
    return Reason.FIRE if situation.was_met else Reason.EXPIRE
