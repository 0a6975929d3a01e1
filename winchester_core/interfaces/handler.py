"""What an author of a pipeline handler subclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Schema

if TYPE_CHECKING:
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
