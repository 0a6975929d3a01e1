"""Explanation of one stored event: how each trigger evaluates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.criteria import MatchRole
from winchester_core.inspection.values import flat_object, iso_text, to_json_value
from winchester_core.storage.filters import ListOrder, StreamFilter
from winchester_core.storage.paging import find_all
from winchester_core.triggers.explanation import explain_event, length_text
from winchester_core.triggers.member_explanation import explain_members

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.read_interface import ReadStore
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.explanation import CriterionResult


def explain_stored_event(
    store: ReadStore,
    definitions: Mapping[str, TriggerDefinition],
    event: Event,
    now: datetime | None,
    *,
    only: str | None = None,
    max_streams: int | None = None,
) -> dict[str, Any]:
    """Return the explanation of an event for each trigger as JSON values.

    `definitions` are triggers by name, `now` is stream time. Streams of other triggers that contain
    the event are explained too, unless only the trigger `only` is of interest. If more than
    `max_streams` streams contain it, only the newest of them are read, and `streams_omitted` is
    true.
    """
    filters = StreamFilter(name=only, message_id=event["message_id"])
    holding, are_omitted = _holding(store, filters, max_streams)
    waits = {
        name: until
        for name, until in store.waits_of(event["message_id"]).items()
        if now is None or now < until
    }
    removed = sorted({each.name for each in holding} - definitions.keys())
    return {
        "message_id": event["message_id"],
        "event_type": event["event_type"],
        "timestamp": iso_text(event["timestamp"]),
        "triggers": [
            _explain(
                name,
                definitions.get(name),
                event,
                [each for each in holding if each.name == name],
                waits.get(name),
            )
            for name in (*definitions, *removed)
        ],
        **({} if max_streams is None else {"streams_omitted": are_omitted}),
    }


def _holding(
    store: ReadStore, filters: StreamFilter, max_streams: int | None
) -> tuple[list[StreamRecord], bool]:
    """Return the streams by id, or the newest of them, and whether older ones are left out."""
    if max_streams is None:
        return list(find_all(store.find_streams, filters)), False
    page = store.page_of_streams(filters, limit=max_streams, order=ListOrder.NEWEST)
    are_omitted = page.searched_to is not None or len(page.items) == max_streams
    return page.items[::-1], are_omitted and page.total != len(page.items)


def _explain(
    name: str,
    definition: TriggerDefinition | None,
    event: Event,
    streams: Sequence[StreamRecord],
    waits_until: datetime | None,
) -> dict[str, Any]:
    """Return the explanation for one trigger; without a definition, it has been removed."""
    found = None if definition is None else explain_event(definition, event)
    if found is None:
        reason = "no trigger with this name is configured (any more)"
    elif waits_until is not None and not streams:
        reason = (
            f"{found.reason}; no stream holds it: it waits until {iso_text(waits_until)} (stream "
            "time) for an event of its group that opens a stream"
        )
    elif found.matched and not streams and found.role is not MatchRole.OPENS:
        reason = (
            f"{found.reason}; but no stream holds it: its group had no open stream"
            f"{_waited_in_vain(definition)}, or its stream was completed and purged, or the "
            "trigger did not exist or was different when the event was ingested"
        )
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
        "role": None if found is None or found.role is None else found.role.value,
        "distinguished_by": None if found is None else to_json_value(found.distinguished_by),
        "streams": [
            {
                **flat_object(each, "id state outcome"),
                "not_counted": _not_counted(definition, each, event),
            }
            for each in streams
        ],
        "waits_until": iso_text(waits_until),
        "cancel_criteria": _criterion_rows(() if found is None else found.cancel_criteria),
        "match_criteria": _criterion_rows(() if found is None else found.match_criteria),
        "fire_criteria": _criterion_rows(() if found is None else found.fire_criteria),
    }


def _not_counted(
    definition: TriggerDefinition | None, stream: StreamRecord, event: Event
) -> str | None:
    """Return why the event counts for no criterion of a stream that contains it, if it does not."""
    if definition is None:
        return None
    ignored = explain_members(definition, stream, [event]).ignored
    return ignored[0].reason if ignored else None


def _waited_in_vain(definition: TriggerDefinition | None) -> str:
    if definition is None or not definition.lateness:
        return ""
    return f", and none was opened within {length_text(definition.lateness)} (lateness)"


def _criterion_rows(results: Iterable[CriterionResult]) -> list[dict[str, Any]]:
    return [
        {"criterion": each.criterion, "met": each.is_met, "reason": each.reason} for each in results
    ]
