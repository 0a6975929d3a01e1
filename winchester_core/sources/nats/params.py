"""Parameters of the `nats` source."""

from __future__ import annotations

from voluptuous import In, Optional, Required

from winchester_core.interfaces.nats_params import OBJECT_NAME, SUBJECT_FILTER, connection_schema
from winchester_core.interfaces.params import optional, seconds, whole_number
from winchester_core.sources.params import MESSAGE_PARAMETERS

STARTS = ("first", "new")
MAX_SECONDS = 3600

NATS_SCHEMA = connection_schema(
    {
        Required("stream", description="JetStream stream; it must exist"): OBJECT_NAME,
        Required(
            "consumer",
            description=(
                "durable pull consumer of the stream; ingesters with the same consumer share its "
                "messages. An existing consumer is used unchanged"
            ),
        ): OBJECT_NAME,
        Optional(
            "subject",
            default=None,
            description="subjects of a new consumer, with wildcards (default: all of the stream)",
        ): optional(SUBJECT_FILTER),
        Optional(
            "start",
            default="first",
            description=(
                "where a new consumer starts: at the `first` message of the stream, or with `new` "
                "messages"
            ),
        ): In(STARTS),
        Optional(
            "ack_wait_seconds",
            default=30,
            description=(
                "for a new consumer: time until the server redelivers the messages of a process "
                "that has died. While a process waits for its database, it extends this time"
            ),
        ): seconds(1, MAX_SECONDS),
        Optional(
            "max_ack_pending",
            default=10_000,
            description="for a new consumer: maximum number of unacknowledged messages",
        ): whole_number(1),
        Optional(
            "declare",
            default=True,
            description="whether to create a missing consumer; if false, that is a failure that is "
            "retried",
        ): bool,
        Optional(
            "prefetch",
            default=1000,
            description=(
                "maximum number of unacknowledged messages of this process; also limits the batch "
                "size. The next batch is received while the database stores this one if "
                "`prefetch` is at least twice `batch_size`"
            ),
        ): whole_number(1, 100_000),
        Optional(
            "timeout_seconds", default=10, description="timeout for connecting, and for each reply"
        ): seconds(1, MAX_SECONDS),
        **MESSAGE_PARAMETERS,
    }
)
