"""Connection to NATS servers, shared by the source and the handler `nats`; needs the extra `nats`.

nats-py's event loop runs in a thread of each connection, and each call has a timeout. A broken
connection is not restored; a new one is opened instead.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import threading
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.errors import Error, SecureConnRequiredError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Self

__all__ = [
    "NATS_ERRORS",
    "UNREADABLE_HEADERS",
    "NatsConnection",
    "server_name",
]

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

NATS_ERRORS = (OSError, Error, asyncio.TimeoutError, ValueError)
"""Errors if no server can be used, or a server does not respond in time."""

PING_SECONDS = 20
MAX_PINGS = 2
"""A server that answers none of this number of pings is unavailable."""

CLOSE_SECONDS = 2.0
"""Time in which a socket closes; after a failed TLS handshake it never reports that."""

WATCH_SECONDS = 1.0

UNREADABLE_HEADERS = "\0unreadable headers"
"""Key of the headers of a message whose real headers cannot be read."""

CONNECTION_CLOSED = "the connection is closed"


class NatsConnection:
    """A connection to the first server that responds. A context manager.

    `failure` is the reason when the connection has ended; `on_failure` is called once with it, in
    the thread of the event loop. Methods raise `NATS_ERRORS`. `timeout_seconds` is the limit for
    connecting to each server, and for every call. Calls are for one thread.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        timeout_seconds: float,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        """Connect; `params` as in `CONNECTION_PARAMETERS`."""
        self.failure: Exception | None = None
        self._timeout_seconds = timeout_seconds
        self._on_failure = on_failure
        self._running: Future[Any] | None = None
        """The call that waits; there is one at a time."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="nats", daemon=True)
        self._thread.start()
        try:
            self._client = self._connect_to_first(params)
        except BaseException:
            self._stop_loop()
            raise
        self.jetstream = self._client.jetstream(timeout=timeout_seconds, domain=params["domain"])
        self.start(self._watch())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def client(self) -> Client:
        """The client; to be used in the event loop only."""
        return self._client

    def call(self, coroutine: Coroutine[Any, Any, Result], requests: int = 1) -> Result:
        """Run a coroutine of a number of requests in the event loop, and return its result."""
        return self._call(coroutine, requests * self._timeout_seconds)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the event loop until the connection ends; its error ends it, too."""

        async def run() -> None:
            try:
                await coroutine
            except Exception as error:  # noqa: BLE001 - nats-py raises many kinds of errors
                self.fail(error)

        future = asyncio.run_coroutine_threadsafe(run(), self._loop)
        del future  # cancelled when the loop stops

    def fail(self, error: Exception) -> None:
        """Record that the connection cannot be used any more, and end the call that waits."""
        if self.failure is None:
            self.failure = error
            if self._on_failure is not None:
                self._on_failure(error)
            if (running := self._running) is not None:
                running.cancel()

    def close(self) -> None:
        """Send what is pending, and disconnect. Idempotent; raises nothing."""
        self._on_failure = None
        if self._loop.is_closed():
            return
        if self.failure is None and not self._client.is_closed:
            self._attempt(self._client.flush(self._timeout_seconds), self._timeout_seconds)
        self.failure = self.failure or Error(CONNECTION_CLOSED)
        self._attempt(self._client.close(), CLOSE_SECONDS)
        self._stop_loop()

    def _attempt(self, coroutine: Coroutine[Any, Any, None], seconds: float) -> None:
        try:
            self._call(coroutine, seconds)
        except Exception as error:
            logger.debug("NATS connection closed uncleanly", exc_info=error)

    def _call(self, coroutine: Coroutine[Any, Any, Result], seconds: float) -> Result:
        if self._loop.is_closed():
            coroutine.close()
            raise Error(CONNECTION_CLOSED)
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        self._running = future
        try:
            return future.result(seconds)
        except CancelledError as error:  # of `fail`, or of nats-py if the connection breaks
            raise (self.failure or Error(CONNECTION_CLOSED)) from error
        except TimeoutError as error:
            future.cancel()
            raise TimeoutError(str(error) or f"no response within {seconds:g} s") from error
        except NATS_ERRORS:
            raise
        except Exception as error:  # of an invalid key file, or of a defect in nats-py
            raise Error(f"{type(error).__name__}: {error}") from error
        finally:
            self._running = None

    def _connect_to_first(self, params: Mapping[str, Any]) -> Client:
        urls = [params["url"]] if isinstance(params["url"], str) else params["url"]
        for number, url in enumerate(urls, 1):
            try:
                return self._call(self._connect(url, params), 2 * self._timeout_seconds)
            except NATS_ERRORS:
                if number == len(urls):
                    raise
        raise ValueError("no URL")

    async def _connect(self, url: str, params: Mapping[str, Any]) -> Client:
        """Connect to one server. nats-py itself would not try others after a refused login."""
        client = ReadingClient(requires_tls=params["tls"] is not None or url.startswith("tls:"))
        errors: list[Exception] = []
        is_connected = False

        async def on_error(error: Exception) -> None:
            logger.debug("NATS client error", exc_info=error)
            errors[:] = [error]
            if is_connected and isinstance(error, Error):  # a denied permission, too
                self.fail(error)

        async def on_closed() -> None:
            if is_connected:
                self.fail(client.last_error or Error("the server closed the connection"))

        try:
            await asyncio.wait_for(
                client.connect(
                    [url],
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=self._timeout_seconds,
                    error_cb=on_error,
                    closed_cb=on_closed,
                    ping_interval=PING_SECONDS,
                    max_outstanding_pings=MAX_PINGS,
                    name=f"winchester, process {os.getpid()}",
                    **_options(params),
                ),
                self._timeout_seconds,
            )
        except BaseException as error:
            with suppress(Exception):
                await asyncio.wait_for(client.close(), CLOSE_SECONDS)
            if isinstance(error, Error) and errors:  # not "no servers available"
                raise errors[-1] from error
            if isinstance(error, asyncio.TimeoutError) and not str(error):
                raise TimeoutError("the server did not respond in time") from error
            raise
        is_connected = True
        if client.is_closed:
            raise client.last_error or Error("the server closed the connection")
        return client

    async def _watch(self) -> None:
        """Notice a closed connection also if nats-py calls no callback."""
        while not self._client.is_closed:
            await asyncio.sleep(WATCH_SECONDS)
        self.fail(self._client.last_error or Error(CONNECTION_CLOSED))

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        finally:
            self._loop.close()

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(self._timeout_seconds)
        if self._thread.is_alive():
            logger.warning("abandoned a NATS connection that does not close")


