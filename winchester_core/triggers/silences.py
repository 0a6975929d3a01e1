"""Silences of groups: a group that has fired does not fire again for a time. Pure.

A group is silent from the fire time of the stream that was decided to fire. Only the holder of the
group's key decides, so a silence cannot change meanwhile, except for a group without an open
stream; the store verifies it when it writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.model.stream import Decision
from winchester_core.triggers.pending_stream import Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from winchester_core.triggers.pending_stream import PendingStream


class Silences:
    """The silent groups among the groups of a batch, by group key.

    `read` returns those that are stored. It is called once, when the first stream is decided or
    cancelled.
    """

    def __init__(self, read: Callable[[], Mapping[bytes, Silence]]) -> None:
        self._read = read
        self.before: Mapping[bytes, Silence] = {}
        """The silent groups as they were read."""
        self.after: dict[bytes, Silence] | None = None
        """The silent groups after the batch; None if they have not been read."""

    def decide(self, stream: PendingStream, now: datetime) -> None:
        """Suppress a stream that has met its criteria, or make its group silent."""
        fire_timestamp = stream.progress.fire_timestamp
        if not stream.definition.suppress or fire_timestamp is None:
            return
        silences = self._silences()
        silence = silences.get(stream.group.key)
        if silence is not None and now < silence.fire_timestamp + stream.definition.suppress:
            stream.decide(Decision.SUPPRESSED)
        else:
            silences[stream.group.key] = Silence(fire_timestamp, stream)
            stream.begins_silence = True

    def withdraw(self, stream: PendingStream) -> None:
        """End the silence that a stream has caused, because it will not fire."""
        stream.decide(None)
        if stream.definition.suppress:
            silences = self._silences()
            silence = silences.get(stream.group.key)
            if silence is not None and silence.stream in (stream, stream.id):
                del silences[stream.group.key]

    def _silences(self) -> dict[bytes, Silence]:
        if self.after is None:
            self.before = self._read()
            self.after = dict(self.before)
        return self.after
