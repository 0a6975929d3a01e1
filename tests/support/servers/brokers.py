"""Brokers for tests: the local one, and private ones that a test may restart.

WINCHESTER_TEST_RABBITMQ_URL names the first. Tests use queues and exchanges of their own there,
which are removed afterwards. Without a broker a test is skipped, or fails under
WINCHESTER_REQUIRE_SERVICES=1.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import amqp
import pytest
from amqp.exceptions import NotFound
from kombu import Connection

from support.probes.time_limits import BOUND_SECONDS
from support.servers.databases import PROBE_SECONDS, PROBES
from support.servers.private_servers import absent, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

URL_VARIABLE = "WINCHESTER_TEST_RABBITMQ_URL"
LOCAL_URL = "amqp://guest:guest@127.0.0.1:5672//"
START_SECONDS = BOUND_SECONDS
HEARTBEAT_SECONDS = 3
"""Heartbeat interval of tests: a slow machine may be late by nearly twice as long."""
PROGRAMS = Path("/usr/lib/rabbitmq/bin")


class BrokerNamespace:
    """Queues and exchanges of one test on a broker, with an independent client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._prefix = f"winchester-test-{uuid.uuid4().hex[:8]}"
        self._names: set[str] = set()

    def name(self, name: str) -> str:
        """Return the name of a queue or exchange of this test; it is removed at the end."""
        full = f"{self._prefix}-{name}"
        self._names.add(full)
        return full

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """Yield a channel on a separate connection."""
        with Connection(self.url) as connection, connection.channel() as channel:
            yield channel

    def publish(
        self, bodies: Iterable[bytes | dict[str, Any]], exchange: str, routing_key: str
    ) -> None:
        """Publish with confirms: on return the broker has all messages."""
        options = {"confirm_publish": True}
        with Connection(self.url, transport_options=options) as connection:
            producer = connection.Producer()
            for body in bodies:
                producer.publish(
                    body if isinstance(body, bytes) else json.dumps(body).encode(),
                    exchange=exchange,
                    routing_key=routing_key,
                    content_type="application/json",
                    content_encoding="binary",
                    delivery_mode=2,
                )

    def ready(self, queue: str) -> int:
        """Return the number of messages of a queue that no consumer holds."""
        with self.channel() as channel:
            count: int = channel.queue_declare(queue, passive=True).message_count
            return count

    def consumers(self, queue: str) -> int:
        """Return the number of consumers of a queue, zero if it does not exist."""
        with self.channel() as channel:
            try:
                return int(channel.queue_declare(queue, passive=True).consumer_count)
            except NotFound:
                return 0

    def remove(self) -> None:
        """Delete all named queues and exchanges."""
        for name in self._names:
            with self.channel() as channel, suppress(NotFound):
                channel.queue_delete(name)
            with self.channel() as channel, suppress(NotFound):
                channel.exchange_delete(name)


LATE_HEADER = b"\x01tT" + (1_700_000_000_000).to_bytes(8, "big")
"""A timestamp in milliseconds, where seconds belong: in the year 55840."""
LAST_TIME_HEADER = b"\x01tT" + b"\xff" * 8
HAS_HEADERS = (1 << 13).to_bytes(2, "big")


class OddHeader(amqp.Message):
    """A message with an encoded header that py-amqp cannot decode."""

    def __init__(self, body: bytes, header: bytes = LATE_HEADER) -> None:
        super().__init__(body)
        self._header = header

    def _serialize_properties(self) -> bytes:
        return HAS_HEADERS + len(self._header).to_bytes(4, "big") + self._header


@contextmanager
def broker_namespace() -> Iterator[BrokerNamespace]:
    """Yield a namespace on the local broker; remove its queues and exchanges at the end."""
    url = os.environ.get(URL_VARIABLE, LOCAL_URL)
    if (reason := _absence(url)) is not None:
        absent(f"RabbitMQ is absent ({URL_VARIABLE}): {reason}")
    namespace = BrokerNamespace(url)
    yield namespace
    namespace.remove()


@cache
def _absence(url: str) -> str | None:
    """Return why a broker refuses a connection, or None; each process tries once."""
    reason = ""
    for _ in range(PROBES):
        try:
            with Connection(url, connect_timeout=PROBE_SECONDS) as connection:
                connection.connect()
        except ConnectionRefusedError as error:
            return str(error)
        except OSError as error:  # a broker under load may close a connection half-made
            reason = str(error)
        else:
            return None
    return reason


class PrivateBroker:
    """A RabbitMQ node that `private_broker` creates, starts and removes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.tls_port = free_port()
        self.node = f"winchester-{uuid.uuid4().hex[:8]}@localhost"
        self._process: subprocess.Popen[bytes] | None = None
        self._identity = _unprivileged()

    @property
    def url(self) -> str:
        """Its address."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def configure(self, text: str) -> None:
        """Write the configuration for the next start; the address is added."""
        config = self.folder / "rabbitmq.conf"
        config.write_text(f"listeners.tcp.local = 127.0.0.1:{self.port}\n{text}")
        (self.folder / "enabled_plugins").write_text("[].\n")
        if self._identity:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, self._identity["user"], self._identity["group"])

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program("rabbitmq-server")],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **self._process_options(),
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log_tail = (self.folder / "server.log").read_text()[-4000:]
                pytest.fail(f"rabbitmq-server does not start:\n{log_tail}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Shut it down, and wait for its end."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(START_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process = None

    def restart(self) -> None:
        """Stop and start it; durable contents stay."""
        self.stop()
        self.start()

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl on it; return the output."""
        done = subprocess.run(
            [_program("rabbitmqctl"), "--quiet", "--node", self.node, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
            **self._process_options(),
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def close_connections(self) -> None:
        """Close every connection."""
        self.control("close_all_connections", "a test closes it")

    def _answers(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=1) as connection:
                connection.connect()
        except OSError:
            return False
        return True

    def _process_options(self) -> dict[str, Any]:
        folder = str(self.folder)
        environ = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": folder,
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none.conf",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        return {**self._identity, "cwd": folder, "env": environ}


@contextmanager
def private_broker(
    configuration: Callable[[PrivateBroker], str] = lambda _: "",
) -> Iterator[PrivateBroker]:
    """Yield a running empty node; stop and remove it afterwards.

    `configuration` may put files into its folder.
    """
    if _find("rabbitmq-server") is None:
        absent("rabbitmq-server is absent")
    with tempfile.TemporaryDirectory(prefix="winchester-rabbitmq-") as folder:
        broker = PrivateBroker(Path(folder))
        broker.configure(configuration(broker))
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()


def wait_until_neglected(url: str) -> None:
    """Open a connection with a heartbeat, and wait until the broker closes it."""
    with Connection(url, heartbeat=HEARTBEAT_SECONDS) as neglected:
        neglected.connect()
        transport: Any = neglected.connection.transport
        transport.sock.settimeout(START_SECONDS)
        with suppress(ConnectionResetError):
            while transport.sock.recv(4096):
                pass
        neglected.collect()


def _program(name: str) -> str:
    path = _find(name)
    assert path is not None, f"{name} is absent"
    return path


def _find(name: str) -> str | None:
    """Return the program itself, as Debian's wrapper allows only root and rabbitmq."""
    return shutil.which(name, path=str(PROGRAMS)) or shutil.which(name)


def _unprivileged() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
