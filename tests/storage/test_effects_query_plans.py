"""Query plans of PostgreSQL and MariaDB with many effects: they read only what a worker claims.

With and without table statistics: a queue that was empty until now has no useful ones.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from support.builders.bulk_rows import analyze
from support.builders.events import LEASE
from support.probes.query_plans import Reading, readings
from winchester_core.model.effect import EffectState, Endpoint
from winchester_core.storage.effect_records import (
    EffectDelayed,
    EffectDelivered,
    EffectFilter,
    EffectRefused,
)
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.sql import effect_rows, keyset
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from support.servers.databases import Databases

MAIL = Endpoint("fire", "mail")
ORDERING_KEYS = 2_000
PER_KEY = 4
TAKEN = 16
HOUR = timedelta(hours=1)


@pytest.fixture(
    scope="module",
    params=[(name, known) for name in ("postgresql", "mariadb") for known in (False, True)],
    ids=lambda each: f"{each[0]}-{'with' if each[1] else 'without'}-statistics",
)
def filled(request: pytest.FixtureRequest, databases: Databases) -> SqlStore:
    """A store with many effects; every hundredth ordering key is dead."""
    backend, known = request.param
    store = SqlStore(databases.emptied(backend))
    analyze(store.database)  # while the table is empty
    now = store.real_time()
    rows = [
        {
            "effect_id": str(uuid.uuid4()),
            "stream_id": key,
            "stream_name": "vm",
            "pipeline": MAIL.pipeline,
            "handler": MAIL.handler,
            "place": MAIL.place,
            "payload": "1",
            "payload_length": 1,
            "state": EffectState.PENDING.value if key % 100 else EffectState.DEAD.value,
            "serial_no": 0,
            "created_at": now,
            "waiting_since": now,
            "due_at": now if key % 100 and not place else None,
        }
        for key in range(ORDERING_KEYS)
        for place in range(PER_KEY)
    ]
    store.database.write(partial(effect_rows.insert_effects, rows=rows))
    if known:
        analyze(store.database)
    return store


def excessive(measured: list[Reading], rows: int) -> list[Reading]:
    """Return the statements that read the whole table, or more than `rows`."""
    return [each for each in measured if each.whole_tables or each.rows > rows]


def test_a_worker_reads_only_what_it_claims(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        claims = filled.claim_effects(MAIL, worker="w", limit=TAKEN, lease=LEASE)
        filled.renew_effects(claims, LEASE)
        counts = filled.apply_effect_results(
            [
                *map(EffectDelivered, claims[:6]),
                *(EffectRefused(claim, "no") for claim in claims[6:9]),
                *(EffectDelayed(claim, HOUR, "busy") for claim in claims[9:14]),
            ]
        )
        assert filled.release_effects(claims[14:]) == 2
    assert (counts.delivered, counts.dead, counts.delayed) == (6, 3, 5)
    assert len(measured) >= 7
    assert excessive(measured, rows=TAKEN * 5) == []


def test_an_idle_worker_reads_almost_nothing(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        filled.next_effect_seconds(MAIL)
        filled.next_effect_seconds(Endpoint("fire", "fax"))
        filled.claim_effects(Endpoint("fire", "fax"), worker="w", limit=TAKEN, lease=LEASE)
        filled.mark_overdue_effects_dead(max_age=HOUR, limit=TAKEN)
    assert len(measured) >= 4
    assert excessive(measured, rows=1) == []


def test_statistics_read_the_smaller_set_of_effects(filled: SqlStore) -> None:
    fax = Endpoint("fire", "fax")
    change = "UPDATE effects SET handler = 'fax' WHERE stream_id BETWEEN 1001 AND 1005"
    filled.database.write(lambda connection: connection.exec_driver_sql(change))
    with readings(filled.database) as measured:
        statistics = filled.statistics(None)
    statistics_readings = [each for each in measured if "waiting_since" in each.statement]
    assert statistics.effects[fax].pending == 5 * PER_KEY
    assert len(statistics_readings) == 2
    assert excessive(statistics_readings, rows=3 * 5 * PER_KEY) == []


WINDOW = 500
PASSED_OVER = 3 * PER_KEY
"""Rows of other states in a window, if it is read by the primary key."""
NEVER = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "filled",
    [("postgresql", True), ("mariadb", True)],
    indirect=True,
    ids=["postgresql", "mariadb"],
)
@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        (EffectFilter(), 20),
        (EffectFilter(state=EffectState.PENDING), 20 + PASSED_OVER),
        (EffectFilter(state=EffectState.DEAD), 20),
        (EffectFilter(state=EffectState.DISCARDED), 1),
        (EffectFilter(stream_id=1), WINDOW + PER_KEY),
        (EffectFilter(stream_id=ORDERING_KEYS), WINDOW + PER_KEY),
        (EffectFilter(pipeline="none"), WINDOW),
        (EffectFilter(pipeline="fire", handler="none"), WINDOW),
        (EffectFilter(handler="none"), WINDOW),
        (EffectFilter(older_than=NEVER), WINDOW),
        (EffectFilter(state=EffectState.DEAD, older_than=NEVER), WINDOW),
        (EffectFilter(state=EffectState.PENDING, older_than=NEVER), WINDOW + PASSED_OVER),
    ],
)
def test_a_list_is_read_in_windows_or_an_index_range(
    filled: SqlStore,
    monkeypatch: pytest.MonkeyPatch,
    filters: EffectFilter,
    rows: int,
    order: ListOrder,
) -> None:
    monkeypatch.setattr(keyset, "SCAN_WINDOW_ROWS", WINDOW)
    with readings(filled.database) as measured:
        found = filled.find_effects(filters, limit=20, order=order)
        filled.find_effects(filters, cursor=found[-1].id if found else 4_000, limit=20, order=order)
    assert excessive(measured, rows=rows) == []


def test_an_operator_reads_one_ordering_key(filled: SqlStore) -> None:
    letter = filled.find_effects(EffectFilter(state=EffectState.DEAD), limit=1)[0]
    with readings(filled.database) as measured:
        filled.retry_effect(letter.id)
        filled.discard_effect(letter.id)
        filled.get_effect(letter.id + 1)
    assert excessive(measured, rows=PER_KEY * 2) == []


def test_an_operator_reads_the_streams_of_several_effects(filled: SqlStore) -> None:
    ids = [each.id for each in filled.find_effects(limit=20)]
    with readings(filled.database) as measured:
        assert filled.retry_effects(ids) == set(ids)
        assert filled.discard_effects(ids[1::PER_KEY]) == set(ids[1::PER_KEY])
    assert len(measured) >= 5
    assert excessive(measured, rows=6 * len(ids)) == []  # versions of updated rows, too


@pytest.mark.parametrize(
    "filled",
    [("postgresql", True), ("mariadb", True)],
    indirect=True,
    ids=["postgresql", "mariadb"],
)
@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize(
    "filters",
    [
        EffectFilter(state=EffectState.PENDING),
        EffectFilter(state=EffectState.DEAD),
        EffectFilter(stream_id=1),
        EffectFilter(pipeline="fire"),
        EffectFilter(pipeline="fire", handler="none"),
        EffectFilter(handler="none"),
        EffectFilter(state=EffectState.DEAD, older_than=NEVER),
        EffectFilter(state=EffectState.PENDING, older_than=NEVER, pipeline="fire"),
    ],
)
def test_a_page_reads_a_bounded_number_of_rows(
    filled: SqlStore, filters: EffectFilter, order: ListOrder
) -> None:
    with readings(filled.database) as measured:
        page = filled.page_of_effects(filters, limit=20, order=order, max_rows=WINDOW)
        after = page.keys[-1] if page.keys else (4_000,)
        filled.page_of_effects(filters, after=after, limit=20, order=order, max_rows=WINDOW)
    assert excessive(measured, rows=4 * WINDOW) == []
