"""Base class of pipeline handlers, and the arguments and results of `deliver`."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from voluptuous import Schema

if TYPE_CHECKING:
    from datetime import datetime

    from winchester_core.model.event import Event


class PipelineHandler:
    """A handler of a pipeline; any object with these three methods qualifies.

    Each run creates a new instance from the `params` of `pipelines.yaml`, validated and filled
    with defaults by `config_schema`. `example` is YAML for the documentation and `winchester
    plugin show`: one or more entries of a pipeline, as in `- name: logger`.

    A handler with side effects on other systems queues them as effects, by
    `env["outbox"].put(payload)` in `handle_events` or `commit`, and implements one more method,
    `deliver(effects)`. It takes a list of `Effect` and returns a list of outcomes in the same
    order: `Delivered()`, `RetryAfter(seconds, reason)` or `Refused(reason)`. Effects are stored
    exactly once, in the transaction that completes the stream, and delivered at least once; the
    `id` of an effect lets the receiver detect duplicates.

    Workers call `deliver` on a new instance, created from the current entry in `pipelines.yaml`,
    with at most one effect of each stream: the next one follows after its predecessor was
    delivered or refused. If `deliver` raises, or returns another number of outcomes, all effects
    of the call are retried later. It runs in a thread of its own, concurrently with pipelines and
    with the `deliver` of other handlers.
    """

    config_schema: ClassVar[Schema] = Schema({})
    example: ClassVar[str] = ""

    def __init__(self, **params: Any) -> None:
        self.params = params

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Return the events for the next handler, which may be fewer or more.

        `events` are copies; datetimes are aware UTC. The first handler receives them ordered by
        timestamp, ties in order of arrival; each further one receives the list that its
        predecessor returned, with new events cleaned as they will be stored. An event with a new
        `message_id` is stored when the run succeeds.

        `env` is shared by the handlers of the run: `stream_id`, `stream_name`,
        `distinguished_by`, `reason` (`fire` or `expire`), `attempt` (from 1), `outbox` (its
        `put(payload)` queues an effect of the calling handler), and entries that handlers add.

        An exception fails the run: nothing of it is stored, and it is retried later. Derive the
        ids of new events (uuid5), so that a retry creates the same ones.
        """
        raise NotImplementedError

    def commit(self) -> None:
        """Act: every handler of the run has succeeded. Called at least once per stream.

        An exception is logged and recorded on the stream, which is completed nevertheless: there
        is no retry. Steps that may fail belong in `handle_events`.
        """

    def rollback(self) -> None:
        """Undo the run: a handler failed, or the worker lost its lease."""


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect to deliver.

    `id` is the return value of `env["outbox"].put`, the same at every attempt: the receiver can
    use it as an idempotency key. `payload` is a copy of the queued value; datetimes are aware
    UTC. `stream_name` is the trigger's name, `handler` the entry's name in `pipelines.yaml`.
    `attempt` counts from 1. `created_at` is the database server's time, aware UTC.
    """

    id: str
    payload: Any
    stream_id: int
    stream_name: str
    pipeline: str
    handler: str
    attempt: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver accepted the effect. Winchester deletes it from the outbox."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """The delivery failed temporarily and is retried after `seconds` (default: with backoff).

    Raises `TypeError` or `ValueError` if `seconds` is not a finite number of at least 0, or
    `reason` is not text.
    """

    seconds: float | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.reason is not None:
            _check_text(self.reason)
        number = self.seconds
        if number is None:
            return
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise TypeError(f"seconds must be a number, not {type(number).__name__}")
        if not isfinite(number) or number < 0:
            raise ValueError(f"seconds must be finite and at least 0, not {number}")


@dataclass(frozen=True, slots=True)
class Refused:
    """The delivery failed permanently. The effect becomes a dead letter.

    Raises `TypeError` if `reason` is not text.
    """

    reason: str

    def __post_init__(self) -> None:
        _check_text(self.reason)


def _check_text(reason: object) -> None:
    if not isinstance(reason, str):
        raise TypeError(f"reason must be text, not {type(reason).__name__}")


DeliveryOutcome: TypeAlias = Delivered | RetryAfter | Refused
"""Outcome of the delivery of one effect."""
