"""Private database servers that a test may stop, kill and start again.

They are durable (fsync is left on).
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from support.servers.private_servers import (
    TIMEOUT_SECONDS,
    PrivateServer,
    found,
    running,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARIADB_DRIVER = os.environ.get("WINCHESTER_TEST_MARIADB_DRIVER", "pymysql")
"""The driver in the URLs of MariaDB: pymysql, or mysqldb for mysqlclient."""
DATABASE = "winchester"


class DatabaseServer(PrivateServer):
    """A database server, created, started and removed by `private_server`."""

    backend: ClassVar[str]

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


class PostgresqlServer(DatabaseServer):
    """A private PostgreSQL."""

    name = backend = "postgresql"
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


class MariadbServer(DatabaseServer):
    """A private MariaDB."""

    name = backend = "mariadb"
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
def private_server(backend: str) -> Iterator[DatabaseServer]:
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
