"""Debug counts of a process are written periodically, and survive an unavailable store."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import pytest

from oracle import MemoryStore
from winchester_core.errors import DatabaseUnavailable
from winchester_core.storage.debug_flusher import DebugFlusher
from winchester_core.telemetry.debug_counts import MAX_REASONS, OTHER_REASONS, DebugCounts
from winchester_core.testing.builders import FakeClock
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model.action import Action
    from winchester_core.storage.records import DebugRecord
    from winchester_core.telemetry.debug_counts import DebugGroup


def trigger(level: int) -> TriggerDefinition:
    config: dict[str, Any] = {
        "name": "t",
        "distinguished_by": ["id"],
        "match_criteria": [{"event_type": "a"}],
        "fire_criteria": [{"event_type": "a"}],
        "expiration": "$last + 1h",
        "fire_pipeline": "p",
        "debug_level": level,
    }
    return TriggerDefinition.from_config(config, {})


class FlakyDebugStore:
    """A `DebugStore` that can be unavailable."""

    def __init__(self) -> None:
        self.is_unavailable = False
        self._store = MemoryStore(FakeClock())

    def add_debug_counts(self, groups: Mapping[str, DebugGroup]) -> None:
        if self.is_unavailable:
            raise DatabaseUnavailable("away")
        self._store.add_debug_counts(groups)

    def debug_counts(self) -> dict[str, DebugRecord]:
        return self._store.debug_counts()

    def reset_debug_counts(self, name: str, *, action: Action | None = None) -> bool:
        return self._store.reset_debug_counts(name, action=action)


@pytest.fixture
def store() -> FlakyDebugStore:
    return FlakyDebugStore()


def test_counts_are_written_once_per_period(store: FlakyDebugStore) -> None:
    patient, hasty = DebugFlusher(store, math.inf), DebugFlusher(store, 0.0)
    for keeper in (patient, hasty):
        keeper.counts.matched(trigger(1))
        keeper.flush_if_due()
    assert store.debug_counts()["t"].matched == 1
    patient.close()
    assert store.debug_counts()["t"].matched == 2


def test_each_count_is_added_once(store: FlakyDebugStore) -> None:
    keeper = DebugFlusher(store, 0.0)
    keeper.counts.mismatched(trigger(2), "why")
    keeper.flush()
    keeper.flush()
    keeper.close()
    assert store.debug_counts()["t"].reasons == {"why": 1}


def test_counts_that_cannot_be_stored_are_kept_for_the_next_time(
    store: FlakyDebugStore, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = DebugFlusher(store, 0.0)
    store.is_unavailable = True
    keeper.counts.mismatched(trigger(2), "why")
    assert isinstance(keeper.flush(), DatabaseUnavailable)
    keeper.counts.mismatched(trigger(2), "why")
    store.is_unavailable = False
    with caplog.at_level(logging.INFO):
        keeper.close()
    assert store.debug_counts()["t"].reasons == {"why": 2}
    assert "matched=0 mismatched=2 trigger=t" in caplog.text


def test_counts_lost_at_shutdown_are_reported(
    store: FlakyDebugStore, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = DebugFlusher(store, 0.0)
    keeper.close()
    assert not caplog.records
    store.is_unavailable = True
    keeper.counts.matched(trigger(1))
    keeper.close()
    assert "debug counts lost: error=" in caplog.text


def test_reasons_are_counted_at_level_2_only_and_bounded() -> None:
    counts = DebugCounts()
    for number in range(MAX_REASONS + 5):
        counts.mismatched(trigger(1), f"reason {number}")
    assert counts.take()["t"].reasons == {}
    for number in range(MAX_REASONS + 5):
        counts.mismatched(trigger(2), f"reason {number}")
    reasons = counts.take()["t"].reasons
    assert (len(reasons), reasons[OTHER_REASONS]) == (MAX_REASONS + 1, 5)
