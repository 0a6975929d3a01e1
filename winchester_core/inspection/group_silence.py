"""Silence of a stream's group, because of `suppress`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.triggers.grouping import group_key

if TYPE_CHECKING:
    from datetime import datetime

    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.read_interface import ReadStore
    from winchester_core.triggers.definition import TriggerDefinition


@dataclass(frozen=True, slots=True)
class GroupSilence:
    """The last silence of a group: stream `stream_id` fires or fired at `since`.

    Both times are stream time. The silence may be over.
    """

    stream_id: int
    since: datetime
    until: datetime

    def is_over(self, now: datetime | None) -> bool:
        """Return whether it is over at the stream time `now`; if that is unknown, it is not."""
        return now is not None and self.until <= now


def find_silence(
    store: ReadStore, definition: TriggerDefinition | None, stream: StreamRecord
) -> GroupSilence | None:
    """Return the last silence of the group of `stream`, if it is stored."""
    if definition is None or not definition.suppress:
        return None
    found = store.silence_of(group_key(stream.name, stream.distinguished_by))
    if found is None:
        return None
    since = found.fire_timestamp
    try:
        until = since + definition.suppress
    except OverflowError:
        until = since.max.replace(tzinfo=since.tzinfo)
    return GroupSilence(found.stream_id, since, until)
