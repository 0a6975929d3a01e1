"""Effects for tests of handlers, in the form in which a worker passes them to `deliver`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from winchester_core.interfaces import Effect
from winchester_core.model.json import dump_payload, load_payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.interfaces import PipelineHandler

CREATED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Queue:
    """Substitute for `env["outbox"]`: keeps payloads as stored and read again."""

    def __init__(self) -> None:
        self.payloads: list[Any] = []
        self.receivers: list[str | None] = []

    def put(self, payload: Any, *, receiver: str | None = None) -> str:
        """Queue a payload as the outbox would."""
        self.receivers.append(receiver)
        self.payloads.append(load_payload(dump_payload(payload)))
        return effect_id(len(self.payloads))


def effect_id(number: int) -> str:
    """Return the id of the effect that was queued at this position."""
    return f"00000000-0000-4000-8000-{number:012}"


def effect(payload: Any, number: int = 1, *, attempt: int = 1) -> Effect:
    """Return an effect with this payload."""
    return Effect(
        id=effect_id(number),
        payload=payload,
        stream_id=7,
        stream_name="lifecycle",
        pipeline="report",
        handler="sender",
        attempt=attempt,
        created_at=CREATED_AT,
    )


def queued(
    handler: PipelineHandler,
    events: Sequence[dict[str, Any]],
    env: Mapping[str, Any] | None = None,
    *,
    attempt: int = 1,
) -> list[Effect]:
    """Return the effects that `handler` queues for these events."""
    queue = Queue()
    whole = {
        "stream_id": 7,
        "stream_name": "lifecycle",
        "distinguished_by": {"instance_id": "i-1"},
        "reason": "fire",
        "attempt": 1,
        "stream_time": CREATED_AT,
        "stream_url": None,
        "outbox": queue,
        **(env or {}),
    }
    given = list(events)
    assert handler.handle_events(given, whole) == list(events)
    return [effect(each, n, attempt=attempt) for n, each in enumerate(queue.payloads, start=1)]
