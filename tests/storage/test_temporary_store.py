"""The temporary database of dry runs: private, empty at first, deleted when it is closed."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from support.builders.events import VM, ingest, make_event
from winchester_core.storage.sql.tables import metadata_for_ddl
from winchester_core.storage.sql.temporary import TemporaryStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest
    from sqlalchemy import Connection


def ids(store: TemporaryStore) -> list[str]:
    return [event["message_id"] for event in store.find_events()]


def test_each_store_has_a_separate_database() -> None:
    with closing(TemporaryStore()) as one, closing(TemporaryStore()) as other:
        ingest(one, VM, make_event("m1", instance="i"))
        assert (ids(one), ids(other)) == (["m1"], [])


def test_a_new_store_is_empty_after_a_filled_one() -> None:
    for _ in range(3):
        with closing(TemporaryStore()) as store:
            assert (ids(store), store.event_clock()) == ([], None)
            ingest(store, VM, make_event("m1", instance="i"))


def test_closing_twice_does_not_affect_the_next_store() -> None:
    before = TemporaryStore()
    before.close()
    with closing(TemporaryStore()) as store:
        ingest(store, VM, make_event("m1", instance="i"))
        before.close()
        assert ids(store) == ["m1"]


def test_it_has_the_tables_of_the_current_schema() -> None:
    def differences(connection: Connection) -> Sequence[object]:
        context = MigrationContext.configure(connection)
        return list(compare_metadata(context, metadata_for_ddl()))

    with closing(TemporaryStore()) as store:
        assert store.database.read(differences) == []


def test_threads_share_its_connection() -> None:
    with closing(TemporaryStore()) as store:

        def work(number: int) -> None:
            for turn in range(20):
                ingest(store, VM, make_event(f"m{number} {turn}", instance=f"i{number}"))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.count_events() == 80


def test_a_database_larger_than_the_cache_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with closing(TemporaryStore()) as store:
        store.database.write(lambda connection: connection.exec_driver_sql("PRAGMA cache_size=10"))
        for number in range(20):
            made = [make_event(f"m{number} {i}", instance="i", text="x" * 500) for i in range(50)]
            ingest(store, VM, *made)
        assert store.count_events() == 1000
        assert list(tmp_path.iterdir()) == []
