"""Triggers that change while streams are open, and stream time that goes back: the engine agrees
with the memory oracle, which decides each event from the whole list of members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle import MemoryStore
from support.builders.patterns import (
    PatternStep,
    changing_patterns,
    changing_runs,
    patterns,
    wandering_runs,
)
from support.probes.hypothesis_examples import examples
from support.scenes.pattern_runs import PatternRun
from support.scenes.sql_stores import LATER
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from support.scenes.sql_stores import SqlStores
    from winchester_core.triggers.definition import TriggerDefinition


def assert_agree(
    sqlite: SqlStores,
    versions: list[TriggerDefinition],
    run: list[PatternStep],
    *,
    by_events: bool,
) -> None:
    on_sql = PatternRun(sqlite.fresh(), *versions, by_events=by_events)
    in_memory = PatternRun(MemoryStore(FakeClock(LATER)), *versions, by_events=by_events)
    for step in run:
        assert on_sql.do(step) == in_memory.do(step), step
        assert on_sql.state() == in_memory.state(), step


@given(trigger=patterns(may_keep=False), run=wandering_runs)
@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.too_slow])
def test_stream_time_may_go_back(
    sqlite: SqlStores, trigger: TriggerDefinition, run: list[PatternStep]
) -> None:
    assert_agree(sqlite, [trigger], run, by_events=False)


@given(
    versions=changing_patterns(),
    run=changing_runs,
    by_events=st.booleans(),
)
@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.too_slow])
def test_the_trigger_may_change(
    sqlite: SqlStores,
    versions: list[TriggerDefinition],
    run: list[PatternStep],
    by_events: bool,
) -> None:
    assert_agree(sqlite, versions, run, by_events=by_events)
