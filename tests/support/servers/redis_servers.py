"""Redis servers for tests: the local one, and private ones that a test may restart.

WINCHESTER_TEST_REDIS_URL names the first. Tests use keys of their own there, which are removed
afterwards. Without a local server, they start a private one.
"""

from __future__ import annotations

import os
import signal
import socket
import uuid
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from support.probes.time_limits import BOUND_SECONDS
from support.servers.private_servers import PrivateServer, absent, for_this_process, found, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TLS = """\
port 0
tls-port PORT
tls-cert-file FOLDER/tester.pem
tls-key-file FOLDER/tester.key
tls-ca-cert-file FOLDER/ca.pem
"""
"""Options of a server with the files of `Certificates`, which asks for a certificate."""

URL_VARIABLE = "WINCHESTER_TEST_REDIS_URL"
LOCAL_URL = "redis://127.0.0.1:6379/0"
PROBE_SECONDS = 30
GROUP = "winchester"


class RedisStream:
    """An independent client of one server, with streams of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: Any = Redis.from_url(url, socket_timeout=BOUND_SECONDS)
        self._prefix = f"winchester-test-{uuid.uuid4().hex[:8]}"
        self._names: set[str] = set()
        self.stream = self.name("stream")

    @property
    def port(self) -> int:
        """The port of the server, which is on this host."""
        return urlsplit(self.url).port or 6379

    def name(self, name: str) -> str:
        """Return a key of this test; it is removed at the end."""
        full = f"{self._prefix}-{name}"
        self._names.add(full)
        return full

    def publish(self, bodies: Sequence[bytes], stream: str | None = None) -> list[str]:
        """Add an entry for each body; return their ids."""
        key = stream or self.stream
        return [self.client.xadd(key, {"data": body}).decode() for body in bodies]

    def unsettled(self) -> int:
        """Return the number of entries that the group has not acknowledged."""
        (group,) = self.client.xinfo_groups(self.stream)
        return int(group["lag"]) + int(group["pending"])

    def consumers(self) -> dict[str, int]:
        """Return the number of pending entries of each consumer of the group."""
        found = self.client.xinfo_consumers(self.stream, GROUP)
        return {each["name"].decode(): each["pending"] for each in found}

    def remove(self) -> None:
        """Delete all named keys."""
        self.client.delete(*self._names)
        self.client.close()


@contextmanager
def redis_stream() -> Iterator[RedisStream]:
    """Yield a client of a server; remove its streams at the end."""
    made = RedisStream(shared_url())
    try:
        yield made
    finally:
        made.remove()


class RedisServer(PrivateServer):
    """A private server that has every change on disk before it replies."""

    name = "redis"
    programs = ("redis-server",)
    graceful = signal.SIGTERM
    immediate = signal.SIGKILL

    def __init__(self, folder: Path, options: str, files: Sequence[Path]) -> None:
        super().__init__(folder)
        self._options = options
        self._files = files

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def install(self) -> None:
        self.copy_files(self._files)
        (self.folder / "redis.conf").write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {self.folder}\n"
            'appendonly yes\nappendfsync always\nsave ""\n'
            + self._options.replace("FOLDER", str(self.folder)).replace("PORT", str(self.port))
        )

    def command(self) -> list[str]:
        return [found("redis-server"), str(self.folder / "redis.conf")]

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), PROBE_SECONDS).close()
        except OSError:
            return False
        return True


@contextmanager
def private_redis(options: str = "", files: Sequence[Path] = ()) -> Iterator[RedisServer]:
    """Yield a running empty server; stop and remove it afterwards.

    `options` are lines of its configuration, in which PORT is its port and FOLDER its directory.
    `files` are copied there.
    """
    with running(RedisServer, lambda folder: RedisServer(folder, options, files)) as server:
        yield server


@cache
def shared_url() -> str:
    """Return the URL of the server for most tests: the named or local one, or a private one."""
    named = os.environ.get(URL_VARIABLE)
    reason = _absence(named or LOCAL_URL)
    if reason is not None and named:
        absent(f"Redis is absent ({URL_VARIABLE}): {reason}")
    return for_this_process(private_redis()).url if reason else named or LOCAL_URL


def _absence(url: str) -> str | None:
    """Return why a server refuses a connection, or None."""
    try:
        with Redis.from_url(url, socket_connect_timeout=PROBE_SECONDS) as client:
            client.ping()
    except RedisError as error:
        return str(error)
    return None
