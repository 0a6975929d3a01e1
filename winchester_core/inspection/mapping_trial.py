"""Trial of mappings: the events that they would make of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.clock import SystemClock
from winchester_core.errors import InvalidEvent
from winchester_core.mapping import MessageDropped
from winchester_core.model.event import REQUIRED_KEYS
from winchester_core.model.json import flat_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.mapping import MappingSet
    from winchester_core.model.event import CleanEvent
    from winchester_core.model.message import Message

EVENT, DROPPED, INVALID = "event", "dropped", "invalid"
NOTHING: Final[dict[str, Any]] = dict.fromkeys(
    ("event", "trait_types", "dropped_traits", "reason", "unmet_conditions")
)


def try_message(mappings: MappingSet, message: Message) -> Iterator[dict[str, Any]]:
    """Yield an object for each event of a message, or one if it is dropped or invalid.

    `outcome` is "event", "dropped" or "invalid". An event has its `trait_types` and
    `dropped_traits`, each with a text by name. If no rule matches, `unmet_conditions` has the path
    of the first condition that does not hold by rule.
    """
    shown: dict[str, Any] = {"message": message.received_from, "rule": None, "outcome": INVALID}
    if message.fault is not None:
        yield {**shown, **NOTHING, "reason": message.fault}
        return
    try:
        mapped = mappings.convert(message, SystemClock().now)
    except MessageDropped as error:
        yield {**shown, **NOTHING, "rule": error.label, "outcome": DROPPED, "reason": str(error)}
    except InvalidEvent as error:
        unmet = None if error.key != "mapping" else mappings.unmet_conditions(message)
        yield {**shown, **NOTHING, "reason": str(error), "unmet_conditions": unmet}
    else:
        for clean in mapped.events:
            yield {**shown, **NOTHING, "rule": mapped.rule, "outcome": EVENT, **_shown_event(clean)}


def _shown_event(clean: CleanEvent) -> dict[str, Any]:
    types = {
        name: "text" if isinstance(value, str) else type(value).__name__
        for name, value in clean.event.items()
        if name not in REQUIRED_KEYS
    }
    return {
        "event": flat_event(clean.event),
        "trait_types": types,
        "dropped_traits": {each.trait: each.reason for each in clean.drops},
    }
