"""A library that fails on one message of a batch costs that message; the source goes on."""

from __future__ import annotations

import importlib
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import VM, ingest, make_event
from support.builders.odd_exceptions import Unprintable
from support.servers.databases import BACKENDS
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.ingest import Ingester
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.ingester import IngestConfiguration
from winchester_core.ingest.pump import SourcePump
from winchester_core.interfaces import EventSource
from winchester_core.model.message import EventStatus, Message, MessageKind
from winchester_core.storage.sql.dialects.driver_statements import RowEncoder
from winchester_core.storage.sql.store import SqlStore
from winchester_core.testing import FakeClock
from winchester_core.triggers.batch_plan import BatchPlan
from winchester_core.triggers.grouping import Grouping
from winchester_core.triggers.matcher import TriggerSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from support.servers.databases import Databases

MESSAGES = 100
POISON = "poison-57"


EXCEPTIONS = {
    "KeyError": KeyError("odd"),
    "RecursionError": RecursionError("odd"),
    "UnicodeEncodeError": UnicodeEncodeError("ascii", "\u00e9", 0, 1, "odd"),
    "Unprintable": Unprintable(),
}

STATEMENTS = "winchester_core.storage.sql.dialects.driver_statements"
CURSORS = {
    "psycopg": ("winchester_core.storage.sql.dialects.postgresql_cursor", "UnpreparedCursor"),
    "pymysql": ("pymysql.cursors", "Cursor"),
    "mysqldb": ("winchester_core.storage.sql.dialects.mysqlclient_connection", "LiteralCursor"),
}
"""The classes of cursors, by driver."""

CALLS: dict[str, tuple[Any, str]] = {
    "parse": ("winchester_core.ingest.decoding", "read_object"),
    "clean": ("winchester_core.ingest.decoding", "clean_event"),
    "match": (TriggerSet, "match"),
    "group": (Grouping, "group_of"),
    "plan": (BatchPlan, "add_event"),
    "start a stream": ("winchester_core.triggers.progress", "start"),
    "make a row": ("winchester_core.storage.sql.ingest", "_row_from_event"),
}
"""Functions that get a message, or an event, on every database."""


class BatchSource(EventSource):
    """Returns a batch with the bad message, then another one."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = [
            [message(POISON if number == 57 else f"m-{number}") for number in range(MESSAGES)],
            [message(f"later-{number}") for number in range(10)],
        ]
        self.acked: list[str] = []
        self.rejected: dict[str, str] = {}

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        batch = self.batches.pop(0)
        self.exhausted = not self.batches
        return batch

    def ack(self, messages: Sequence[Message]) -> None:
        self.acked += [id_of(each) for each in messages]

    def reject(self, message: Message, reason: str) -> None:
        self.rejected[id_of(message)] = reason


def message(message_id: str) -> Message:
    event = {
        "message_id": message_id,
        "event_type": "vm.begin",
        "timestamp": "2015-01-20T10:00:00Z",
        "instance": f"of {message_id}",
    }
    return Message(json.dumps(event).encode(), MessageKind.EVENT)


def unreadable(fault: str) -> Message:
    """Return a message of which the source has found that it cannot be read."""
    received_from = "caf\udce9.jsonl, line 1"  # a name of a file that is not UTF-8
    return Message(b"{}", MessageKind.EVENT, fault=fault, received_from=received_from)


def id_of(message: Message) -> str:
    assert isinstance(message.body, bytes)
    message_id: str = json.loads(message.body)["message_id"]
    return message_id


def contains_poison(value: Any) -> bool:
    """Return whether a value, or what it consists of, contains the id of the bad message.

    Bytes within it are not searched: the body of the rejected message is stored.
    """
    match value:
        case str():
            return POISON in value
        case dict():
            return any(map(contains_poison, value.values()))
        case list() | tuple():
            return any(map(contains_poison, value))
    return False


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, databases: Databases) -> Iterator[SqlStore]:
    store = SqlStore(databases.emptied(request.param))
    yield store
    store.database.engine.dispose()


def fail_on_poison(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception
) -> None:
    """Let a function raise when its arguments contain the poison."""
    real: Callable[..., Any] = getattr(owner, name)

    def faulty(*args: Any, **options: Any) -> Any:
        if contains_poison([str(each) if isinstance(each, bytes) else each for each in args]):
            raise error
        return real(*args, **options)

    monkeypatch.setattr(owner, name, faulty)


def fail_to_fetch_poison(monkeypatch: pytest.MonkeyPatch, cursor: Any, error: Exception) -> None:
    """Let a cursor raise in `fetchall` after it executed a statement with the poison."""
    execute, fetchall = cursor.execute, cursor.fetchall
    poisoned: set[int] = set()

    def note(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        if contains_poison(params):
            poisoned.add(id(self))
        return execute(self, query, params, **options)

    def faulty(self: Any) -> Any:
        if id(self) in poisoned:
            poisoned.discard(id(self))
            raise error
        return fetchall(self)

    monkeypatch.setattr(cursor, "execute", note)
    monkeypatch.setattr(cursor, "fetchall", faulty)


def cursor_of(store: SqlStore) -> Any:
    """Return the class of the driver's cursors."""
    module, name = CURSORS[store.database.engine.dialect.driver]
    return getattr(importlib.import_module(module), name)


