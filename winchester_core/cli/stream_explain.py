"""``winchester stream explain``: why one stream has not fired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cli.configured_triggers import configured_triggers
from winchester_core.cli.moments import iso_text, plain
from winchester_core.cli.options import positive_number
from winchester_core.cli.output import ObjectShow, lines
from winchester_core.cli.session import PAGE, Session
from winchester_core.cli.stream_reasons import StreamSituation, reasons
from winchester_core.cli.stream_show import ALL_BUT_TRIGGERS, stream_time
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.explanation import explain_progress

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.explanation import CriterionProgress

MOST_SHOWN = 10
"""How many reasons of one criterion a table shows; JSON and YAML have all."""


class StreamExplain(ObjectShow):
    """Say why a stream has not fired.

    The reasons come in words, the one that decides first. Then each fire criterion of its
    trigger, as it is configured now: how many events it has of how many it needs, and why the
    others of its events do not count, those of a wanted type first. others_of_group are the other
    streams with the same distinguishing traits. It only reads, and shows no trait of an event.
    """

    examples = (
        "winchester stream explain -c winchester.yaml 12",
        "winchester stream explain -c winchester.yaml 12 -f json",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="ID", type=positive_number, help="the stream's id")
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The explanation. Raises `UnknownStream`."""
        with Session(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            stream = session.store.get_stream_by_id(parsed_args.id)
            definition = configured_triggers(session.settings).get(stream.name)
            events = session.store.get_stream_events(stream.id)
            others = _others_of_group(session, stream)
            progress = () if definition is None else explain_progress(definition, stream, events)
            situation = StreamSituation(
                stream=stream,
                definition=definition,
                progress=progress,
                successors=[each.id for each in others if each.id > stream.id],
                stored_events=len(events),
                now=stream_time(session),
                real_now=session.store.real_time(),
            )
            return {
                **_identity(stream),
                "has_fired": situation.has_fired,
                "reasons": reasons(situation),
                "fire_criteria": [_criterion(each) for each in progress],
                "expiration": None if definition is None else definition.expiration.text,
                "first_event": iso_text(stream.first_event),
                "last_event": iso_text(stream.last_event),
                "expire_timestamp": iso_text(stream.expire_timestamp),
                "fire_timestamp": iso_text(stream.fire_timestamp),
                "stream_time": iso_text(situation.now),
                "others_of_group": [{"id": each.id, "state": each.state.value} for each in others],
            }

    def cell(self, name: str, value: Any) -> Any:
        """A value; of reasons, criteria and streams, a line for each."""
        if name == "reasons":
            return lines(value)
        if name == "fire_criteria":
            return lines(line for each in value for line in _criterion_lines(each))
        if name == "others_of_group":
            return lines(f"{each['id']} ({each['state']})" for each in value)
        return super().cell(name, value)


def _identity(stream: StreamRecord) -> dict[str, Any]:
    return {
        "id": stream.id,
        "name": stream.name,
        "state": stream.state.value,
        "distinguished_by": {name: plain(v) for name, v in stream.distinguished_by.items()},
        "event_count": stream.event_count,
    }


def _others_of_group(session: Session, stream: StreamRecord) -> list[StreamRecord]:
    same = StreamFilter(name=stream.name, traits=stream.distinguished_by)
    found = session.store.find_streams(same, limit=PAGE)
    return [each for each in found if each.id != stream.id]


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


def _criterion_lines(criterion: dict[str, Any]) -> list[str]:
    met = "met" if criterion["met"] else "not met"
    told = [f"{met}, {criterion['has']} of {criterion['needs']}: {criterion['criterion']}"]
    for each in criterion["not_counted"][:MOST_SHOWN]:
        events = "event does" if each["events"] == 1 else "events do"
        told.append(f"  {each['events']} {events} not count: {each['reason']}")
    left = len(criterion["not_counted"]) - MOST_SHOWN
    return [*told, f"  and {left} more reasons (-f json)"] if left > 0 else told
