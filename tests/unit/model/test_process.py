"""Processes that are gone, and differences between running processes that last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from winchester_core.model.process import (
    Difference,
    ProcessKind,
    ProcessRecord,
    lasting_differences,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(minutes=10)
RECENTLY = NOW - timedelta(minutes=9, seconds=59)


def process(**changes: Any) -> ProcessRecord:
    values: dict[str, Any] = {
        "id": "1",
        "kind": ProcessKind.WORKER,
        "name": "worker",
        "host": "a",
        "pid": 1,
        "version": "1.0",
        "period_seconds": 10.0,
        "started_at": LONG_AGO,
        "seen_at": NOW,
        "configured_at": LONG_AGO,
        "overdue": (),
        "triggers_fingerprint": "t",
        "pipelines_fingerprint": "p",
    }
    return ProcessRecord(**{**values, **changes})


def test_a_process_is_gone_after_six_periods() -> None:
    assert not process(seen_at=NOW - timedelta(seconds=60)).is_gone(NOW)
    assert process(seen_at=NOW - timedelta(seconds=61)).is_gone(NOW)
    assert not process(seen_at=NOW - timedelta(seconds=61), period_seconds=30.0).is_gone(NOW)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, []),
        ({"version": "1.1"}, [Difference.VERSION]),
        ({"triggers_fingerprint": "x"}, [Difference.TRIGGERS]),
        ({"pipelines_fingerprint": "x"}, [Difference.PIPELINES]),
        ({"version": "1.1", "configured_at": RECENTLY}, []),
        ({"version": "1.1", "seen_at": NOW - timedelta(minutes=2)}, []),
        ({"kind": ProcessKind.INGEST, "triggers_fingerprint": "x"}, [Difference.TRIGGERS]),
        ({"kind": ProcessKind.INGEST, "pipelines_fingerprint": None}, []),
        ({"kind": ProcessKind.CONSOLE, "triggers_fingerprint": "x"}, []),
        ({"kind": ProcessKind.CONSOLE, "version": "1.1"}, [Difference.VERSION]),
    ],
)
def test_differences_between_two_running_processes(
    other: dict[str, Any], expected: list[Difference]
) -> None:
    assert lasting_differences([process(), process(**other)], NOW) == expected