def make_ingester(store: SqlStore) -> Ingester:
    return Ingester(
        store=store,
        stream_clock=StreamClock(ClockKind.SYSTEM, store, FakeClock()),
        configuration=IngestConfiguration([VM], Decoder(None)),
        conditions={},
    )


def pump(store: SqlStore, source: BatchSource | None = None) -> BatchSource:
    """Run a source to its end."""
    source = source or BatchSource()
    SourcePump("list", source, make_ingester(store), batch_size=1000, stop=threading.Event()).run()
    return source


def check_only_poison_is_rejected(
    store: SqlStore, source: BatchSource, error: Exception, earlier: Sequence[str] = ()
) -> None:
    ids = {f"m-{number}" for number in range(MESSAGES) if number != 57}
    ids |= {f"later-{number}" for number in range(10)}
    assert set(source.acked) == ids
    stored = {*ids, *earlier}
    assert {each["message_id"] for each in store.find_events(limit=1000)} == stored
    assert store.count_streams() == len(stored)
    assert list(source.rejected) == [POISON]
    assert type(error).__name__ in source.rejected[POISON]
    (rejected,) = store.find_rejected(limit=10)
    assert POISON.encode() in store.get_rejected(rejected.id).body
    assert type(error).__name__ in rejected.reason


ERRORS = pytest.mark.parametrize("error", EXCEPTIONS.values(), ids=EXCEPTIONS)
SERVERS = pytest.mark.parametrize("store", ["postgresql", "mariadb"], indirect=True)


@ERRORS
@pytest.mark.parametrize(("owner", "name"), CALLS.values(), ids=CALLS)
def test_a_failing_function_costs_its_message(
    store: SqlStore, owner: Any, name: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = importlib.import_module(owner) if isinstance(owner, str) else owner
    fail_on_poison(monkeypatch, owner, name, error)
    check_only_poison_is_rejected(store, pump(store), error)


@ERRORS
def test_a_value_that_cannot_be_encoded_costs_its_message(
    store: SqlStore, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("encode", "encode_columns"):
        fail_on_poison(monkeypatch, RowEncoder, name, error)
    check_only_poison_is_rejected(store, pump(store), error)


@ERRORS
def test_a_statement_that_the_driver_cannot_send_costs_its_message(
    store: SqlStore, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store.database.dialect.embedded:  # the cursors of its driver cannot be replaced
        module = importlib.import_module(STATEMENTS)
        for name in ("execute", "execute_insert", "fetch"):
            fail_on_poison(monkeypatch, module, name, error)
    else:
        fail_on_poison(monkeypatch, cursor_of(store), "execute", error)
    check_only_poison_is_rejected(store, pump(store), error)


@ERRORS
@SERVERS
def test_a_result_that_the_driver_cannot_read_costs_its_message(
    store: SqlStore, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_fetch_poison(monkeypatch, cursor_of(store), error)
    check_only_poison_is_rejected(store, pump(store), error)


@ERRORS
def test_an_open_stream_that_cannot_be_decoded_costs_its_message(
    store: SqlStore, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = make_event("earlier", instance=f"of {POISON}")
    ingest(store, VM, earlier)

    def faulty(_row: Any) -> Any:  # no other message joins a stream that is stored
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("winchester_core.storage.sql.stream_rows.decode_open_stream", faulty)
        source = pump(store)
    check_only_poison_is_rejected(store, source, error, earlier=["earlier"])


def test_a_reason_that_no_database_can_store_is_escaped(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest-xdist cannot send captured records with surrogates
    monkeypatch.setattr(logging.getLogger("winchester_core"), "propagate", False)
    source = BatchSource()
    source.batches[0] = [unreadable("NUL \0, surrogate \ud800")]
    source.reject = lambda message, reason: None  # type: ignore[method-assign]
    pump(store, source)
    (rejected,) = store.find_rejected(limit=10)
    assert rejected.reason == r"caf\udce9.jsonl, line 1: NUL \x00, surrogate \ud800"
    assert store.count_events() == 10


def test_a_batch_larger_than_a_packet_of_the_server_is_stored(store: SqlStore) -> None:
    text = "x" * 21_000
    events = [make_event(f"m{number}", seconds=number, text=text) for number in range(1000)]
    result = make_ingester(store).add_events(events)
    assert {each.status for each in result.outcomes} == {EventStatus.STORED}
    assert len(store.find_events(limit=1000)) == 1000
