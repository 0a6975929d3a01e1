"""Actual results of a case, in the terms of its expectations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.storage.filters import ANY_STREAM
from winchester_core.storage.paging import pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.config.cases import ExpectedKind
    from winchester_core.interfaces import Effect
    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store
    from winchester_core.trigger_tests.dry_run import RecordedRun, RunLog


@dataclass(frozen=True, slots=True)
class ActualResults:
    """Actual results by kind, and counts by name."""

    items: Mapping[ExpectedKind, Sequence[Mapping[str, Any]]]
    counts: Mapping[str, int]


def read_actual_results(
    store: Store, run_log: RunLog, received: Mapping[str, int]
) -> ActualResults:
    """Read the current results. `received` contains the counts of the added messages."""
    streams = list(_streams(store))
    errors = {each["id"]: each["error"] for each in streams}
    items: dict[ExpectedKind, Sequence[Mapping[str, Any]]] = {
        "streams": streams,
        "runs": [_run(each, errors.get(each.stream_id)) for each in run_log.runs],
        "new_events": [event for run in run_log.runs if run.succeeded for event in run.new_events],
        "effects": [_effect(each) for each in run_log.effects],
    }
    counts = {str(kind): len(each) for kind, each in items.items()}
    outcomes = Counter(each["outcome"] for each in streams)
    return ActualResults(items, {**counts, **received, **outcomes})


def _streams(store: Store) -> Iterator[dict[str, Any]]:
    for page in pages(store.find_streams, ANY_STREAM):
        members = store.events_of([stream.id for stream in page])
        for stream in page:
            yield _stream(stream, members[stream.id])


def _stream(stream: StreamRecord, events: Sequence[Event]) -> dict[str, Any]:
    return {
        "id": stream.id,
        "trigger": stream.name,
        "distinguished_by": stream.distinguished_by,
        "outcome": stream.outcome.value,
        "state": stream.state.value,
        "events": [event["message_id"] for event in events],
        "event_count": stream.event_count,
        "first_event": stream.first_event,
        "last_event": stream.last_event,
        "fire_timestamp": stream.fire_timestamp,
        "expire_timestamp": stream.expire_timestamp,
        "error": stream.last_error,
    }


def _run(run: RecordedRun, error: str | None) -> dict[str, Any]:
    return {
        "trigger": run.trigger,
        "distinguished_by": run.distinguished_by,
        "pipeline": run.pipeline,
        "reason": run.reason,
        "events": list(run.events),
        "succeeded": run.succeeded,
        "error": None if run.succeeded else error,
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "trigger": effect.stream_name,
        "pipeline": effect.pipeline,
        "handler": effect.handler,
        "payload": effect.payload,
    }
