"""Base class of event sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.model.message import EventOutcome, Message


class EventSource:
    """A source of events or notifications. All methods are called from one thread.

    The order of calls is `open`, then `receive` repeatedly, and `close` at the end, even if `open`
    or `receive` failed. For each received message, exactly one of `ack`, `release` and `reject` is
    called. Messages that are neither acknowledged nor rejected before `close` must be redelivered.
    A finite source (a file) sets `exhausted` when `receive` has nothing more to return; if messages
    are released, it resets `exhausted`. `params` is the result of `config_schema`, with defaults.
    `example` is an entry of `event_sources` in YAML, as in `incoming: {source: jsonl, params:
    {path: spool}}`; the documentation and `winchester plugin show` print it.

    If `receive` fails, it first returns all messages received before, and raises in a later call.

    If `replies_to_sender` is true, senders wait for a response. An invalid message is then reported
    to its sender instead of being stored as a rejected message, unless the message has
    `keep_invalid`. While the database is unavailable, messages are released after a few attempts.

    If `allows_prefetch` is true, ingest receives and prepares the next batch while the database
    server stores a full batch. So `receive` is called again before the messages of the last call
    are settled, and then with a timeout of 0: it returns the messages that wait at the origin. At
    most two batches are unsettled; they are settled in the order in which they were received. If it
    is false, each message is settled before the next call of `receive`, or released. Do not set it
    for an origin that delivers no message before the last one is acknowledged, because `receive`
    would return [] in vain.

    If `requires_system_clock` is true, the source produces messages by the host's clock. A
    configuration with another `clock` than `system` is then an error, because these messages would
    set the time of events from the past.

    `unique_params` names parameters whose values must not be repeated in `event_sources`, because
    ids of messages are derived from them. A repeated value is an error of the configuration.
    """

    config_schema: ClassVar[Schema] = Schema({})
    example: ClassVar[str] = ""
    replies_to_sender: ClassVar[bool] = False
    """True if the sender of a message waits for a response, which `reply` sends."""
    allows_prefetch: ClassVar[bool] = False
    """True if `receive` may be called while earlier messages are being stored."""
    unique_params: ClassVar[tuple[str, ...]] = ()
    requires_system_clock: ClassVar[bool] = False
    """True if the source follows the host's clock. Other settings of `clock` are then an error."""
    exhausted: bool = False

    def __init__(self, **params: Any) -> None:
        self.params = params

    def open(self) -> None:
        """Connect. Called before anything else, and again after `close` following a failure."""

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return up to `max_messages`, waiting at most `timeout_seconds` for the first of them.

        Return [] if none arrives.
        """
        raise NotImplementedError

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages. Their events are committed, so they need not be redelivered."""

    def release(self, messages: Sequence[Message]) -> None:
        """Return messages for redelivery: on shutdown, or while the database is unavailable."""

    def reject(self, message: Message, reason: str) -> None:
        """Acknowledge an invalid message. It has been stored as a rejected message."""

    def reply(self, message: Message, outcome: EventOutcome) -> None:
        """Report the outcome to the sender, before `ack` or `reject`; for `replies_to_sender`."""

    def close(self) -> None:
        """Disconnect. Idempotent; `open` may be called again afterwards."""

    def lag(self) -> int | None:
        """Return the number of messages that wait at the origin, or None if it is unknown."""
        return None

    def refused(self) -> Mapping[str, int]:
        """Return how many requests were refused since the source was created, by reason.

        For sources that authenticate their senders. The class determines the reasons, which are the
        values of a metric's label; a reason that has not occurred yet has the value 0.
        """
        return {}
