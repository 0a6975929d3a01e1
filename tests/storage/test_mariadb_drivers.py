"""Both drivers of MariaDB behave the same: sessions, addresses, values, statements, signals."""

from __future__ import annotations

import itertools
import signal
import socket
import sys
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from support.builders.events import FAR, VM, claim_all, ingest, make_event
from support.probes.time_limits import BOUND_SECONDS
from support.servers.databases import temporary_database, with_driver
from support.servers.tcp_proxy import proxied
from winchester_core.clock import FixedTime
from winchester_core.errors import ConfigurationError, DatabaseUnavailable, StorageError
from winchester_core.model.stream import Reason
from winchester_core.storage.records import Completion, Rejection
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.dialects import driver_statements
from winchester_core.storage.sql.dialects.mariadb_drivers import DRIVERS
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection

NOON = datetime(2015, 1, 20, 12, tzinfo=UTC)
HANG = f"SELECT SLEEP({2 * BOUND_SECONDS})"
MARIADB_PORT = 3306


@pytest.fixture(scope="module")
def any_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database with the tables, with any of the drivers."""
    with temporary_database("mariadb", tmp_path_factory.mktemp("mariadb")) as url:
        with closing(Database(url)) as database:
            DatabaseSchema(database).upgrade()
        yield url


@pytest.fixture(params=list(DRIVERS))
def driver(request: pytest.FixtureRequest) -> str:
    """The name of each driver in URLs."""
    name: str = request.param
    if name == "mysqldb":
        pytest.importorskip("MySQLdb", reason="the extra 'mysqlclient' is not installed")
    return name


@pytest.fixture
def url(any_url: str, driver: str) -> URL:
    return make_url(with_driver(any_url, driver))


@pytest.fixture
def database(url: URL) -> Iterator[Database]:
    with opened(url) as database:
        yield database


@contextmanager
def opened(url: URL) -> Iterator[Database]:
    with closing(Database(url.render_as_string(hide_password=False))) as database:
        yield database


def row(database: Database, query: str) -> tuple[Any, ...]:
    """Return the only row of a query."""
    return tuple(database.read(lambda it: it.execute(text(query)).one()))


def socket_family(database: Database) -> socket.AddressFamily:
    connection = database.engine.raw_connection()
    try:
        with DRIVERS[database.engine.dialect.driver]().socket_of(connection) as client_socket:
            return socket.AddressFamily(client_socket.family)
    finally:
        connection.close()


def test_every_session_has_the_same_settings(database: Database) -> None:
    settings = ("tx_isolation", "time_zone", "character_set_client", "character_set_results")
    assert row(database, f"SELECT {', '.join(f'@@{name}' for name in settings)}") == (
        "READ-COMMITTED",
        "+00:00",
        "utf8mb4",
        "utf8mb4",
    )
    (mode,) = row(database, "SELECT @@sql_mode")
    assert {"STRICT_ALL_TABLES", "NO_ENGINE_SUBSTITUTION"} <= set(mode.split(","))
    assert row(database, "SELECT @@autocommit") == (0,)


@pytest.mark.skipif(sys.platform != "linux", reason="names of socket options")
def test_a_dead_server_is_detected(database: Database) -> None:
    connection = database.engine.raw_connection()
    with DRIVERS[database.engine.dialect.driver]().socket_of(connection) as client_socket:
        if client_socket.family == socket.AF_UNIX:
            pytest.skip("the server is reached through a UNIX socket")
        assert client_socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        timeout = client_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout == 60_000
    connection.close()


def test_the_port_of_localhost_is_used(url: URL) -> None:
    with (
        proxied(url.port or MARIADB_PORT) as proxy,
        opened(url.set(host="localhost", port=proxy.port)) as database,
    ):
        assert row(database, "SELECT 1") == (1,)
        assert proxy.cut() == 1


def test_a_unix_socket_is_used_for_any_host(url: URL, database: Database) -> None:
    (path,) = row(database, "SELECT @@socket")
    if not Path(path).is_socket():
        pytest.skip("the server runs on another host")
    with opened(url.set(host="nowhere.invalid", query={"unix_socket": path})) as through_socket:
        assert row(through_socket, "SELECT 1") == (1,)
        assert socket_family(through_socket) == socket.AF_UNIX


def test_no_file_is_sent_to_the_server(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "versions"
    file.write_text("9999\n")
    load = text(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE alembic_version")
    with pytest.raises(StorageError):
        database.write(lambda it: it.execute(load))
    (count,) = row(database, "SELECT count(*) FROM alembic_version WHERE version_num = '9999'")
    assert count == 0


def test_an_error_names_the_user_and_no_password(url: URL) -> None:
    wrong = url.set(username="nobody", password="hunter2")
    with opened(wrong) as database, pytest.raises(DatabaseUnavailable, match="nobody") as raised:
        row(database, "SELECT 1")
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in database.masked_url


def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'winchester-core\[mysqlclient\]'"):
        Database("mysql+mysqldb://h/d")


def test_a_driver_without_its_library_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "MySQLdb.py").write_text("raise ImportError('libmariadb.so.3: cannot open')")
    monkeypatch.delitem(sys.modules, "MySQLdb", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match=r"database\.url: libmariadb\.so\.3"):
        Database("mysql+mysqldb://h/d")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "quote ' double \" backslash \\ percent %s NUL \0 newline \n ctrl-Z \x1a",
        "four bytes: \N{GRINNING FACE}",
        2**63 - 1,
        -(2**63),
        None,
        0.1,
        True,
    ],
    ids=ascii,
)
def test_a_parameter_keeps_its_value(database: Database, value: Any) -> None:
    def select(connection: Connection) -> Any:
        return driver_statements.fetch(connection, "SELECT %s, %s", (value, "end"))

    assert [tuple(each) for each in database.read(select)] == [(value, "end")]


def test_a_parameter_keeps_its_bytes(database: Database) -> None:
    every = bytes(range(256))

    def select(connection: Connection) -> Any:
        return driver_statements.fetch(connection, "SELECT HEX(%s)", (every,))

    assert [tuple(each) for each in database.read(select)] == [(every.hex().upper(),)]


@pytest.mark.parametrize("writer", list(DRIVERS))
def test_what_one_driver_writes_the_other_reads(
    any_url: str, url: URL, driver: str, writer: str
) -> None:
    pytest.importorskip("MySQLdb", reason="the extra 'mysqlclient' is not installed")
    name = f"{writer} to {driver}"
    event = make_event(
        f"\N{GRINNING FACE} {name}",
        instance=name,
        text="' \" \\ \0 \N{GRINNING FACE}",
        moment=datetime(2015, 1, 20, 13, 14, 15, 161_718, tzinfo=UTC),
        number=2**63 - 1,
    )
    body = bytes(range(256))
    rejection = Rejection(name, "event", "bad", body, len(body), name.encode().ljust(32))
    with opened(make_url(with_driver(any_url, writer))) as database:
        store = SqlStore(database)
        ingest(store, VM, event)
        store.insert_rejected([rejection])
    with opened(url) as database:
        store = SqlStore(database)
        assert store.get_event_by_message_id(event["message_id"]) == event
        (rejected,) = [each for each in store.find_rejected(limit=100) if each.source == name]
        assert store.get_rejected(rejected.id).body == body


def test_both_drivers_send_the_same_number_of_statements(any_url: str) -> None:
    pytest.importorskip("MySQLdb", reason="the extra 'mysqlclient' is not installed")
    numbers = {}
    for name in DRIVERS:
        with opened(make_url(with_driver(any_url, name))) as database:
            numbers[name] = statements_of_a_day(SqlStore(database), name)
    assert numbers["mysqldb"] == numbers["pymysql"]


def statements_of_a_day(store: SqlStore, prefix: str) -> list[int]:
    """Return the server's numbers of statements for a batch, an event, a claim, a completion."""
    numbers = [statements_of_the_session(store)]

    def count() -> None:
        numbers.append(statements_of_the_session(store))

    names = [f"{prefix}/{number}" for number in range(150)]
    ingest(store, VM, *(make_event(f"{name}/a", instance=name) for name in names))
    count()
    ingest(store, VM, make_event(f"{names[0]}/b", "vm.end", seconds=60, instance=names[0]))
    count()
    claims = [
        each
        for each in claim_all(store, Reason.FIRE, FAR)
        if each.distinguished_by["instance"] == names[0]
    ]
    count()
    store.complete([Completion(each, (), purge=True) for each in claims], FixedTime(NOON))
    count()
    assert len(claims) == 1
    return [later - earlier for earlier, later in itertools.pairwise(numbers)]


