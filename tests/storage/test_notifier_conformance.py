"""Every store: whoever listens hears that there is work, where the database can tell."""

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
from winchester_core.model.stream import Reason
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.storage.records import Completion, Failure
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.stream_clock import ClockKind, StreamClock
from winchester_core.testing import FakeClock
from winchester_core.triggers.batch_plan import FixedTime
from winchester_core.worker import Worker, WorkerOptions
from winchester_handlers.logger import LoggerHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.servers.databases import Databases
    from winchester_core.storage.interface import Store

PATIENCE_SECONDS = BOUND_SECONDS


class Ear:
    """Hears the calls of a store."""

    def __init__(self) -> None:
        self._heard = threading.Event()

    def wake(self) -> None:
        self._heard.set()

    def hears(self) -> bool:
        """Whether a call has come, or comes soon, since this was last asked."""
        heard = self._heard.wait(PATIENCE_SECONDS)
        self._heard.clear()
        return heard

    def forget(self) -> None:
        """Forget what was heard."""
        self._heard.clear()

    @property
    def is_silent(self) -> bool:
        return not self._heard.is_set()


@pytest.fixture(params=["memory", "postgresql"])
def telling_store(request: pytest.FixtureRequest, databases: Databases) -> Store:
    """A store that can tell."""
    if request.param == "memory":
        return MemoryStore(FakeClock(NOON))
    return SqlStore(databases.emptied(request.param))


@pytest.fixture
def ear(telling_store: Store) -> Iterator[Ear]:
    listening = Ear()
    with telling_store.listen(listening.wake):
        if isinstance(telling_store, SqlStore):
            assert listening.hears()  # whoever begins to listen may have missed something
        yield listening


def decide(store: Store) -> None:
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


def complete_with_an_event_that_decides(store: Store) -> None:
    (claim,) = claim_all(store)
    made = tuple(matched_events([VM], [make_event("made", "vm.end", instance="b")]))
    store.complete([Completion(claim, made)], FixedTime(NOON))


@pytest.mark.parametrize("act", [release, release_all, reset, complete_with_an_event_that_decides])
def test_what_makes_a_stream_ready_is_heard(
    telling_store: Store, ear: Ear, act: Callable[[Store], None]
) -> None:
    decide(telling_store)
    assert ear.hears()
    act(telling_store)
    assert ear.hears()


def test_an_event_that_decides_nothing_is_not_heard(telling_store: Store, ear: Ear) -> None:
    ingest(telling_store, VM, make_event("1"))
    assert ear.is_silent
    decide(telling_store)
    assert ear.hears()


def test_nothing_is_heard_after_the_listening(telling_store: Store) -> None:
    ear = Ear()
    with telling_store.listen(ear.wake):
        pass
    ear.forget()
    decide(telling_store)
    assert ear.is_silent


def test_every_store_can_be_listened_to_and_does_its_work_meanwhile(store: Store) -> None:
    with store.listen(lambda: None):
        ready_to_fire(store, "a")
        assert len(claim_all(store)) == 1


def test_a_listener_whose_connection_is_cut_listens_again_and_misses_nothing(
    databases: Databases,
) -> None:
    store = SqlStore(databases.emptied("postgresql"))
    ear = Ear()
    with store.listen(ear.wake):
        assert ear.hears()
        cut_listeners(store)
        assert ear.hears()  # of the new connection
        decide(store)
        assert ear.hears()


def cut_listeners(store: SqlStore) -> None:
    with store.database.engine.connect() as connection:
        cut = connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
        ).scalar_one()
    assert cut == 1


def test_a_call_that_cannot_be_made_costs_nothing_but_time(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlStore(databases.emptied("postgresql"))
    with closing(Database("postgresql://nobody@127.0.0.1:1/none")) as nowhere:
        monkeypatch.setattr(store, "_notifier", nowhere.dialect.notifier(nowhere.engine))
        ready_to_fire(store, "a")
    assert only_stream(store, instance="a").fire_timestamp == at(0)


def test_an_idle_worker_is_woken_to_fire_a_stream_and_to_stop(telling_store: Store) -> None:
    fired = threading.Event()

    class Telling(LoggerHandler):
        def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
            if env["reason"] == Reason.FIRE:
                fired.set()
            return events

    pipelines = {
        name: PipelineDefinition(name, (HandlerSpec("telling", Telling, {"level": "INFO"}),))
        for name in ("fire", "expire")
    }
    worker = Worker(
        store=telling_store,
        stream_clock=StreamClock(ClockKind.SYSTEM, telling_store, FakeClock(NOON)),
        definitions=[VM],
        pipelines=pipelines,
        options=WorkerOptions(idle_delay_seconds=10_000),
    )
    idle = threading.Event()
    look = telling_store.backlog

    def workload(now: Any) -> Any:
        found = look(now)
        if found.is_idle:
            idle.set()
        return found

    telling_store.backlog = workload  # type: ignore[method-assign]
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        assert idle.wait(PATIENCE_SECONDS)
        ready_to_fire(telling_store, "a")
        assert fired.wait(PATIENCE_SECONDS)
    finally:
        worker.stop()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
