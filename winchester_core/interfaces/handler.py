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
    """A handler of a pipeline; any object with these three methods will do.

    A fresh instance is made for each run from the `params` of `pipelines.yaml`, which
    `config_schema` has validated and filled with defaults. `example` shows its use for
    documentation and `winchester plugin show`: YAML of one or more entries of a pipeline, as in
    `- name: logger`.

    A handler that talks to the outside queues what it has to say, `env["outbox"].put(payload)`,
    in `handle_events` or `commit`, and has one more method, `deliver(effects)`. It is given a
    list of `Effect` and returns a list with one outcome for each, in their order: `Delivered()`,
    `RetryAfter(seconds, reason)` or `Refused(reason)`. Effects are recorded exactly once, with
    the completion of the stream, and delivered at least once; each has an `id` by which the
    receiver can tell that it comes again. Workers call `deliver` of a fresh instance, made from
    the same entry of `pipelines.yaml` as it stands then, with at most one effect of each stream:
    the next of a stream comes when the one before it was delivered or refused. An exception, or
    another number of outcomes, lets all effects of the call be tried again later. `deliver` runs
    in a thread of its own, beside the pipelines and the `deliver` of other handlers.
    """

    config_schema: ClassVar[Schema] = Schema({})
    example: ClassVar[str] = ""

    def __init__(self, **params: Any) -> None:
        self.params = params

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Return the events for the next handler: fewer, or more.

        `events` are copies, ordered by timestamp, ties in order of arrival; datetimes are aware
        UTC. An event with a new `message_id` is saved when the run succeeds. `env` is shared by
        the handlers of this run: `stream_id`, `stream_name`, `distinguished_by`, `reason`
        (`fire` or `expire`), `attempt` (from 1), `outbox` (its `put(payload)` queues an effect of
        the handler whose turn it is), and whatever handlers put there. An exception fails the
        run: nothing of it is stored, and it is tried again later. Derive the ids of new events
        (uuid5), so that a later attempt makes the same ones.

        The order by time is that of the events given to the first handler; what a handler
        returns is what the next one gets, its new events cleaned as they will be stored.
        """
        raise NotImplementedError

    def commit(self) -> None:
        """Act: every handler of the run has succeeded. Runs at least once for a stream.

        An exception here does not bring another attempt: it is logged and recorded on the stream,
        which is completed all the same. What may fail belongs into `handle_events`.
        """

    def rollback(self) -> None:
        """Undo: a handler of the run failed, or the worker lost its lease."""


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect that is to be delivered.

    `id` is what `env["outbox"].put` returned, the same at every attempt: let the receiver refuse
    it a second time. `payload` is what was put, as a copy; datetimes are aware UTC. `stream_name`
    is the trigger's name, `handler` the entry's name in `pipelines.yaml`. `attempt` counts from 1.
    `created_at` is the database server's time, aware UTC.
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
    """The outside has it: the effect is forgotten."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Not now. `seconds` (default: the worker's own backoff) is the wait before the next try.

    Raises `TypeError` or `ValueError` when `seconds` is no finite number of at least 0, or
    `reason` is no text.
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
    """Never: another try would be refused too. The effect becomes a dead letter.

    Raises `TypeError` when `reason` is no text.
    """

    reason: str

    def __post_init__(self) -> None:
        _check_text(self.reason)


def _check_text(reason: object) -> None:
    if not isinstance(reason, str):
        raise TypeError(f"reason must be text, not {type(reason).__name__}")


DeliveryOutcome: TypeAlias = Delivered | RetryAfter | Refused
"""Outcome of the delivery of one effect."""
