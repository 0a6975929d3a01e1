"""Private servers that a test may stop, kill and start again.

Each has a temporary directory and its own port of 127.0.0.1, and runs as an unprivileged user. A
test skips where the program is missing, or fails under WINCHESTER_REQUIRE_SERVICES=1.
"""

from __future__ import annotations

import atexit
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pytest

from support.probes.time_limits import BOUND_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

TIMEOUT_SECONDS = BOUND_SECONDS

FIRST_PORT = 17_000
DEFAULT_FIRST_PORT_OF_CONNECTIONS = 32_768

_RANDOM = random.SystemRandom()  # tests may seed the other one, in several processes alike
_given_ports: set[int] = set()

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/sbin", "/usr/local/sbin", "/usr/libexec")


Server = TypeVar("Server", bound="PrivateServer")


class PrivateServer:
    """A server, created, started and removed by `running`."""

    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    graceful: ClassVar[signal.Signals]
    """Signal for an orderly shutdown, even with open connections."""
    immediate: ClassVar[signal.Signals]
    """Signal for a crash: what is not on disk is lost, and recovered from the log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._identity = unprivileged_user()
        if self._identity:
            shutil.chown(folder, *self._identity.values())

    def install(self) -> None:
        """Create its data directory."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Return the command that runs it in the foreground."""
        raise NotImplementedError

    def copy_files(self, files: Iterable[Path]) -> None:
        """Copy files, such as certificates, into its directory, readable for it."""
        for file in files:
            copy = Path(shutil.copy(file, self.folder))
            if self._identity:
                shutil.chown(copy, *self._identity.values())

    def start(self) -> None:
        """Start it, and wait until it responds."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_unprivileged_user(self._identity),
            )
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{self.name} does not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def stop(self, *, immediately: bool = False) -> None:
        """End it, by a shutdown or a crash, and wait for its end."""
        if self._process is None:
            return
        self._process.send_signal(self.immediate if immediately else self.graceful)
        try:
            self._process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise
        finally:
            self._process = None

    def restart(self, *, immediately: bool = False) -> None:
        """Stop and start it."""
        self.stop(immediately=immediately)
        self.start()

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        raise NotImplementedError

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
            **as_unprivileged_user(self._identity),
        )
        if done.returncode:
            pytest.fail(f"{command[0]}: {done.stderr}{done.stdout}")


@contextmanager
def running(
    server_class: type[PrivateServer], create: Callable[[Path], Server]
) -> Iterator[Server]:
    """Yield a running server that `create` makes for a directory; stop and remove it afterwards."""
    require_programs(server_class.programs)
    with tempfile.TemporaryDirectory(prefix=f"winchester-{server_class.name}-") as folder:
        server = create(Path(folder))
        server.install()
        try:
            server.start()
            yield server
        finally:
            server.stop(immediately=True)


_process_servers = ExitStack()
atexit.register(_process_servers.close)


def for_this_process(server: AbstractContextManager[Server]) -> Server:
    """Start a server that the tests of this process share; it is stopped when the process ends."""
    return _process_servers.enter_context(server)


def free_port() -> int:
    """Return a free port that the system gives to no connection, and this function to no other.

    Ports of outgoing connections are from a range of their own, so it is still free when a server
    listens on it later.
    """
    while True:
        port = _RANDOM.randrange(FIRST_PORT, _first_port_of_connections())
        if port not in _given_ports and _is_free(port):
            _given_ports.add(port)
            return port


def _first_port_of_connections() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    except FileNotFoundError:
        return DEFAULT_FIRST_PORT_OF_CONNECTIONS
    return max(int(text.split()[0]), FIRST_PORT + 1_000)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def found(program: str) -> str:
    """Return the path of a program."""
    path = _find(program)
    assert path is not None, f"{program} is absent"
    return path


def _find(program: str) -> str | None:
    if path := shutil.which(program):
        return path
    homes = [home for place in _PLACES for home in sorted(Path("/").glob(place[1:]), reverse=True)]
    return shutil.which(program, path=os.pathsep.join(map(str, homes)))


def require_programs(programs: Sequence[str]) -> None:
    """Skip the test, or fail it under WINCHESTER_REQUIRE_SERVICES=1, if a program is missing."""
    for program in programs:
        if _find(program) is None:
            absent(f"{program} is absent")


def absent(reason: str) -> None:
    """Skip the test, or fail it under WINCHESTER_REQUIRE_SERVICES=1."""
    if os.environ.get("WINCHESTER_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def unprivileged_user() -> dict[str, int]:
    """Return the user for a server when running as root, which the servers refuse."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def as_unprivileged_user(identity: dict[str, int]) -> dict[str, Any]:
    """Return the arguments of `subprocess` for a server that runs as `identity`, if not empty."""
    if not identity:
        return {}
    return {**identity, "extra_groups": [], "env": {**os.environ, "HOME": "/nonexistent"}}
