"""What surrounds a handler in a test: the `env` of a run, its outbox, effects to deliver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from winchester_core.interfaces import Effect
from winchester_core.model.json import dump_payload, load_payload
from winchester_core.testing.clock import DEFAULT_START

if TYPE_CHECKING:
    from datetime import datetime


class RecordingOutbox:
    """An outbox that keeps what is put into it. `payloads` are as `deliver` would be given them."""

    def __init__(self) -> None:
        self.payloads: list[Any] = []

    def put(self, payload: Any) -> str:
        """Keep a payload; return the effect's id. Raises `UnstorablePayload`."""
        self.payloads.append(load_payload(dump_payload(payload)))
        return str(uuid4())


def make_env(**changes: Any) -> dict[str, Any]:
    """The `env` of a first run, with a `RecordingOutbox`; `changes` replace or add to it."""
    return {
        "stream_id": 1,
        "stream_name": "test_trigger",
        "distinguished_by": {},
        "reason": "fire",
        "attempt": 1,
        "outbox": RecordingOutbox(),
    } | changes


def make_effect(
    payload: Any,
    *,
    id: str | None = None,  # noqa: A002 - the field's name
    stream_id: int = 1,
    stream_name: str = "test_trigger",
    pipeline: str = "test_pipeline",
    handler: str = "test_handler",
    attempt: int = 1,
    created_at: datetime = DEFAULT_START,
) -> Effect:
    """An effect as `deliver` is given it. Raises `UnstorablePayload`."""
    return Effect(
        id=str(uuid4()) if id is None else id,
        payload=load_payload(dump_payload(payload)),
        stream_id=stream_id,
        stream_name=stream_name,
        pipeline=pipeline,
        handler=handler,
        attempt=attempt,
        created_at=created_at,
    )
