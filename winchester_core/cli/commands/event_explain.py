"""``winchester event explain``: what each trigger makes of one event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cli.commands.event import get_event
from winchester_core.cli.output import ObjectShow, join_lines
from winchester_core.cli.session import (
    ALL_BUT_TRIGGERS,
    PAGE_SIZE,
    StoreSession,
    find_trigger,
    load_triggers,
)
from winchester_core.cli.values import iso_text, to_json_value
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.explanation import explain_event

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Sequence

    from winchester_core.config import Settings
    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.explanation import CriterionResult


class EventExplain(ObjectShow):
    """Say what each trigger makes of an event.

    For each trigger that is configured: whether the event matches, by which criterion or why not;
    which streams hold it; and for which fire criteria it counts. Triggers that are gone are named
    where a stream of theirs holds the event. It only reads, and looks at the triggers as they are
    configured now: those that were when the event came may have been others.
    """

    examples = (
        "winchester event explain -c winchester.yaml order-1001-paid",
        "winchester event explain -c winchester.yaml order-1001-paid --trigger order -f json",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument and ``--trigger``."""
        parser = super().get_parser(prog_name)
        parser.add_argument("message_id", metavar="MESSAGE_ID", help="the event's id")
        parser.add_argument("--trigger", metavar="NAME", help="say it of this trigger alone")
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The explanation. Raises `StorageError` when no event has this id."""
        with StoreSession(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            definitions = _selected_triggers(session.settings, parsed_args.trigger)
            event = get_event(session.store, parsed_args.message_id)
            holding = session.store.find_streams(
                StreamFilter(name=parsed_args.trigger, message_id=event["message_id"]),
                limit=PAGE_SIZE,
            )
        configured = {each.name for each in definitions}
        gone = sorted({each.name for each in holding} - configured)
        return {
            "message_id": event["message_id"],
            "event_type": event["event_type"],
            "timestamp": iso_text(event["timestamp"]),
            "triggers": [
                *(_explain(each, event, _streams_of(holding, each.name)) for each in definitions),
                *(_without_trigger(name, _streams_of(holding, name)) for name in gone),
            ],
        }

    def cell(self, name: str, value: Any) -> Any:
        """A value; of triggers, some lines for each."""
        if name == "triggers":
            return join_lines(line for each in value for line in _trigger_lines(each))
        return super().cell(name, value)


def _selected_triggers(settings: Settings, name: str | None) -> list[TriggerDefinition]:
    """The triggers to speak of. Raises `UsageError` for an unknown one."""
    if name is not None:
        return [find_trigger(settings, name)]
    return list(load_triggers(settings).values())


def _explain(
    definition: TriggerDefinition, event: Event, streams: Sequence[StreamRecord]
) -> dict[str, Any]:
    told = explain_event(definition, event)
    return {
        "trigger": definition.name,
        "matches": told.matched,
        "reason": _with_streams_text(told.reason, told.matched, streams),
        "distinguished_by": to_json_value(told.distinguished_by),
        "streams": _stream_rows(streams),
        "match_criteria": _criterion_rows(told.match_criteria),
        "fire_criteria": _criterion_rows(told.fire_criteria),
    }


def _with_streams_text(reason: str, matched: bool, streams: Sequence[StreamRecord]) -> str:
    if matched and not streams:
        return (
            f"{reason}; yet no stream holds it: its stream was completed and purged, or the "
            "trigger was not there, or another one, when the event came"
        )
    if streams and not matched:
        return f"{reason}; it did when it came, since a stream holds it: the trigger has changed"
    return reason


def _without_trigger(name: str, streams: Sequence[StreamRecord]) -> dict[str, Any]:
    return {
        "trigger": name,
        "matches": False,
        "reason": "no trigger of this name is configured (any more)",
        "distinguished_by": None,
        "streams": _stream_rows(streams),
        "match_criteria": [],
        "fire_criteria": [],
    }


def _streams_of(streams: Iterable[StreamRecord], name: str) -> list[StreamRecord]:
    return [each for each in streams if each.name == name]


def _stream_rows(streams: Iterable[StreamRecord]) -> list[dict[str, Any]]:
    return [{"id": each.id, "state": each.state.value} for each in streams]


def _criterion_rows(verdicts: Iterable[CriterionResult]) -> list[dict[str, Any]]:
    return [
        {"criterion": each.criterion, "met": each.is_met, "reason": each.reason}
        for each in verdicts
    ]


def _trigger_lines(told: dict[str, Any]) -> list[str]:
    matches = "matches" if told["matches"] else "does not match"
    shown = [f"{told['trigger']}: {matches}: {told['reason']}"]
    shown += [f"  in stream {each['id']} ({each['state']})" for each in told["streams"]]
    if not told["matches"]:
        return shown + list(_criterion_lines("match", "met", told["match_criteria"]))
    return shown + list(_criterion_lines("fire", "counts", told["fire_criteria"]))


def _criterion_lines(kind: str, met: str, verdicts: Iterable[dict[str, Any]]) -> Iterable[str]:
    for place, each in enumerate(verdicts, start=1):
        not_met = "does not count" if met == "counts" else f"not {met}"
        yield f"  {kind} criterion {place} {met if each['met'] else not_met}: {each['reason']}"
