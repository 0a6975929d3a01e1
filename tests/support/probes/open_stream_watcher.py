"""Repeated checks of the open streams while programs run."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from winchester_core.bootstrap import load_settings, open_store
from winchester_core.storage.sql.tables import stream_traits, streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from support.scenes.sites import Site

PAUSE_SECONDS = 0.05


class Watcher:
    """Collects every group seen with two open streams, by traits rather than keys."""

    def __init__(self, site: Site) -> None:
        self.looks = 0
        self.most_open = 0
        self.doubles: set[tuple[object, ...]] = set()
        self.error: Exception | None = None
        self._store = open_store(load_settings({"database": {"url": site.url}}))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch within this context."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            self._store.close()

    def check(self) -> None:
        """Assert that it has looked, and never seen two open streams of a group."""
        assert self.error is None
        assert self.doubles == set()
        assert self.looks > 3
        assert self.most_open > 0

    def _watch(self) -> None:
        try:
            while not self._stop.wait(PAUSE_SECONDS):
                self._store.database.read(self._look)
        except Exception as error:  # noqa: BLE001 - raised by `check`, in the test's own thread
            self.error = error

    def _look(self, connection: Connection) -> None:
        query = (
            select(streams.c.id, streams.c.name, stream_traits.c.name, stream_traits.c.digest)
            .join(stream_traits, stream_traits.c.stream_id == streams.c.id)
            .where(streams.c.open_key.is_not(None))
        )
        groups: dict[int, set[object]] = defaultdict(set)
        for stream_id, trigger, trait, digest in connection.execute(query):
            groups[stream_id] |= {trigger, (trait, bytes(digest))}
        seen: set[frozenset[object]] = set()
        for group in map(frozenset, groups.values()):
            if group in seen:
                self.doubles.add(tuple(group))
            seen.add(group)
        self.looks += 1
        self.most_open = max(self.most_open, len(groups))


def check_open_key_is_unique(site: Site) -> None:
    """Assert that the database refuses a second open stream of a group."""
    with site.store() as store:
        engine = store.database.engine
        with engine.connect() as connection:
            query = select(streams).where(streams.c.open_key.is_not(None)).limit(1)
            row = dict(connection.execute(query).one()._mapping)
        del row["id"]
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(insert(streams).values(row))