class ReadingClient(Client):  # type: ignore[misc]
    """Client that reads every message, and sends no password before TLS if TLS is required.

    In nats-py, headers that cannot be decoded end the reading task in silence, and TLS is used only
    if the server asks for it.
    """

    def __init__(self, *, requires_tls: bool) -> None:
        super().__init__()
        self._requires_tls = requires_tls

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        found: dict[str, str] | None = None
        with suppress(Exception):
            found = await super()._process_headers(headers)
        return {UNREADABLE_HEADERS: ""} if headers and found is None else found

    def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> Any:
        """Check the server, before anything is sent; a coroutine in newer versions of nats-py."""
        if initial_connection and self._requires_tls and not info.get("tls_required"):
            raise SecureConnRequiredError
        return super()._process_info(info, initial_connection)


def server_name(params: Mapping[str, Any]) -> str:
    """Return the names of the servers for messages, without user and password."""
    urls = [params["url"]] if isinstance(params["url"], str) else params["url"]
    places = [urlsplit(url) for url in urls]
    return "NATS at " + ", ".join(f"{each.hostname}:{each.port or 4222}" for each in places)


def _options(params: Mapping[str, Any]) -> dict[str, Any]:
    tls = params["tls"]
    options = {
        "user": params["user"],
        "password": params["password"],
        "token": params["token"],
        "nkeys_seed": params["nkey_file"],
        "user_credentials": params["credentials_file"],
    }
    if tls is not None:
        context = ssl.create_default_context(cafile=tls["ca_file"])
        if tls["cert_file"]:
            context.load_cert_chain(tls["cert_file"], tls["key_file"])
        options |= {"tls": context, "tls_hostname": tls["server_name"]}
    return {name: value for name, value in options.items() if value is not None}
