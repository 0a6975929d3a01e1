"""NATS servers for tests: the local one, and private ones that a test may restart.

WINCHESTER_TEST_NATS_URL names the first. Tests use streams and subjects of their own there, which
are removed afterwards. Without a local server, they start a private one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import uuid
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import nats
from nats.js.errors import NotFoundError

from support.probes.time_limits import BOUND_SECONDS
from support.servers.private_servers import (
    TIMEOUT_SECONDS,
    PrivateServer,
    absent,
    for_this_process,
    found,
    running,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from pathlib import Path

TLS = """\
tls {
  cert_file: "FOLDER/tester.pem", key_file: "FOLDER/tester.key"
  ca_file: "FOLDER/ca.pem", verify: true
}
"""
"""Configuration of a server with the files of `Certificates`, which asks for a certificate."""

URL_VARIABLE = "WINCHESTER_TEST_NATS_URL"
LOCAL_URL = "nats://127.0.0.1:4222"
PROBE_SECONDS = 30
ONE_ATTEMPT: dict[str, Any] = {
    "allow_reconnect": False,
    "max_reconnect_attempts": 1,
    "reconnect_time_wait": 0,
}
"""Options of `nats.connect`: try a server twice, and do not connect again."""


class JetStream:
    """An independent client of one server, with a stream of its own."""

    def __init__(self, url: str, **options: Any) -> None:
        """`options` are for `nats.connect`."""
        self.url = url
        self._options = options
        self.stream = f"winchester-test-{uuid.uuid4().hex[:8]}"
        self.subject = f"{self.stream}.info"

    @property
    def port(self) -> int:
        """The port of the server, which is on this host."""
        return urlsplit(self.url).port or 4222

    def run(self, action: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        """Connect, run `action` with a JetStream context, and return its result."""

        async def connected() -> Any:
            client = await nats.connect(self.url, **ONE_ATTEMPT, **self._options)
            try:
                return await action(client.jetstream(timeout=BOUND_SECONDS))
            finally:
                await client.close()

        return asyncio.run(connected())

    def create(self, **options: Any) -> None:
        """Create the stream, with all subjects that begin with its name."""
        subjects = [f"{self.stream}.>"]
        self.run(lambda js: js.add_stream(name=self.stream, subjects=subjects, **options))

    def publish(
        self,
        bodies: Sequence[bytes],
        subject: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Publish; on return the server has all messages."""

        async def publish(js: Any) -> None:
            for body in bodies:
                await js.publish(subject or self.subject, body, headers=dict(headers or {}) or None)

        self.run(publish)

    def stored(self) -> int:
        """Return the number of messages of the stream."""
        return int(self.run(lambda js: js.stream_info(self.stream)).state.messages)

    def message(self, sequence: int) -> Any:
        """Return the message of that number, from 1."""
        return self.run(lambda js: js.get_msg(self.stream, sequence))

    def consumer(self, name: str) -> Any:
        """Return the information of a consumer."""
        return self.run(lambda js: js.consumer_info(self.stream, name))

    def unsettled(self, name: str) -> int:
        """Return the number of messages that a consumer has not acknowledged."""
        info = self.consumer(name)
        return int(info.num_pending) + int(info.num_ack_pending)

    def remove(self) -> None:
        """Delete the stream."""
        with suppress(NotFoundError):
            self.run(lambda js: js.delete_stream(self.stream))


@contextmanager
def jetstream() -> Iterator[JetStream]:
    """Yield a client with a new stream on a server; remove the stream at the end."""
    made = JetStream(shared_url())
    made.create()
    try:
        yield made
    finally:
        made.remove()


class NatsServer(PrivateServer):
    """A private server with JetStream on disk."""

    name = "nats"
    programs = ("nats-server",)
    graceful = signal.SIGTERM
    immediate = signal.SIGKILL

    def __init__(self, folder: Path, configuration: str, files: Sequence[Path]) -> None:
        super().__init__(folder)
        self._configuration = configuration
        self._files = files

    @property
    def url(self) -> str:
        """Its address."""
        return f"nats://127.0.0.1:{self.port}"

    def install(self) -> None:
        self.copy_files(self._files)
        data = self.folder / "data"
        (self.folder / "nats.conf").write_text(
            f'listen: "127.0.0.1:{self.port}"\n'
            f'jetstream {{ store_dir: "{data}" }}\n'
            + self._configuration.replace("FOLDER", str(self.folder))
        )

    def command(self) -> list[str]:
        return [found("nats-server"), "-c", str(self.folder / "nats.conf")]

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False


@contextmanager
def private_nats(configuration: str = "", files: Sequence[Path] = ()) -> Iterator[NatsServer]:
    """Yield a running server without streams; stop and remove it afterwards.

    `files` are copied into its directory, FOLDER in the configuration.
    """
    with running(NatsServer, lambda folder: NatsServer(folder, configuration, files)) as server:
        yield server


@cache
def shared_url() -> str:
    """Return the URL of the server for most tests: the named or local one, or a private one."""
    named = os.environ.get(URL_VARIABLE)
    reason = _absence(named or LOCAL_URL)
    if reason is not None and named:
        absent(f"NATS is absent ({URL_VARIABLE}): {reason}")
    return for_this_process(private_nats()).url if reason else named or LOCAL_URL


def _absence(url: str) -> str | None:
    """Return why a server refuses a connection, or None."""

    async def connect() -> None:
        client = await nats.connect(url, connect_timeout=PROBE_SECONDS, **ONE_ATTEMPT)
        await client.close()

    try:
        asyncio.run(connect())
    except Exception as error:  # noqa: BLE001 - the reason of the skip
        return repr(error)
    return None
