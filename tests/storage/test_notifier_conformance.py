"""Every store: listeners are woken when there is work, if the database has notifications."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from oracle import MemoryStore
from support.builders.events import (
    LEASE,
    NOON,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    matched_events,
    only_stream,
    ready_to_fire,
)
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from winchester_core.clock import ClockKind, FixedTime, StreamClock
from winchester_core.model.stream import Reason
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.storage.records import Completion, Failure
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.dialects.postgresql_notifier import PostgresqlNotifier
from winchester_core.storage.sql.store import SqlStore
from winchester_core.testing import FakeClock
from winchester_core.worker import Worker, WorkerOptions
from winchester_core.worker.options import WorkerConfiguration
from winchester_handlers.logger import LoggerHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.servers.databases import Databases
    from winchester_core.storage.interface import Store

TIMEOUT_SECONDS = BOUND_SECONDS


class RecordingListener:
    """A listener that records wake calls."""

    def __init__(self) -> None:
        self._called = threading.Event()

    def wake(self) -> None:
        self._called.set()

    def is_called(self) -> bool:
        """Return whether a call arrives in time, or arrived since the last wait."""
        called = self._called.wait(TIMEOUT_SECONDS)
        self._called.clear()
        return called

    def clear(self) -> None:
        """Clear recorded calls."""
        self._called.clear()

    @property
    def is_silent(self) -> bool:
        return not self._called.is_set()


@pytest.fixture(params=["memory", "postgresql"])
def notifying_store(request: pytest.FixtureRequest, databases: Databases) -> Store:
    """A store with notifications."""
    if request.param == "memory":
        return MemoryStore(FakeClock(NOON))
    return SqlStore(databases.emptied(request.param))


@pytest.fixture
def listener(notifying_store: Store) -> Iterator[RecordingListener]:
    listener = RecordingListener()
    with notifying_store.listen(listener.wake):
        if isinstance(notifying_store, SqlStore):
            assert (
                listener.is_called()
            )  # listening starts with a call, as earlier notifications are lost
        yield listener


def make_ready(store: Store) -> None:
    ready_to_fire(store, "a")


def release(store: Store) -> None:
    store.release(claim_all(store))


def release_all(store: Store) -> None:
    claim_all(store, worker="lost")
    store.release_all("lost")


def reset(store: Store) -> None:
    (claim,) = claim_all(store)
    store.fail(Failure(claim, "failed", LEASE, final=True), 5)
    store.reset_stream(claim.stream_id)


def complete_with_an_event_that_makes_ready(store: Store) -> None:
    (claim,) = claim_all(store)
    made = tuple(matched_events([VM], [make_event("made", "vm.end", instance="b")]))
    store.complete([Completion(claim, made)], FixedTime(NOON))


@pytest.mark.parametrize(
    "act", [release, release_all, reset, complete_with_an_event_that_makes_ready]
)
def test_an_operation_that_makes_a_stream_ready_wakes_listeners(
    notifying_store: Store, listener: RecordingListener, act: Callable[[Store], None]
) -> None:
    make_ready(notifying_store)
    assert listener.is_called()
    act(notifying_store)
    assert listener.is_called()


def test_an_event_that_makes_nothing_ready_wakes_nobody(
    notifying_store: Store, listener: RecordingListener
) -> None:
    ingest(notifying_store, VM, make_event("1"))
    assert listener.is_silent
    make_ready(notifying_store)
    assert listener.is_called()


def test_no_calls_after_the_context_ends(notifying_store: Store) -> None:
    listener = RecordingListener()
    with notifying_store.listen(listener.wake):
        pass
    listener.clear()
    make_ready(notifying_store)
    assert listener.is_silent


def test_every_store_works_while_listened_to(store: Store) -> None:
    with store.listen(lambda: None):
        ready_to_fire(store, "a")
        assert len(claim_all(store)) == 1


def test_a_listener_reconnects_and_misses_nothing(
    databases: Databases,
) -> None:
    store = SqlStore(databases.emptied("postgresql"))
    listener = RecordingListener()
    with store.listen(listener.wake):
        assert listener.is_called()
        cut_listeners(store)
        assert listener.is_called()  # of the new connection
        make_ready(store)
        assert listener.is_called()


def test_a_notification_during_the_check_of_the_server_wakes_listeners(
    databases: Databases,
) -> None:
    database = databases.emptied("postgresql")
    wakes: list[str] = []
    notifications = iter([database.dialect.notifier(database.engine).notify])

    def check(connection: Any) -> bool:
        for notify in notifications:  # only once
            notify()
            connection.execute("SELECT pg_sleep(0.1)")  # the notification arrives during a query
        return True

    with PostgresqlNotifier(database.engine, check).listen(lambda: wakes.append("woken")):
        wait_until(lambda: len(wakes) == 2)  # for the new connection, and for the notification


def cut_listeners(store: SqlStore) -> None:
    with store.database.engine.connect() as connection:
        cut = connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() "
                "AND (query LIKE 'LISTEN%' OR query LIKE 'SHOW%')"
            )
        ).scalar_one()
    assert cut == 1


def test_a_failed_notification_only_delays_work(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlStore(databases.emptied("postgresql"))
    with closing(Database("postgresql://nobody@127.0.0.1:1/none")) as nowhere:
        monkeypatch.setattr(store, "notifier", nowhere.dialect.notifier(nowhere.engine))
        ready_to_fire(store, "a")
    assert only_stream(store, instance="a").fire_timestamp == at(0)


def test_an_idle_worker_is_woken_to_fire_a_stream_and_to_stop(notifying_store: Store) -> None:
    fired = threading.Event()

    class SignalingHandler(LoggerHandler):
        def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
            if env["reason"] == Reason.FIRE:
                fired.set()
            return events

    pipelines = {
        name: PipelineDefinition(
            name, (HandlerSpec("signaling", SignalingHandler, {"level": "INFO"}),)
        )
        for name in ("fire", "expire")
    }
    worker = Worker(
        store=notifying_store,
        stream_clock=StreamClock(ClockKind.SYSTEM, notifying_store, FakeClock(NOON)),
        configuration=WorkerConfiguration(
            [VM],
            pipelines,
            WorkerOptions(idle_delay_seconds=10_000),
        ),
    )
    idle = threading.Event()
    read_backlog = notifying_store.backlog

    def recorded_backlog(*arguments: Any) -> Any:
        found = read_backlog(*arguments)
        if found.is_idle:
            idle.set()
        return found

    notifying_store.backlog = recorded_backlog  # type: ignore[method-assign]
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        assert idle.wait(TIMEOUT_SECONDS)
        ready_to_fire(notifying_store, "a")
        assert fired.wait(TIMEOUT_SECONDS)
    finally:
        worker.stop()
        thread.join(TIMEOUT_SECONDS)
    assert not thread.is_alive()
