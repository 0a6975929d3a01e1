"""Running processes as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.inspection.values import iso_text

if TYPE_CHECKING:
    from datetime import datetime

    from winchester_core.model.process import ProcessRecord


def flat_process(process: ProcessRecord, now: datetime) -> dict[str, Any]:
    """Return a process as a flat object at the time `now` (real time)."""
    return {
        "kind": process.kind.value,
        "name": process.name,
        "host": process.host,
        "pid": process.pid,
        "version": process.version,
        "state": process_state(process, now),
        "started_at": iso_text(process.started_at),
        "seen_at": iso_text(process.seen_at),
        "overdue": list(process.overdue),
        "triggers": process.triggers_fingerprint,
        "pipelines": process.pipelines_fingerprint,
        "id": process.id,
        "period_seconds": process.period_seconds,
        "configured_at": iso_text(process.configured_at),
    }


def process_state(process: ProcessRecord, now: datetime) -> str:
    """Return running, overdue (a component missed its deadline) or gone, at the time `now`."""
    if process.is_gone(now):
        return "gone"
    return "overdue" if process.overdue else "running"
