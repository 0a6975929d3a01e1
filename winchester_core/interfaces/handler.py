"""Base class of pipeline handlers, and the arguments and results of `deliver`."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from voluptuous import Schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from winchester_core.model.event import Event


class PipelineHandler:
    """A handler of a pipeline. Subclassing is optional: an object with these methods is enough.

    Each run creates a new instance with the `params` in `pipelines.yaml`, after `config_schema` has
    validated them and added defaults. `example` contains one or more entries of a pipeline in YAML,
    as in `- name: logger`; the documentation and `winchester plugin show` print it.

    If a handler has side effects on other systems, it queues them as effects with
    `env["outbox"].put(payload)`, in `handle_events` or `commit`, and implements one more method,
    `deliver(effects)`. `deliver` takes a list of `Effect` and returns a list of outcomes in the
    same order: `Delivered()`, `RetryAfter(seconds, reason)` or `Refused(reason)`. Effects are
    stored exactly once, in the transaction that completes the stream, and delivered at least once.
    The receiver can detect duplicates by the `id` of an effect.

    Workers call `deliver` on a new instance, created from the current entry in `pipelines.yaml`. A
    call gets at most one effect of each stream; the next effect of the stream follows when this one
    has been delivered or refused. If `deliver` raises, or does not return one outcome per effect,
    all effects of the call are retried later. `deliver` runs in a separate thread, concurrently
    with pipelines and with the `deliver` of other handlers.

    Effects of one stream and handler are delivered in order: a pending one blocks the next. If a
    handler sends to several systems, `effect_receivers` returns a name for each, and
    `env["outbox"].put(payload, receiver=name)` selects one. Each receiver then has its own order
    and its own delivery thread, and a call of `deliver` gets effects of one receiver only. In lists
    of effects and in `Effect.handler`, its name follows that of the handler: `notify:mail`.

    `unique_params` names parameters whose values must not be repeated in a pipeline, because two
    entries with the same value would do the same: for example the type of a new event, if its id is
    derived from the stream and this type. A repeated value is an error of the configuration.

    A worker may commit runs in batches: `handle_events` of several streams, then `commit` of each.
    If `commit_alone` is true, `commit` follows right after `handle_events` of the same stream, and
    the stream is completed before the next is handled. A worker may also run pipelines in several
    threads (`worker_concurrency`). An instance is used by one thread; but everything that instances
    share, as attributes of the class or the module, must then be thread-safe.
    """

    config_schema: ClassVar[Schema] = Schema({})
    example: ClassVar[str] = ""
    commit_alone: ClassVar[bool] = False
    unique_params: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **params: Any) -> None:
        self.params = params

    @classmethod
    def emitted_event_types(cls, params: Mapping[str, Any]) -> Iterable[str]:
        """Return the types of the new events that an entry with these `params` may add.

        `params` are validated. The types are complete names, not globs. The check of a
        configuration calls this method to warn of triggers that may pass events to each other in a
        circle. The default is none, which is also correct if the types are not known beforehand.
        """
        return ()

    @classmethod
    def effect_receivers(cls, params: Mapping[str, Any]) -> Iterable[str]:
        """Return the names of the systems to which an entry with these `params` delivers.

        `params` are validated. A name has at most 64 letters, digits and `. _ -`. The default is
        none: all effects of the entry are delivered in the order of their stream.
        """
        return ()

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Return the events for the next handler, which may be fewer or more.

        `events` are copies; datetimes are aware UTC. The first handler receives them ordered by
        timestamp, and by arrival if timestamps are equal. Each other handler receives the list that
        the previous one returned; new events in it are cleaned, in the form in which they will be
        stored. An event with a new `message_id` is stored when the run succeeds.

        The handlers of a run share `env`. It contains `stream_id`, `stream_name`,
        `distinguished_by`, `reason` (`fire`, `expire` or `cancel`), `attempt` (from 1),
        `stream_time` (the stream time at which the stream was due to fire or expire, or was
        cancelled; the same at every attempt), `stream_url` (the stream's page in the console, or
        None without the setting `console.public_url`), `outbox` (`put(payload, receiver=None)`
        queues an effect of the calling handler), and entries that handlers add.

        If the method raises an exception, the run fails: it stores nothing and is retried later.
        Derive the ids of new events (uuid5), so that a retry creates the same ids.
        """
        raise NotImplementedError

    def commit(self) -> None:
        """Perform final actions after all handlers have succeeded. Called at least once per stream.

        An exception is logged and recorded in the stream, but there is no retry: the stream is
        completed anyway. Steps that may fail belong in `handle_events`.
        """

    def rollback(self) -> None:
        """Undo the run, because a handler failed or the worker lost its lease."""


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect to deliver.

    `id` is the return value of `env["outbox"].put`. It is the same at every attempt, so the
    receiver can use it as an idempotency key. `payload` is a copy of the queued value; datetimes
    are aware UTC. `stream_name` is the name of the trigger, and `handler` the name of the entry in
    `pipelines.yaml`, followed by a colon and the receiver if the handler declares receivers.
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
    """The delivery failed temporarily. It is retried after `seconds` (default: with backoff).

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
