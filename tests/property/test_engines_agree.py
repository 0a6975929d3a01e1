"""The SQL engine, which takes batches, does what the engine in memory does event by event."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from databases import Databases
from engine_runs import Run, StreamTime
from engine_steps import Ingest, Step, batches, steps
from hypothesis import given, settings
from hypothesis import strategies as st

from winchester_core.storage.memory import MemoryStore
from winchester_core.storage.sql.store import SqlStore
from winchester_core.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from winchester_core.model.event import Event

MakeStore = Callable[[FakeClock], SqlStore] if TYPE_CHECKING else None

stream_times = st.sampled_from(
    [
        StreamTime(by_events=False),
        StreamTime(by_events=True),
        StreamTime(by_events=True, max_jump=timedelta(days=1)),
    ]
)
