"""Ready streams that are committed late, beside streams of unknown triggers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.events import at, ingest, make_event, make_trigger
from support.scenes.workers import HandlerWithoutCommit, Scene
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from winchester_core.storage.sql.store import SqlStore


@pytest.mark.parametrize("limits", [{}, {"fire": 1}], ids=str)
def test_a_worker_finds_a_stream_that_is_committed_after_later_ones(
    sql_store: SqlStore, limits: dict[str, int]
) -> None:
    scene = Scene(sql_store)
    ingest(
        sql_store,
        make_trigger("other"),
        *(make_event(f"o{number}", "vm.end", instance=number) for number in range(3)),
    )
    scene.clock.set(at(3000))
    scene.complete_stream("first")
    worker = scene.worker(
        handlers=(HandlerWithoutCommit,), pipeline_concurrency=limits, lease=timedelta(hours=1)
    )
    assert worker.run_once() == 1
    ingest(sql_store, scene.trigger, make_event("late", "vm.end", instance="late"), now=at(1))
    assert worker.run_once() == 0  # the queue is read from a later time
    worker.run_until_idle()
    assert {each.name for each in sql_store.find_streams(StreamFilter())} == {"other"}
