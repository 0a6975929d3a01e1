"""A process that writes to, reads, or checkpoints an SQLite database.

It ends at the first error, with its traceback.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.builders.events import FAR, claim_all, make_event, make_trigger, matched_events
from winchester_core.bootstrap import load_settings, open_store
from winchester_core.clock import EventTime
from winchester_core.model.stream import Reason
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import Completion

if TYPE_CHECKING:
    from winchester_core.storage.sql.store import SqlStore

VM = make_trigger(fire=[{"event_type": "vm.update", "number": 2}])


def opened(task: dict[str, Any]) -> closing[SqlStore]:
    return closing(open_store(load_settings({"database": {"url": task["url"]}})))


def write(task: dict[str, Any]) -> None:
    """Ingest into streams shared by all writers, and fire the ready ones."""
    for number in range(task["rounds"]):
        with opened(task) as store:
            for place in range(task["in_a_round"]):
                name = f"{task['number']}/{number}/{place}"
                event = make_event(name, seconds=number, instance=place)
                store.record(matched_events([VM], [event]), EventTime(timedelta(days=1)))
            fire(store, f"w{task['number']}")
    with opened(task) as store:
        while claims := claim_all(store, Reason.EXPIRE, FAR, worker=f"w{task['number']}"):
            complete(store, claims)


def fire(store: SqlStore, worker: str) -> None:
    claims = claim_all(store, Reason.FIRE, FAR, worker=worker)
    assert store.renew(claims, timedelta(minutes=5)) == claims
    complete(store, claims)


def complete(store: SqlStore, claims: list[Any]) -> None:
    completions = [Completion(claim, purge=False) for claim in claims]
    done = store.complete(completions, EventTime(advances=False))
    assert len(done.stream_ids) == len(claims)


def read(task: dict[str, Any]) -> None:
    while not Path(task["stop"]).exists():
        with opened(task) as store:
            for stream in store.find_streams(StreamFilter(), limit=1000):
                assert stream.event_count <= len(store.get_stream_events(stream.id))
            store.count_events(EventFilter())


def checkpoint(task: dict[str, Any]) -> None:
    """Checkpoint the log repeatedly; a checkpoint succeeds only without other users."""
    while not Path(task["stop"]).exists():
        with opened(task) as store, store.database.engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.rollback()
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    given = json.loads(sys.argv[1])
    {"write": write, "read": read, "checkpoint": checkpoint}[given["role"]](given)
