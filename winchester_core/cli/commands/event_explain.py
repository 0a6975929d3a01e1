"""``winchester event explain``: why each trigger matches an event or not."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from winchester_core.cli.argument_values import flat_object, iso_text, to_json_value
from winchester_core.cli.commands.event import MESSAGE_ID, get_event
from winchester_core.cli.options import Argument
from winchester_core.cli.output import ObjectShow
from winchester_core.cli.session import ALL_BUT_TRIGGERS, StoreSession, find_trigger, load_triggers
from winchester_core.storage.paging import find_all
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.explanation import explain_event

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Sequence

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.explanation import CriterionResult


class EventExplain(ObjectShow):
    """Explain how each trigger evaluates an event.

    For each configured trigger, shows whether the event matches, by which criterion or why not;
    which streams contain it; and for which fire criteria it counts. A removed trigger is listed if
    one of its streams contains the event. Nothing is changed. The command evaluates the current
    definitions of the triggers; they may have changed since the event was ingested.
    """

    examples = (
        "winchester event explain -c winchester.yaml order-1001-paid",
        "winchester event explain -c winchester.yaml order-1001-paid --trigger order -f json",
    )
    arguments = (MESSAGE_ID, Argument("--trigger NAME", "only this trigger"))
    lines = {"triggers": lambda triggers: chain.from_iterable(map(_trigger_lines, triggers))}

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the explanation. Raises `StorageError` if no event has this id."""
        only = parsed_args.trigger
        with StoreSession(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            settings, store = session.settings, session.store
            triggers = (
                load_triggers(settings) if only is None else {only: find_trigger(settings, only)}
            )
            event = get_event(store, parsed_args.message_id)
            filters = StreamFilter(name=only, message_id=event["message_id"])
            holding = list(find_all(store.find_streams, filters))
        removed = sorted({each.name for each in holding} - triggers.keys())
        return {
            "message_id": event["message_id"],
            "event_type": event["event_type"],
            "timestamp": iso_text(event["timestamp"]),
            "triggers": [
                _explain(name, triggers.get(name), event, [s for s in holding if s.name == name])
                for name in (*triggers, *removed)
            ],
        }


def _explain(
    name: str, definition: TriggerDefinition | None, event: Event, streams: Sequence[StreamRecord]
) -> dict[str, Any]:
    """Return the explanation for one trigger; without a definition, it has been removed."""
    found = None if definition is None else explain_event(definition, event)
    if found is None:
        reason = "no trigger with this name is configured (any more)"
    elif found.matched and not streams:
        reason = (
            f"{found.reason}; but no stream holds it: its stream was completed and purged, or the "
            "trigger did not exist or was different when the event was ingested"
        )
    elif streams and not found.matched:
        changed = "a stream holds it, so it did when ingested: the trigger has changed"
        reason = f"{found.reason}; {changed}"
    else:
        reason = found.reason
    return {
        "trigger": name,
        "matches": found is not None and found.matched,
        "reason": reason,
        "distinguished_by": None if found is None else to_json_value(found.distinguished_by),
        "streams": [flat_object(each, "id state") for each in streams],
        "match_criteria": _criterion_rows(() if found is None else found.match_criteria),
        "fire_criteria": _criterion_rows(() if found is None else found.fire_criteria),
    }


def _criterion_rows(results: Iterable[CriterionResult]) -> list[dict[str, Any]]:
    return [
        {"criterion": each.criterion, "met": each.is_met, "reason": each.reason} for each in results
    ]


def _trigger_lines(trigger: dict[str, Any]) -> Iterator[str]:
    matches = "matches" if trigger["matches"] else "does not match"
    yield f"{trigger['trigger']}: {matches}: {trigger['reason']}"
    for each in trigger["streams"]:
        yield f"  in stream {each['id']} ({each['state']})"
    kind, met, not_met = (
        ("fire", "counts", "does not count") if trigger["matches"] else ("match", "met", "not met")
    )
    for number, each in enumerate(trigger[f"{kind}_criteria"], start=1):
        result = met if each["met"] else not_met
        yield f"  {kind} criterion {number} {result}: {each['reason']}"
