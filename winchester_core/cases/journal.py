"""What happened in the pipelines while a case ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from winchester_core.interfaces import Effect
    from winchester_core.model.event import Event


@dataclass(slots=True)
class RecordedRun:
    """One run of a pipeline; `made` are the new events that came out of it."""

    stream_id: int
    trigger: str
    pipeline: str
    reason: str
    distinguished_by: Mapping[str, Any]
    events: tuple[str, ...]
    made: tuple[Event, ...] = ()
    succeeded: bool = False


@dataclass(slots=True)
class Journal:
    """The runs in their order, and the effects that handlers queued and that were recorded.

    `is_stored` tells by its id whether an event is stored: such a one is not new.
    """

    is_stored: Callable[[str], bool]
    runs: list[RecordedRun] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def begin(self, pipeline: str, events: Sequence[Event], env: Mapping[str, Any]) -> None:
        """A run begins."""
        self.runs.append(
            RecordedRun(
                stream_id=env["stream_id"],
                trigger=env["stream_name"],
                pipeline=pipeline,
                reason=env["reason"],
                distinguished_by=dict(env["distinguished_by"]),
                events=tuple(event["message_id"] for event in events),
            )
        )

    def end_handling(self, events: Sequence[Event]) -> None:
        """All handlers of the run that began last have had their turn, and this came out."""
        new: dict[str, Event] = {}
        for event in events:
            if not self.is_stored(event["message_id"]):
                new.setdefault(event["message_id"], dict(event))
        self.runs[-1].made = tuple(new.values())

    def succeed(self) -> None:
        """The run that began last is to be completed."""
        self.runs[-1].succeeded = True
