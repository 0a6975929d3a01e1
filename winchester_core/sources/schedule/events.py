"""Events of a schedule at one time, with derived ids."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from winchester_core.model.json import dump_traits, flat_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

NAMESPACE = UUID("bc0c04b1-1780-4871-a8dc-55d5b1008534")
"""Namespace of the ids. Never change it: events of the last `catch_up` would be stored twice."""


def item_key(item: Mapping[str, Any]) -> str:
    """Return the text of an item's traits in an id, independent of their order.

    It distinguishes the types of values: 1, 1.0, "1" and true are different.
    """
    return dump_traits(dict(sorted(item.items())))


class ScheduledEvents:
    """One event for each of `items` (the traits of each item; None: one event), at any time.

    An id is derived only from `name`, the item's traits and the UTC time, so every process derives
    the same ids, and a changed event type or constant trait does not change them.
    """

    def __init__(
        self,
        name: str,
        event_type: str,
        traits: Mapping[str, Any],
        items: Sequence[Mapping[str, Any]] | None,
    ) -> None:
        self._name = name
        self._event_type = event_type
        each_traits = [traits] if items is None else [{**traits, **item} for item in items]
        self._traits = [flat_event(each) for each in each_traits]
        self._keys = [""] if items is None else [item_key(item) for item in items]

    def at(self, moment: datetime) -> Iterator[dict[str, Any]]:
        """Yield the events of `moment` (UTC), as flat objects in the order of the items."""
        timestamp = moment.isoformat()
        for key, traits in zip(self._keys, self._traits, strict=True):
            yield {
                "message_id": str(uuid5(NAMESPACE, json.dumps([self._name, key, timestamp]))),
                "event_type": self._event_type,
                "timestamp": timestamp,
                **traits,
            }
