"""Publisher with confirms: one connection to the broker."""

from __future__ import annotations

import os
import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from amqp.exceptions import AMQPError, MessageNacked
from kombu import Connection, Exchange, Queue
from kombu.exceptions import KombuError
from kombu.utils.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

PERSISTENT = 2
KOMBU_ADDRESS_NAMES = {
    "host": "hostname",
    "port": "port",
    "user": "userid",
    "password": "password",
    "vhost": "virtual_host",
}
"""Parameters of the handler with their names in kombu."""

BROKER_ERRORS = (OSError, AMQPError, KombuError, MessageNacked)
"""Errors if the broker is unavailable, refuses a message, or does not confirm it in time."""


class Unroutable(AMQPError):  # type: ignore[misc]  # noqa: N818 - as amqp names its own
    """The broker has no queue for a message."""


class Publisher:
    """A connection on which the exchange and the queue are declared and bound. A context manager.

    Entering it and `publish` raise `BROKER_ERRORS`. After an error, the connection cannot be used.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._timeout_seconds = params["timeout"]
        self._stack = ExitStack()
        self._returned: list[str] = []

    def __enter__(self) -> Publisher:
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def publish(self, body: bytes, message_id: str) -> None:
        """Publish a message and wait until a queue has it (on disk if the queue is durable)."""
        self._returned.clear()
        self._producer.publish(
            body,
            routing_key=self._params["queue_name"],
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=PERSISTENT,
            message_id=message_id,
            mandatory=True,
            timeout=self._timeout_seconds,
        )
        if self._returned:
            raise Unroutable(self._returned[0])

    def _open(self) -> None:
        connection = Connection(**_address(self._params), **self._options())
        self._stack.callback(connection.release)
        connection.connect()
        channel = connection.channel()
        exchange = Exchange(
            self._params["exchange"], type=self._params["exchange_type"], durable=True
        )
        name = self._params["queue_name"]
        Queue(name, exchange=exchange, routing_key=name, durable=True)(channel).declare()
        self._producer = connection.Producer(
            channel, exchange=exchange, auto_declare=False, on_return=self._record_return
        )

    def _options(self) -> dict[str, Any]:
        return {
            "transport": "pyamqp",
            "ssl": _tls_options(self._params) or False,
            "connect_timeout": self._timeout_seconds,
            "transport_options": {
                "confirm_publish": True,
                "read_timeout": self._timeout_seconds,
                "write_timeout": self._timeout_seconds,
                "client_properties": {"connection_name": f"winchester, process {os.getpid()}"},
            },
        }

    def _record_return(self, error: Exception, *_: object) -> None:
        """Record a message that the broker returns, because the broker confirms it anyway."""
        self._returned.append(f"no queue takes it: {error_text(error)}")


def error_text(error: Exception) -> str:
    """Return type and text of an error. Texts of the broker contain no password."""
    cause = " ".join(str(error).split()) or "no reason given"
    return f"{type(error).__name__}: {cause}"


def _address(params: Mapping[str, Any]) -> dict[str, Any]:
    if params["url"] is None:
        return {kombu: params[name] for name, kombu in KOMBU_ADDRESS_NAMES.items()}
    found = parse_url(params["url"])
    return {name: found[name] for name in KOMBU_ADDRESS_NAMES.values()}


def _tls_options(params: Mapping[str, Any]) -> dict[str, Any] | None:
    tls = params["tls"]
    if tls is None and not (params["url"] or "").startswith("amqps:"):
        return None
    tls = tls or {}
    files = {"ca_certs": "ca_file", "certfile": "cert_file", "keyfile": "key_file"}
    given = {option: tls[name] for option, name in files.items() if tls.get(name)}
    server_name = tls.get("server_name") or _address(params)["hostname"]
    return {**given, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": server_name}
