"""Private database servers that a test may stop, kill and start again.

Each has a temporary directory and its own port of 127.0.0.1, runs as an unprivileged user, and is
durable (fsync is left on). A test skips where the program is missing, or fails under
WINCHESTER_REQUIRE_SERVICES=1.
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
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from support.probes.time_limits import BOUND_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TIMEOUT_SECONDS = BOUND_SECONDS
MARIADB_DRIVER = os.environ.get("WINCHESTER_TEST_MARIADB_DRIVER", "pymysql")
"""The driver in the URLs of MariaDB: pymysql, or mysqldb for mysqlclient."""
DATABASE = "winchester"

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/sbin", "/usr/local/sbin", "/usr/libexec")


Server = TypeVar("Server", bound="PrivateServer")


class PrivateServer:
    """A server, created, started and removed by `private_server`."""

    backend: ClassVar[str]
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

    @property
    def url(self) -> str:
        """Return the URL of its database for the programs under test."""
        return self.url_through(self.port)

    def url_through(self, port: int) -> str:
        """Return the URL of its database through another port, that of a proxy."""
        raise NotImplementedError

    def admin_url(self) -> str:
        """Return the URL for administration."""
        raise NotImplementedError

    def install(self) -> None:
        """Create its data directory."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Return the command that runs it in the foreground."""
        raise NotImplementedError

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
                pytest.fail(f"{self.backend} does not start:\n{self.log.read_text()[-4000:]}")
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
        """End every session of its database; return how many there were."""
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


class PostgresqlServer(PrivateServer):
    """A private PostgreSQL."""

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


class PostgresqlStandby(PostgresqlServer):
    """A standby of a private PostgreSQL, which replicates to it synchronously."""

    def __init__(self, folder: Path, primary: PostgresqlServer) -> None:
        super().__init__(folder)
        self._primary = primary

    def install(self) -> None:
        source = f"host=127.0.0.1 port={self._primary.port} user=postgres"
        options = ["--write-recovery-conf", "--checkpoint=fast", "-D", str(self.folder / "data")]
        self._run(found("pg_basebackup"), "--dbname", source, *options)

    def start(self) -> None:
        super().start()
        self._primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self._primary.execute("SELECT pg_reload_conf()")
        self._wait_for_primary("SELECT sync_state FROM pg_stat_replication", "sync")

    def wait_until_replayed(self) -> None:
        """Wait until it has everything that its primary has written."""
        self._wait_for_primary(
            "SELECT CASE WHEN pg_current_wal_lsn() = replay_lsn THEN 'all' END "
            "FROM pg_stat_replication",
            "all",
        )

    def promote(self) -> None:
        """Make it the primary."""
        assert self.execute("SELECT pg_promote()") == [(True,)]

    def _wait_for_primary(self, query: str, expected: str) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while self._primary.execute(query) != [(expected,)]:
            assert time.monotonic() < deadline, f"timed out: {query}"
            time.sleep(0.05)


class MariadbServer(PrivateServer):
    """A private MariaDB."""

    backend = "mariadb"
    programs = ("mariadb-install-db", "mariadbd")
    graceful = signal.SIGTERM
    immediate = signal.SIGKILL

    def url_through(self, port: int) -> str:
        return f"mariadb+{MARIADB_DRIVER}://tester@127.0.0.1:{port}/{DATABASE}"

    def admin_url(self) -> str:
        return f"mariadb+{MARIADB_DRIVER}://tester@127.0.0.1:{self.port}/"

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
    """Yield a running server with an empty database; stop and remove it afterwards."""
    server_class = SERVERS[backend]
    with running(server_class, server_class) as server:
        server.execute(f"CREATE DATABASE {DATABASE}")
        yield server


@contextmanager
def private_standby(primary: PostgresqlServer) -> Iterator[PostgresqlStandby]:
    """Yield a running standby of `primary`; stop and remove it afterwards."""
    with running(PostgresqlStandby, lambda folder: PostgresqlStandby(folder, primary)) as standby:
        yield standby


@contextmanager
def running(
    server_class: type[PrivateServer], create: Callable[[Path], Server]
) -> Iterator[Server]:
    """Yield a running server that `create` makes for a directory; stop and remove it afterwards."""
    require_programs(server_class.programs)
    with tempfile.TemporaryDirectory(prefix=f"winchester-{server_class.backend}-") as folder:
        server = create(Path(folder))
        server.install()
        try:
            server.start()
            yield server
        finally:
            server.stop(immediately=True)


def free_port() -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
            if os.environ.get("WINCHESTER_REQUIRE_SERVICES") == "1":
                pytest.fail(f"{program} is absent")
            pytest.skip(f"{program} is absent")


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
