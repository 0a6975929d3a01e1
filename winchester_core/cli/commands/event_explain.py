"""``winchester event explain``: why each trigger matches an event or not."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from winchester_core.cli.commands.event import MESSAGE_ID, get_event
from winchester_core.cli.options import Argument
from winchester_core.cli.output import ObjectShow
from winchester_core.cli.session import ALL_BUT_TRIGGERS, StoreSession, find_trigger, load_triggers
from winchester_core.criteria import MatchRole
from winchester_core.inspection.event_explanation import explain_stored_event

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator


class EventExplain(ObjectShow):
    """Explain how each trigger evaluates an event.

    For each configured trigger, shows whether the event matches, by which criterion or why not; its
    role, that is, whether it opens a stream, joins the open one or cancels it; which streams
    contain it; until which stream time it waits for a stream; and which fire criteria it satisfies.
    A removed trigger is listed if one of its streams contains the event. Nothing is changed. The
    command evaluates the current definitions of the triggers; they may have changed since the event
    was ingested.
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
            return explain_stored_event(store, triggers, event, session.stream_time(), only=only)


def _trigger_lines(trigger: dict[str, Any]) -> Iterator[str]:
    matches = "matches" if trigger["matches"] else "does not match"
    yield f"{trigger['trigger']}: {matches}: {trigger['reason']}"
    for each in trigger["streams"]:
        reason = f", but does not count: {each['not_counted']}" if each["not_counted"] else ""
        yield f"  in stream {each['id']} ({each['state']}){reason}"
    if trigger["matches"]:
        if trigger["role"] != MatchRole.CANCELS.value:
            yield from _criterion_lines(trigger, "fire", "counts", "does not count")
    else:
        yield from _criterion_lines(trigger, "cancel", "met", "not met")
        yield from _criterion_lines(trigger, "match", "met", "not met")


def _criterion_lines(trigger: dict[str, Any], kind: str, met: str, not_met: str) -> Iterator[str]:
    for number, each in enumerate(trigger[f"{kind}_criteria"], start=1):
        result = met if each["met"] else not_met
        yield f"  {kind} criterion {number} {result}: {each['reason']}"
