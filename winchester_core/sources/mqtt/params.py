"""Parameters of the `mqtt` source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from voluptuous import All, In, Invalid, Length, Optional, Required

from winchester_core.interfaces import json_schema
from winchester_core.interfaces.params import (
    NAME,
    TEXT,
    CheckedSchema,
    optional,
    seconds,
    tls,
    url,
    whole_number,
)
from winchester_core.sources.params import MESSAGE_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL_URL: Final = "mqtt://localhost:1883"
DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
TLS_SCHEMES: Final = ("mqtts", "wss")
SHARED_PREFIX: Final = "$share/"
MQTT_5: Final = 5
MQTT_3: Final = "3.1.1"
MAX_FILTER_BYTES: Final = 65535
WEEK_SECONDS: Final = 7 * 24 * 3600
NEVER_EXPIRES: Final = 0xFFFF_FFFF
"""Session expiry interval of a session without an end (MQTT 5, section 3.1.2.11.2)."""
MAX_SECONDS: Final = 3600


@json_schema(
    type="string",
    minLength=1,
    title="topic filter",
    examples=["plant/+/alarm", "$share/winchester/plant/#"],
)
def topic_filter(value: Any) -> str:
    """Validate a topic filter, which may be shared: `$share/GROUP/FILTER`."""
    if not isinstance(value, str):
        raise Invalid("expected a topic filter, such as 'plant/+/alarm'")
    levels = value
    if value.startswith(SHARED_PREFIX):
        group, slash, levels = value.removeprefix(SHARED_PREFIX).partition("/")
        if not (group and slash) or "+" in group or "#" in group:
            raise Invalid("a shared subscription has the form $share/GROUP/FILTER")
    if not levels or "\0" in value or len(_encoded(value)) > MAX_FILTER_BYTES:
        raise Invalid(f"a topic filter has 1 to {MAX_FILTER_BYTES} bytes in UTF-8, without NUL")
    *first_levels, last_level = levels.split("/")
    if ("#" in last_level and last_level != "#") or any("#" in level for level in first_levels):
        raise Invalid("'#' must be the whole last level of a topic filter, as in 'plant/#'")
    if any("+" in level and level != "+" for level in (*first_levels, last_level)):
        raise Invalid("'+' must be a whole level of a topic filter, as in 'plant/+/alarm'")
    return value


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _check(params: Mapping[str, Any]) -> None:
    address = urlsplit(params["url"])
    if params["tls"] is not None and address.scheme not in TLS_SCHEMES:
        raise Invalid("tls needs a url that begins with mqtts:// or wss://", ["tls"])
    if params["password"] is not None and not (params["user"] or address.username):
        raise Invalid("password needs a user", ["password"])
    for index, name in enumerate(params["unsubscribe"]):
        if name in params["subscriptions"]:
            raise Invalid("this is also in subscriptions", ["unsubscribe", index])
    if params["protocol"] != MQTT_5:
        if params["session_expiry_seconds"] is not None:
            reason = f"needs protocol: {MQTT_5}; with {MQTT_3} the broker decides"
            raise Invalid(reason, ["session_expiry_seconds"])
        for index, name in enumerate(params["subscriptions"]):
            if name.startswith(SHARED_PREFIX):
                reason = f"a shared subscription needs protocol: {MQTT_5}"
                raise Invalid(reason, ["subscriptions", index])


def session_expiry_seconds(params: Mapping[str, Any]) -> int:
    """Return how long the broker should keep the session without a connection."""
    duration: int = params["session_expiry_seconds"] or WEEK_SECONDS
    return duration


MQTT_SCHEMA = CheckedSchema(
    {
        Optional(
            "url",
            default=LOCAL_URL,
            description="URL of the broker: `mqtt://`, `mqtts://` for TLS, or `ws://` and `wss://` "
            "with a path for WebSockets",
        ): url(*DEFAULT_PORTS),
        Required(
            "client_id",
            description="name of the session at the broker. It must stay the same, and be "
            "different for each ingest process",
        ): NAME,
        Required(
            "subscriptions",
            description="topic filters; `+` stands for one level, `#` at the end for any "
            "further levels. Processes that subscribe to `$share/GROUP/FILTER` share the "
            "messages",
        ): All([topic_filter], Length(min=1)),
        Optional(
            "unsubscribe",
            default=list,
            description="topic filters of earlier configurations to remove from the session",
        ): [topic_filter],
        Optional("user", default=None, description="user name"): optional(TEXT),
        Optional("password", default=None, description="password of `user`"): optional(str),
        Optional(
            "tls",
            default=None,
            description="a mapping, if `url` begins with `mqtts://` or `wss://`",
        ): tls(
            {
                Optional(
                    "verify", default=True, description="whether the certificate is verified"
                ): bool
            },
            file=TEXT,
        ),
        Optional("protocol", default=MQTT_5, description="version of MQTT"): In((MQTT_5, MQTT_3)),
        Optional(
            "session_expiry_seconds",
            default=None,
            description="how long the broker keeps messages while ingest does not run (default: "
            f"a week); {NEVER_EXPIRES}: forever. MQTT 5 only",
        ): optional(whole_number(1, NEVER_EXPIRES)),
        Optional(
            "prefetch",
            default=2000,
            description="maximum number of unacknowledged messages (receive maximum), at least "
            "twice `batch_size`. Most brokers have a lower limit of their own",
        ): whole_number(1, 65535),
        Optional(
            "ignore_retained",
            default=False,
            description="whether retained messages, which were published before the subscription, "
            "are acknowledged without being stored",
        ): bool,
        Optional(
            "keepalive_seconds",
            default=60,
            description="longest time without a packet; broker and source consider each other "
            "dead after about twice this time",
        ): whole_number(1, MAX_SECONDS),
        Optional(
            "timeout_seconds", default=10, description="timeout for connecting and subscribing"
        ): seconds(1, MAX_SECONDS),
        **MESSAGE_PARAMETERS,
    },
    _check,
)