def statements_of_the_session(store: SqlStore) -> int:
    """Return the number of statements that the server received on the only connection."""
    _, number = row(store.database, "SHOW SESSION STATUS LIKE 'Questions'")
    return int(number)


def test_a_signal_interrupts_a_statement(database: Database) -> None:
    def interrupt(_signum: int, _frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGUSR1, interrupt)
    (number,) = row(database, "SELECT connection_id()")
    waiting = threading.Thread(
        target=signal_when_it_hangs, args=(database, number, threading.get_ident())
    )
    waiting.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            row(database, HANG)
    finally:
        waiting.join(BOUND_SECONDS)
        signal.signal(signal.SIGUSR1, previous)
        end_session(database, number)
    assert row(database, "SELECT 1") == (1,)
    assert row(database, "SELECT connection_id()") != (number,)


def signal_when_it_hangs(database: Database, number: int, thread_id: int) -> None:
    """Send the thread a signal once its session executes the statement."""
    deadline = time.monotonic() + BOUND_SECONDS
    query = f"SELECT count(*) FROM information_schema.processlist WHERE id = {number}"
    with closing(Database(database.engine.url.render_as_string(hide_password=False))) as other:
        while row(other, f"{query} AND info LIKE 'SELECT SLEEP%'") != (1,):
            assert time.monotonic() < deadline
    signal.pthread_kill(thread_id, signal.SIGUSR1)


def test_a_statement_ends_at_the_read_timeout(url: URL) -> None:
    with opened(url.update_query_dict({"read_timeout": "1"})) as database:
        (number,) = row(database, "SELECT connection_id()")
        with pytest.raises(DatabaseUnavailable):
            row(database, HANG)
        end_session(database, number)
        assert row(database, "SELECT 1") == (1,)


def end_session(database: Database, number: int) -> None:
    """End a session of the server, unless it has ended."""
    try:
        database.write(lambda it: it.execute(text(f"KILL {number}")))
    except StorageError as error:
        if "Unknown thread" not in str(error):
            raise
