"""Parameters of clients of Kafka, and the settings of librdkafka that follow from them.

The event source and the handler share them. The names of the settings are those of librdkafka:
https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from voluptuous import All, In, Invalid, Length, Optional, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces.json_schema import json_schema
from winchester_core.interfaces.params import TEXT, optional, readable_file, tls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CLIENT_PARAMETERS",
    "LibraryLog",
    "client_options",
    "client_settings",
    "error_text",
    "topic_name",
]

logger = logging.getLogger(__name__)

SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

TOPIC_NAME = r"[A-Za-z0-9._-]{1,249}"
_SERVER = r"(\[[0-9A-Fa-f:.]+\]|[^\s,:/@\[\]]+)(:[0-9]{1,5})?"


@json_schema(type="string", pattern=f"^{TOPIC_NAME}$", title="name of a topic")
def topic_name(value: Any) -> str:
    """Accept the name of a topic."""
    if isinstance(value, str) and re.fullmatch(TOPIC_NAME, value) and value not in (".", ".."):
        return value
    raise Invalid("expected the name of a topic: up to 249 of the characters A-Z a-z 0-9 . _ -")


@json_schema(type="string", pattern=f"^{_SERVER}$", title="host:port")
def _server(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(_SERVER, value):
        return value
    raise Invalid("expected a broker as host:port, such as kafka1.example.org:9092")


_SERVERS = Schema(All([_server], Length(min=1)))


@json_schema(AnyOf(_server, _SERVERS))
def _servers(value: Any) -> list[str]:
    servers: list[str] = _SERVERS([value] if isinstance(value, str) else value)
    return servers


CLIENT_PARAMETERS: dict[Any, Any] = {
    Required(
        "bootstrap_servers",
        description="brokers to connect to first, as `host:port`, or a list; the default port is "
        "9092",
    ): _servers,
    Optional(
        "tls",
        default=None,
        description="true, or a mapping; certificates and host names are always verified",
    ): tls(
        {
            Optional("key_password", default=None, description="password of `key_file`"): optional(
                TEXT
            )
        },
        file=readable_file,
    ),
    Optional("sasl", default=None, description="authentication (default: none)"): optional(
        {
            Required("mechanism", description="mechanism of the broker's listener"): In(
                SASL_MECHANISMS
            ),
            Required("user", description="user name"): TEXT,
            Required("password", description="password of the user"): str,
        }
    ),
}

CLIENT_SETTINGS = frozenset(
    (
        "bootstrap.servers",
        "error_cb",
        "logger",
        "metadata.broker.list",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.password",
        "sasl.username",
        "security.protocol",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
    )
)
"""Settings that follow from `CLIENT_PARAMETERS`, and those of the Python client for errors."""


def client_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of librdkafka for validated parameters, `options` included."""
    sasl, files = params["sasl"], params["tls"]
    security = ("SASL_" if sasl else "") + ("PLAINTEXT" if files is None else "SSL")
    settings = {
        "client.id": "winchester",
        **params["options"],
        "bootstrap.servers": ",".join(params["bootstrap_servers"]),
        "security.protocol": security,
    }
    if sasl is not None:
        settings["sasl.mechanism"] = sasl["mechanism"]
        settings["sasl.username"] = sasl["user"]
        settings["sasl.password"] = sasl["password"]
    if files is not None:
        names = {
            "ssl.ca.location": "ca_file",
            "ssl.certificate.location": "cert_file",
            "ssl.key.location": "key_file",
            "ssl.key.password": "key_password",
        }
        settings |= {name: files[key] for name, key in names.items() if files[key] is not None}
    return settings


_OPTION_VALUE = AnyOf(str, bool, int, float)


def client_options(create_client: Callable[[dict[str, Any]], object], own: frozenset[str]) -> Any:
    """Return a validator for further settings of librdkafka, by name.

    `create_client` creates a client with the given settings, without a server; so librdkafka checks
    names and values. Settings in `own` are refused. No error contains a value, which may be secret.
    """
    schema = Schema({str: _OPTION_VALUE})

    @json_schema(
        type="object",
        additionalProperties={"type": ["string", "number", "boolean"]},
        title="mapping of names to values",
    )
    def check_options(value: Any) -> dict[str, Any]:
        options: dict[str, Any] = schema(value)
        for name in options:
            if name in own or name in CLIENT_SETTINGS:
                raise Invalid("the plugin itself determines this setting", [name])
        if options and (reason := _refusal(create_client, options)) is not None:
            for name, each in options.items():
                if (reason_alone := _refusal(create_client, {name: each})) is not None:
                    raise Invalid(reason_alone, [name])
            raise Invalid(f"{reason} together with the others")
        return options

    return check_options


def _refusal(
    create_client: Callable[[dict[str, Any]], object], options: dict[str, Any]
) -> str | None:
    try:
        create_client(options)
    except Exception as error:  # noqa: BLE001 - of the library, whose text may contain the value
        if "No such configuration property" in str(error):
            return "librdkafka has no setting of this name"
        return "librdkafka does not accept this value"
    return None


class LibraryLog:
    """Receiver of librdkafka's log, which records everything at level DEBUG.

    librdkafka repeats a failure many times a second. Clients report it once, as their own error.
    """

    def log(self, _level: int, message: str, *values: object) -> None:
        """Record a message; the interface of `logging.Logger`."""
        logger.debug(message, *values)


def error_text(error: Exception) -> str:
    """Return the text of an error in one line. That of a `KafkaException` is in its argument."""
    cause = error.args[0] if error.args else error
    text = cause.str() if hasattr(cause, "str") else str(error)
    return " ".join(text.split()) or type(error).__name__
