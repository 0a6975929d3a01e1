"""The batching SQL engine agrees with the memory oracle, which works event by event.

Compared after every step: the results of the store and the order of claims; after every third step
and the last: all events, streams, members, progress, states and times. Surrogate keys may differ.
Every database executes the same runs, under the test's clock.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle import MemoryStore
from support.builders.engine_steps import Step, runs
from support.probes.hypothesis_examples import examples
from support.scenes.engine_runs import Run, StreamTime
from support.scenes.sql_stores import LATER
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from support.scenes.sql_stores import SqlStores

stream_times = st.sampled_from(
    [
        StreamTime(by_events=False),
        StreamTime(by_events=True),
        StreamTime(by_events=True, max_jump=timedelta(days=1)),
    ]
)


EXAMPLES = {"sqlite": examples(100), "postgresql": examples(60), "mariadb": examples(60)}
"""In a complete run, as many as each database does in about ten seconds."""


def assert_alike(one: Run, other: Run, run: list[Step]) -> None:
    for number, step in enumerate(run, start=1):
        assert one.do(step) == other.do(step), step
        if number % 3 == 0 or number == len(run):
            assert one.state() == other.state(), step


def test_the_sql_engine_agrees_with_the_memory_oracle(stores: SqlStores) -> None:
    @given(run=runs, time=stream_times)
    @settings(max_examples=EXAMPLES[stores.backend])
    def agree(run: list[Step], time: StreamTime) -> None:
        sql_clock, memory_clock = FakeClock(LATER), FakeClock(LATER)
        on_sql = Run(stores.fresh(sql_clock), sql_clock, time)
        in_memory = Run(MemoryStore(memory_clock), memory_clock, time)
        assert_alike(on_sql, in_memory, run)

    agree()


@given(run=runs, time=stream_times, size=st.integers(1, 4))
@settings(max_examples=examples(30))
def test_any_batch_size_gives_the_same_result(
    sqlite: SqlStores, other_sqlite: SqlStores, run: list[Step], time: StreamTime, size: int
) -> None:
    clock, other_clock = FakeClock(LATER), FakeClock(LATER)
    at_once = Run(sqlite.fresh(clock), clock, time)
    in_parts = Run(other_sqlite.fresh(other_clock), other_clock, time, batch_size=size)
    assert_alike(at_once, in_parts, run)
