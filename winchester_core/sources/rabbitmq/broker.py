"""Where a broker is, and how to connect to it."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any

from kombu import Connection
from kombu.utils.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# parameter of the source: what kombu calls it
ADDRESS_PARTS = {
    "host": "hostname",
    "port": "port",
    "user": "userid",
    "password": "password",
    "virtual_host": "virtual_host",
}


def connect(params: Mapping[str, Any]) -> Connection:
    """Return an open connection. `params` are those of `CONNECTION_PARAMETERS`.

    Of several URLs the first that answers is taken. Raises what kombu raises for the last.
    """
    *others, last = connections(params)
    for connection in others:
        try:
            return _opened(connection)
        except connection.connection_errors:
            continue
    return _opened(last)


def connections(params: Mapping[str, Any]) -> Iterator[Connection]:
    """A connection that is not open yet for each URL."""
    urls = [params["url"]] if isinstance(params["url"], str) else params["url"]
    given = {kombu: params[name] for name, kombu in ADDRESS_PARTS.items()}
    replaced = {name: value for name, value in given.items() if value is not None}
    timeout_seconds = params["timeout_seconds"]
    for url in urls:
        found = parse_url(url)
        address = {name: found[name] for name in ADDRESS_PARTS.values()} | replaced
        yield Connection(
            **address,
            transport="pyamqp",
            ssl=_tls_options(params["tls"], url) or False,
            heartbeat=params["heartbeat_seconds"],
            connect_timeout=timeout_seconds,
            transport_options={
                # bounds on every wait for a reply: nothing hangs on a broker that is stuck
                "read_timeout": timeout_seconds,
                "write_timeout": timeout_seconds,
                "client_properties": {"connection_name": f"winchester, process {os.getpid()}"},
            },
        )


def _opened(connection: Connection) -> Connection:
    try:
        return connection.ensure_connection(
            max_retries=1, interval_start=0, interval_max=0, reraise_as_library_errors=False
        )
    except BaseException:
        connection.release()
        raise


def _tls_options(tls: Mapping[str, Any] | None, url: str) -> dict[str, Any] | None:
    """The options of py-amqp's socket; a server name of None there is the host of the URL."""
    if tls is None:
        return {"server_hostname": None} if url.startswith("amqps:") else None
    files = {"ca_certs": "ca_file", "certfile": "cert_file", "keyfile": "key_file"}
    options = {option: tls[name] for option, name in files.items() if tls[name] is not None}
    if not tls["verify"]:
        return options | {"cert_reqs": ssl.CERT_NONE}
    return options | {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": tls["server_name"]}
