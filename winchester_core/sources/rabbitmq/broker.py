"""Connection to a broker, and declaration of exchanges, queues and bindings."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any

from amqp.exceptions import NotFound, PreconditionFailed
from amqp.method_framing import frame_handler
from kombu import Connection
from kombu.utils.url import parse_url

from winchester_core.sources.rabbitmq.params import STREAMS_UNSUPPORTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# kombu's argument for each parameter of the source
KOMBU_ADDRESS_NAMES = {
    "host": "hostname",
    "port": "port",
    "user": "userid",
    "password": "password",
    "virtual_host": "virtual_host",
}


def connect(params: Mapping[str, Any]) -> Connection:
    """Return an open connection to the first of the URLs that responds.

    `params` as in `CONNECTION_PARAMETERS`. Raises kombu's error for the last URL.
    """
    *others, last = make_connections(params)
    for connection in others:
        try:
            return _open_connection(connection)
        except connection.connection_errors:
            continue
    return _open_connection(last)


def make_connections(params: Mapping[str, Any]) -> Iterator[Connection]:
    """Yield an unopened connection for each URL."""
    urls = [params["url"]] if isinstance(params["url"], str) else params["url"]
    address_params = {kombu: params[name] for name, kombu in KOMBU_ADDRESS_NAMES.items()}
    overrides = {name: value for name, value in address_params.items() if value is not None}
    timeout_seconds = params["timeout_seconds"]
    for url in urls:
        url_parts = parse_url(url)
        address = {name: url_parts[name] for name in KOMBU_ADDRESS_NAMES.values()} | overrides
        yield Connection(
            **address,
            transport="pyamqp",
            ssl=_tls_options(params["tls"], url) or False,
            heartbeat=params["heartbeat_seconds"],
            connect_timeout=timeout_seconds,
            transport_options={
                # limit every wait for a reply, so that a stuck broker does not block the source
                "read_timeout": timeout_seconds,
                "write_timeout": timeout_seconds,
                "frame_handler": tolerant_frame_handler,
                "client_properties": {"connection_name": f"winchester, process {os.getpid()}"},
            },
        )


HEADER_FRAME = 2
HEADER_BYTES = 12
"""Start of a header frame, before the properties: class, weight and size of the body."""

NO_PROPERTIES = b"\0\0"


def tolerant_frame_handler(connection: Any, callback: Callable[..., None]) -> Callable[..., bool]:
    """Return py-amqp's handler of frames, changed to accept properties that cannot be decoded.

    For example, a timestamp after the year 9999 cannot be decoded. The message then has no
    properties, and its attribute `fault` is the reason. In py-amqp the error would end the
    connection at each delivery.
    """
    faults: dict[int, str] = {}

    def deliver(channel: int, method: Any, arguments: Any, content: Any) -> None:
        if content is not None and channel in faults:
            content.fault = faults.pop(channel)
        callback(channel, method, arguments, content)

    handle = frame_handler(connection, deliver)

    def handle_tolerantly(frame: tuple[int, int, Any]) -> bool:
        kind, channel, content = frame
        try:
            return bool(handle(frame))
        except Exception as error:
            if kind != HEADER_FRAME or channel in faults:
                raise
            faults[channel] = f"its properties cannot be read: {type(error).__name__}"
            bare = bytes(content[:HEADER_BYTES]) + NO_PROPERTIES
            return bool(handle((kind, channel, bare)))

    return handle_tolerantly


def _open_connection(connection: Connection) -> Connection:
    try:
        return connection.ensure_connection(
            max_retries=1, interval_start=0, interval_max=0, reraise_as_library_errors=False
        )
    except BaseException:
        connection.release()
        raise


def _tls_options(tls: Mapping[str, Any] | None, url: str) -> dict[str, Any] | None:
    """Return TLS options of py-amqp; `server_hostname` None means the host of the URL."""
    if tls is None:
        return {"server_hostname": None} if url.startswith("amqps:") else None
    files = {"ca_certs": "ca_file", "certfile": "cert_file", "keyfile": "key_file"}
    options = {option: tls[name] for option, name in files.items() if tls[name] is not None}
    if not tls["verify"]:
        return options | {"cert_reqs": ssl.CERT_NONE}
    return options | {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": tls["server_name"]}


# Exchanges and queues are declared only if they are missing, because RabbitMQ closes the channel if
# a declaration differs from the existing object. Existing objects are used unchanged.


def declare_missing(connection: Connection, queue: Mapping[str, Any]) -> None:
    """Declare a queue and its exchange unless they exist, and bind the queue."""
    exchange = queue["exchange"]
    if exchange and not _exists(connection, lambda on: check_exchange(on, queue)):
        with connection.channel() as channel:
            channel.exchange_declare(
                exchange,
                queue["exchange_type"],
                durable=queue["durable"],
                auto_delete=queue["auto_delete"],
            )
    if not _exists(connection, lambda on: count_ready(on, queue)):
        with connection.channel() as channel:
            channel.queue_declare(
                queue["name"],
                durable=queue["durable"],
                auto_delete=queue["auto_delete"],
                arguments=_arguments(queue),
            )
    if exchange:
        _bind(connection, queue)


def check_queue(connection: Connection, queue: Mapping[str, Any]) -> None:
    """Check that a queue and its exchange exist. Raises `NotFound`."""
    with connection.channel() as channel:
        if queue["exchange"]:
            check_exchange(channel, queue)
        count_ready(channel, queue)


def refuse_stream(connection: Connection, queue: str) -> None:
    """Raise `ValueError` if an existing queue is a stream.

    No reply of the broker contains the type of a queue. But it refuses this consumer in any case:
    streams require a prefetch limit, and other queues refuse the argument.
    """
    try:
        with connection.channel() as channel:
            channel.basic_consume(queue, arguments={"x-stream-offset": "next"})
    except PreconditionFailed as error:
        if "prefetch" in str(error):
            raise ValueError(f"queue '{queue}': {STREAMS_UNSUPPORTED}") from error


def check_exchange(channel: Any, queue: Mapping[str, Any]) -> None:
    """Check that the exchange exists. Raises `NotFound`; the channel is then closed."""
    channel.exchange_declare(queue["exchange"], queue["exchange_type"], passive=True)


def count_ready(channel: Any, queue: Mapping[str, Any]) -> int:
    """Return the number of ready messages in the queue. Raises as `check_exchange`."""
    count: int = channel.queue_declare(queue["name"], passive=True).message_count
    return count


def _exists(connection: Connection, check: Callable[[Any], object]) -> bool:
    try:
        with connection.channel() as channel:
            check(channel)
    except NotFound:
        return False
    return True


def _bind(connection: Connection, queue: Mapping[str, Any]) -> None:
    """Bind with every routing key; existing bindings stay."""
    with connection.channel() as channel:
        for key in queue["routing_keys"] or [queue["name"]]:
            channel.queue_bind(queue["name"], queue["exchange"], key)


def _arguments(queue: Mapping[str, Any]) -> dict[str, Any]:
    queue_type = queue["queue_type"]
    return {**({"x-queue-type": queue_type} if queue_type else {}), **queue["arguments"]}
