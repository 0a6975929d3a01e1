"""Parameters of the `notabene` handler."""

from __future__ import annotations

from voluptuous import In, Optional, Required, Schema

from winchester_core.interfaces import event_types
from winchester_core.interfaces.params import NAME, PORT, TEXT, optional, seconds, tls, url

EXCHANGE_TYPES = ("topic", "direct", "fanout", "headers")


NOTABENE_SCHEMA = Schema(
    {
        Optional("host", default="localhost", description="host of the broker"): TEXT,
        Optional("port", default=5672, description="port of the broker"): PORT,
        Optional("user", default="guest", description="user name"): TEXT,
        Optional("password", default="guest", description="password of the user"): str,
        Optional("vhost", default="/", description="the broker's virtual host"): TEXT,
        Optional(
            "url",
            default=None,
            description="URL that replaces the five parameters above; `amqps://` means TLS",
        ): optional(url("amqp", "amqps")),
        Required("exchange", description="exchange to publish to; it is declared as durable"): NAME,
        Optional("exchange_type", default="topic", description="type of the exchange"): In(
            EXCHANGE_TYPES
        ),
        Required(
            "queue_name",
            description=(
                "queue to declare as durable and bind to the exchange; its name is also the "
                "routing key"
            ),
        ): NAME,
        Optional(
            "env_keys",
            default=list,
            description=(
                "keys of `env` under which earlier handlers put lists of notifications to publish, "
                "such as the verdicts of `usage` under `usage_notifications`"
            ),
        ): [TEXT],
        Optional(
            "event_types",
            default=None,
            description=(
                "events to publish as well: a glob or a list of globs of event types, `!glob` "
                "excludes; default: no events"
            ),
        ): optional(event_types),
        Optional(
            "tls", default=None, description="true, or a mapping; certificates are always verified"
        ): tls(
            {
                Optional(
                    "server_name",
                    default=None,
                    description="name in the broker's certificate (default: the host)",
                ): optional(TEXT)
            }
        ),
        Optional(
            "timeout",
            default=30,
            description="timeout in seconds for connecting, each reply and each publisher confirm",
        ): seconds(maximum=3600, over_minimum=True),
        Optional(
            "library",
            default=None,
            description="accepted for compatibility with older files; has no effect",
        ): object,
    }
)
