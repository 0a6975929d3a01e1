"""Database servers of a test's own, which it may stop, kill and start again.

Each has a temporary directory and a port of 127.0.0.1 to itself, runs as an unprivileged user, and
keeps its promises to the disk (fsync is left on). The test skips where the program is absent, or
fails under WINCHESTER_REQUIRE_SERVICES=1.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from support.probes.time_limits import BOUND_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TIMEOUT_SECONDS = BOUND_SECONDS
DATABASE = "winchester"

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/sbin", "/usr/local/sbin", "/usr/libexec")


class PrivateServer:
    """A server: made and started by `private_server`, which also removes it."""

    backend: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    graceful: ClassVar[signal.Signals]
    """Ends it in order, whoever is connected."""
    immediate: ClassVar[signal.Signals]
    """Ends it as a crash would: what was not on disk is lost, and recovered from the log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._identity = _unprivileged()
        if self._identity:
            shutil.chown(folder, *self._identity.values())

    @property
    def url(self) -> str:
        """The URL of its database for the programs under test."""
        return self.url_through(self.port)

    def url_through(self, port: int) -> str:
        """The URL of its database by way of another port, that of a proxy."""
        raise NotImplementedError

    def admin_url(self) -> str:
        """The URL by which databases are made, and sessions ended."""
        raise NotImplementedError

    def install(self) -> None:
        """Make its directory of data."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """The command that runs it in the foreground."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, start_new_session=True, **self._as_whom()
            )
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{self.backend} does not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def stop(self, *, immediately: bool = False) -> None:
        """End it, in order or as a crash would, and wait for its end."""
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
        """Tell whether it takes connections."""
        try:
            self.execute("SELECT 1")
        except SQLAlchemyError:
            return False
        return True

    def execute(self, statement: str) -> list[Any]:
        """Execute a statement as its administrator, outside of a transaction."""
        engine = create_engine(self.admin_url(), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                result = connection.execute(text(statement))
                return list(result) if result.returns_rows else []
        finally:
            engine.dispose()

    def cut_connections(self) -> int:
        """Let it end every session of its database; return how many there were."""
        raise NotImplementedError

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
            **self._as_whom(),
        )
        if done.returncode:
            pytest.fail(f"{command[0]}: {done.stderr}{done.stdout}")

    def _as_whom(self) -> dict[str, Any]:
        if not self._identity:
            return {}
        return {**self._identity, "extra_groups": [], "env": {**os.environ, "HOME": "/nonexistent"}}


class PostgresqlServer(PrivateServer):
    """A PostgreSQL of one's own."""

    backend = "postgresql"
    programs = ("initdb", "postgres")
    graceful = signal.SIGINT
    immediate = signal.SIGQUIT

    def url_through(self, port: int) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{port}/{DATABASE}"

    def admin_url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def install(self) -> None:
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-instructions"]
        self._run(found("initdb"), *options, "--locale=C", "-D", str(self.folder / "data"))

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "60",
            "shared_buffers": "32MB",
        }
        given = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [found("postgres"), "-D", str(self.folder / "data"), *given]

    def cut_connections(self) -> int:
        return len(
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE datname = '{DATABASE}' AND pid <> pg_backend_pid()"
            )
        )


class MariadbServer(PrivateServer):
    """A MariaDB of one's own."""

    backend = "mariadb"
    programs = ("mariadb-install-db", "mariadbd")
    graceful = signal.SIGTERM
    immediate = signal.SIGKILL

    def url_through(self, port: int) -> str:
        return f"mariadb+pymysql://tester@127.0.0.1:{port}/{DATABASE}"

    def admin_url(self) -> str:
        return f"mariadb+pymysql://tester@127.0.0.1:{self.port}/"

    def install(self) -> None:
        self._run(
            found("mariadb-install-db"),
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            f"--datadir={self.folder / 'data'}",
        )
        # root may connect through the socket alone where names are not resolved
        (self.folder / "init.sql").write_text(
            "CREATE USER IF NOT EXISTS tester@'127.0.0.1';\n"
            "GRANT ALL ON *.* TO tester@'127.0.0.1';\n"
        )

    def command(self) -> list[str]:
        return [
            found("mariadbd"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--init-file={self.folder / 'init.sql'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=1",
            "--innodb-buffer-pool-size=64M",
        ]

    def cut_connections(self) -> int:
        own = f"FROM information_schema.processlist WHERE db = '{DATABASE}'"
        cut = 0
        for (number,) in self.execute(f"SELECT id {own}"):
            try:
                self.execute(f"KILL {number}")
            except SQLAlchemyError as error:
                if "Unknown thread" not in str(error):
                    raise
            else:
                cut += 1
        return cut


SERVERS = {each.backend: each for each in (PostgresqlServer, MariadbServer)}


@contextmanager
def private_server(backend: str) -> Iterator[PrivateServer]:
    """A running server with an empty database; afterwards it is stopped and removed."""
    server_class = SERVERS[backend]
    _require(server_class.programs)
    with tempfile.TemporaryDirectory(prefix=f"winchester-{backend}-") as folder:
        server = server_class(Path(folder))
        server.install()
        try:
            server.start()
            server.execute(f"CREATE DATABASE {DATABASE}")
            yield server
        finally:
            server.stop(immediately=True)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def found(program: str) -> str:
    """The path of a program."""
    path = _find(program)
    assert path is not None, f"{program} is absent"
    return path


def _find(program: str) -> str | None:
    if path := shutil.which(program):
        return path
    homes = [home for place in _PLACES for home in sorted(Path("/").glob(place[1:]), reverse=True)]
    return shutil.which(program, path=os.pathsep.join(map(str, homes)))


def _require(programs: Sequence[str]) -> None:
    for program in programs:
        if _find(program) is None:
            if os.environ.get("WINCHESTER_REQUIRE_SERVICES") == "1":
                pytest.fail(f"{program} is absent")
            pytest.skip(f"{program} is absent")


def _unprivileged() -> dict[str, int]:
    """As whom a server runs when we are root: the servers refuse that, with reason."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}
