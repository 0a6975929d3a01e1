"""Debug counts of triggers: how many events matched, and why the others did not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from support.scenes.embedding import make_event, make_trigger

if TYPE_CHECKING:
    from support.scenes.embedding import EmbeddingProgram
    from winchester_core.storage.records import DebugRecord

EVENTS = [
    make_event("1"),
    make_event("2", memory_mb="much"),
    make_event("3", memory_mb="much"),
    make_event("4", instance_id=None, memory_mb=4096),
    make_event("5", memory_mb=4096),
]
LARGE = [{"event_type": "test.*", "traits": {"memory_mb": {"int": "> 2048"}}}]


def counted(program: EmbeddingProgram, level: int | None) -> dict[str, DebugRecord]:
    keys = {} if level is None else {"debug_level": level}
    with program.ingest(make_trigger(match_criteria=LARGE, **keys)) as manager:
        manager.add_events(EVENTS)
    store = program.worker().store
    return store.debug_counts()


@pytest.mark.parametrize("level", [None, 0])
def test_nothing_is_counted_without_a_debug_level(
    program: EmbeddingProgram, level: int | None
) -> None:
    assert counted(program, level) == {}


@pytest.mark.parametrize("level", [1, 2])
def test_matches_and_mismatches_are_counted_by_trigger(
    program: EmbeddingProgram, level: int
) -> None:
    counts = counted(program, level)
    assert list(counts) == ["test_trigger"]
    record = counts["test_trigger"]
    assert (record.matched, record.mismatched) == (1, 4)


def test_level_1_counts_no_reasons(program: EmbeddingProgram) -> None:
    assert counted(program, 1)["test_trigger"].reasons == {}


def test_level_2_counts_each_reason_most_frequent_first(program: EmbeddingProgram) -> None:
    reasons = counted(program, 2)["test_trigger"].reasons
    assert list(reasons.values()) == [2, 1, 1]
    assert "memory_mb" in next(iter(reasons))
    assert any("instance_id" in each for each in reasons)


def test_counts_of_several_processes_are_summed(program: EmbeddingProgram) -> None:
    counted(program, 1)
    with program.ingest(make_trigger(debug_level=1)) as other:
        other.add_event(make_event("another"))
    assert program.worker().store.debug_counts()["test_trigger"].matched == 2


def test_counts_are_logged_when_the_manager_closes(
    program: EmbeddingProgram, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="winchester_core")
    counted(program, 2)
    lines = [record.getMessage() for record in caplog.records if "trigger" in record.getMessage()]
    assert "trigger debug counts: matched=1 mismatched=4 trigger=test_trigger" in lines
    reasons = [line for line in lines if line.startswith("trigger mismatches: mismatched=")]
    assert len(reasons) == 3


def test_no_counts_are_logged_without_a_debug_level(
    program: EmbeddingProgram, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="winchester_core")
    counted(program, 0)
    assert "trigger debug counts" not in caplog.text
    assert "trigger mismatches" not in caplog.text


def test_counts_start_again_after_a_reset(program: EmbeddingProgram) -> None:
    counted(program, 1)
    store = program.worker().store
    assert store.reset_debug_counts("test_trigger") is True
    assert store.debug_counts() == {}
    assert store.reset_debug_counts("test_trigger") is False


def test_every_trigger_has_counts_of_its_own(program: EmbeddingProgram) -> None:
    quiet, chatty = make_trigger(name="quiet"), make_trigger(name="chatty", debug_level=1)
    with program.ingest(quiet, chatty) as manager:
        manager.add_event(make_event("1"))
    assert list(program.worker().store.debug_counts()) == ["chatty"]
