"""No page scans a whole table, by SQLite's query plans."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, VM, at, ingest, make_event, only_stream
from support.builders.operations import OPENED, make_action, make_report, trigger
from support.probes.sqlite_plans import full_scans
from support.probes.statement_counts import metered
from support.scenes.outbox_operations import make_dead_letter
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamState
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.filters import EventFilter, ListOrder, RejectedFilter, StreamFilter
from winchester_core.storage.operation_records import ActionFilter
from winchester_core.storage.records import Rejection
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from support.servers.databases import Databases

ROWS = 30
FEW = 5
"""A bound that is exceeded, so that windows are searched."""


@pytest.fixture(scope="module")
def filled(databases: Databases) -> SqlStore:
    """A store with some rows of each kind and current statistics."""
    store = SqlStore(databases.emptied("sqlite"))
    ingest(store, VM, *(make_event(f"e{n}", seconds=n, instance=n % 7) for n in range(ROWS)))
    for number in range(ROWS):
        store.insert_rejected([Rejection("s", "event", "bad", b"{", 1, number.to_bytes(32))])
        store.record_action(make_action())
    store.report_process(make_report(), {trigger(f"t{number}"): OPENED for number in range(ROWS)})
    make_dead_letter(store)
    with store.database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
    return store


FILTERS: list[tuple[str, Any]] = [
    ("events", EventFilter()),
    ("events", EventFilter("vm.update")),
    ("events", EventFilter("vm.*", since=at(3))),
    ("events", EventFilter("*.update")),
    ("events", EventFilter(since=at(3), until=at(9))),
    ("events", EventFilter(traits={"instance": 3})),
    ("streams", StreamFilter()),
    ("streams", StreamFilter(name="vm")),
    ("streams", StreamFilter(name="vm", states=(StreamState.ACTIVE,))),
    ("streams", StreamFilter(states=(StreamState.ERROR, StreamState.ACTIVE))),
    ("streams", StreamFilter(is_open=True)),
    ("streams", StreamFilter(is_open=False)),
    ("streams", StreamFilter(younger_than=NOON)),
    ("streams", StreamFilter(last_event_older_than=at(9))),
    ("streams", StreamFilter(traits={"instance": 3})),
    ("streams", StreamFilter(message_id="e3")),
    ("streams", StreamFilter(event_type="vm.update")),
    ("streams", StreamFilter(event_type="*.update")),
    ("streams", StreamFilter(error_text="x")),
    ("rejected", RejectedFilter()),
    ("rejected", RejectedFilter(source="s", kind="event")),
    ("rejected", RejectedFilter(younger_than=NOON)),
    ("rejected", RejectedFilter(kind="event")),
    ("effects", EffectFilter()),
    ("effects", EffectFilter(state=EffectState.DEAD)),
    ("effects", EffectFilter(state=EffectState.DEAD, pipeline="fire", handler="mail")),
    ("effects", EffectFilter(stream_id=1)),
    ("effects", EffectFilter(handler="mail")),
    ("actions", ActionFilter()),
    ("actions", ActionFilter(younger_than=NOON)),
    ("actions", ActionFilter(name="anna")),
]


@pytest.mark.parametrize(("kind", "filters"), FILTERS)
@pytest.mark.parametrize("max_rows", [FEW, 10_000])
@pytest.mark.parametrize("order", ListOrder)
def test_a_page_scans_no_table(
    filled: SqlStore, kind: str, filters: Any, max_rows: int, order: ListOrder
) -> None:
    page_of = partial(getattr(filled, f"page_of_{kind}"), filters, order=order, max_rows=max_rows)
    with metered(filled.database) as meter:
        first = page_of(limit=2)
        page_of(limit=2, after=first.keys[-1] if first.keys else (3,))
    assert len(meter) >= 2
    assert full_scans(filled, meter.statements) == []


@pytest.mark.parametrize("order", ListOrder)
def test_a_page_of_events_by_timestamp_scans_no_table(filled: SqlStore, order: ListOrder) -> None:
    with metered(filled.database) as meter:
        for filters in (EventFilter(), EventFilter("vm.*"), EventFilter("*", since=at(3))):
            for max_rows in (FEW, 10_000):
                page_of = partial(filled.page_of_events, order=order, by_timestamp=True, limit=2)
                first = page_of(filters, max_rows=max_rows)
                page_of(filters, max_rows=max_rows, after=first.keys[-1])
    assert full_scans(filled, meter.statements) == []


def test_a_page_of_a_streams_events_scans_no_table(filled: SqlStore) -> None:
    stream = only_stream(filled, instance=3)
    with metered(filled.database) as meter:
        first = filled.page_of_stream_events(stream.id, limit=2, max_rows=3)
        filled.page_of_stream_events(stream.id, limit=2, max_rows=3, after=first.keys[-1])
    assert len(first.items) == 2
    assert full_scans(filled, meter.statements) == []


def test_activity_and_actions_are_found_by_index(filled: SqlStore) -> None:
    now = filled.real_time()
    with metered(filled.database) as meter:
        filled.read_activity(now, 60)
        filled.find_actions(ActionFilter(younger_than=now))
        filled.delete_activity(timedelta(), 10)
    assert full_scans(filled, meter.statements) == []
