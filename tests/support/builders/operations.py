"""Reports of processes and actions of operators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from winchester_core.model.action import Action
from winchester_core.model.activity import ActivityCounts, ActivityKey, Subject
from winchester_core.model.process import ProcessKind, ProcessReport

EVENTS: Final = ActivityKey(Subject.EVENTS)
OPENED: Final = ActivityCounts(streams_opened=1)

_WORKER = ProcessReport(
    id="worker-1:4711:1",
    kind=ProcessKind.WORKER,
    name="worker-1",
    host="größe.example",
    pid=4711,
    version="1.0",
    period_seconds=10.0,
    running_seconds=5.0,
    triggers_fingerprint="t1",
    pipelines_fingerprint="p1",
)


def make_report(process_id: str = _WORKER.id, **changes: Any) -> ProcessReport:
    """Return the report of a worker."""
    return replace(_WORKER, id=process_id, **changes)


def make_action(**changes: Any) -> Action:
    """Return an action."""
    values: dict[str, Any] = {
        "name": "anna",
        "role": "operator",
        "address": "127.0.0.1",
        "action": "stream.reset",
        "target": "stream 7",
        "number": 1,
    }
    return Action(**{**values, **changes})


def trigger(name: str) -> ActivityKey:
    """Return the key of a trigger's activity."""
    return ActivityKey(Subject.TRIGGER, name)
