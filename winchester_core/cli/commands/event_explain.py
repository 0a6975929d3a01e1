"""``winchester event explain``: why each trigger matches an event or not."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from winchester_core.cli.commands.event import MESSAGE_ID, get_event
from winchester_core.cli.options import Argument
from winchester_core.cli.output import ObjectShow
from winchester_core.cli.session import (
    ALL_BUT_TRIGGERS,
    StoreSession,
    find_all,
    find_trigger,
    load_triggers,
)
from winchester_core.cli.values import flat_object, iso_text, to_json_value
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.explanation import explain_event

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from winchester_core.config import Settings
    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.explanation import CriterionResult


class EventExplain(ObjectShow):
    """Explain how each trigger evaluates an event.

    For each configured trigger, shows whether the event matches, by which criterion or why not;
    which streams contain it; and for which fire criteria it counts. A removed trigger is listed if
    one of its streams contains the event. Nothing is changed. The command evaluates the triggers as
    they are configured now; they may have changed since the event was ingested.
    """

    examples = (
        "winchester event explain -c winchester.yaml order-1001-paid",
        "winchester event explain -c winchester.yaml order-1001-paid --trigger order -f json",
    )

    arguments = (MESSAGE_ID, Argument("--trigger", "NAME", "only this trigger"))
    lines: Mapping[str, Callable[[Any], Iterable[Any]]] = {
        "triggers": lambda triggers: chain.from_iterable(map(_trigger_lines, triggers))
    }

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the explanation. Raises `StorageError` if no event has this id."""
        with StoreSession(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            definitions = _selected_triggers(session.settings, parsed_args.trigger)
            event = get_event(session.store, parsed_args.message_id)
            filters = StreamFilter(name=parsed_args.trigger, message_id=event["message_id"])
            holding = list(find_all(session.store.find_streams, filters))
        configured = {each.name for each in definitions}
        removed = sorted({each.name for each in holding} - configured)
        return {
            "message_id": event["message_id"],
            "event_type": event["event_type"],
            "timestamp": iso_text(event["timestamp"]),
            "triggers": [
                *(_explain(each, event, _streams_of(holding, each.name)) for each in definitions),
                *(_removed_trigger(name, _streams_of(holding, name)) for name in removed),
            ],
        }


def _selected_triggers(settings: Settings, name: str | None) -> list[TriggerDefinition]:
    """Return the triggers to explain. Raises `UsageError` for an unknown one."""
    if name is not None:
        return [find_trigger(settings, name)]
    return list(load_triggers(settings).values())


def _explain(
    definition: TriggerDefinition, event: Event, streams: Sequence[StreamRecord]
) -> dict[str, Any]:
    explanation = explain_event(definition, event)
    return {
        "trigger": definition.name,
        "matches": explanation.matched,
        "reason": _compared_with_streams(explanation.reason, explanation.matched, streams),
        "distinguished_by": to_json_value(explanation.distinguished_by),
        "streams": _stream_rows(streams),
        "match_criteria": _criterion_rows(explanation.match_criteria),
        "fire_criteria": _criterion_rows(explanation.fire_criteria),
    }


def _compared_with_streams(reason: str, matched: bool, streams: Sequence[StreamRecord]) -> str:
    if matched and not streams:
        return (
            f"{reason}; but no stream holds it: its stream was completed and purged, or the "
            "trigger did not exist or was different when the event was ingested"
        )
    if streams and not matched:
        return f"{reason}; a stream holds it, so it did when ingested: the trigger has changed"
    return reason


def _removed_trigger(name: str, streams: Sequence[StreamRecord]) -> dict[str, Any]:
    return {
        "trigger": name,
        "matches": False,
        "reason": "no trigger with this name is configured (any more)",
        "distinguished_by": None,
        "streams": _stream_rows(streams),
        "match_criteria": [],
        "fire_criteria": [],
    }


def _streams_of(streams: Iterable[StreamRecord], name: str) -> list[StreamRecord]:
    return [each for each in streams if each.name == name]


def _stream_rows(streams: Iterable[StreamRecord]) -> list[dict[str, Any]]:
    return [flat_object(each, ("id", "state")) for each in streams]


def _criterion_rows(results: Iterable[CriterionResult]) -> list[dict[str, Any]]:
    return [
        {"criterion": each.criterion, "met": each.is_met, "reason": each.reason} for each in results
    ]


def _trigger_lines(trigger: dict[str, Any]) -> list[str]:
    matches = "matches" if trigger["matches"] else "does not match"
    lines = [f"{trigger['trigger']}: {matches}: {trigger['reason']}"]
    lines += [f"  in stream {each['id']} ({each['state']})" for each in trigger["streams"]]
    if not trigger["matches"]:
        return lines + list(_criterion_lines("match", "met", trigger["match_criteria"]))
    return lines + list(_criterion_lines("fire", "counts", trigger["fire_criteria"]))


def _criterion_lines(kind: str, met: str, results: Iterable[dict[str, Any]]) -> Iterable[str]:
    for number, each in enumerate(results, start=1):
        not_met = "does not count" if met == "counts" else f"not {met}"
        yield f"  {kind} criterion {number} {met if each['met'] else not_met}: {each['reason']}"
