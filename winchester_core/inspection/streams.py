"""Streams as JSON, with the progress of their fire criteria."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.inspection.next_transition import next_transition
from winchester_core.inspection.values import flat_object, iso_text
from winchester_core.model.stream import Trial
from winchester_core.triggers.explanation import describe_criterion
from winchester_core.triggers.progress_explanation import (
    EVENTS,
    counted_quantity,
    required_number,
    stored_progress,
    window_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition

STREAM_PATHS: Final = (
    "id name state outcome distinguished_by first_event last_event expire_timestamp "
    "fire_timestamp event_count attempts failures trial last_error"
)
"""Paths of `flat_object` for a stream."""

TRIALS: Final = {Trial.DUE: "to be tried alone", Trial.ALONE: "being tried alone"}
CRITERION_KEYS: Final = ("criterion", "has", "needs", "counts", "within", "step")


def flat_stream(stream: StreamRecord) -> dict[str, Any]:
    """Return a stream as a flat object with the keys of `STREAM_PATHS`."""
    trial = None if stream.trial is None else TRIALS[stream.trial]
    return {**flat_object(stream, STREAM_PATHS), "trial": trial}


def describe_stream(
    stream: StreamRecord,
    definition: TriggerDefinition | None,
    *,
    now: datetime | None,
    real_now: datetime,
) -> dict[str, Any]:
    """Return a stream with its progress, what it waits for, and its history.

    `now` is stream time (None: unknown), `real_now` the database server's time.
    """
    columns = flat_stream(stream)
    error = columns.pop("last_error")
    return {
        **columns,
        "is_open": stream.is_open,
        "fire_criteria": fire_criteria(stream, definition),
        "outlook": next_transition(stream, now=now, real_now=real_now, definition=definition),
        "stream_time": iso_text(now),
        **flat_object(stream, "worker lease_until retry_at"),
        "last_error": error,
        "history": history_of(stream),
    }


def history_of(stream: StreamRecord) -> list[dict[str, Any]]:
    """Return the latest changes of a stream's state, oldest first."""
    return [flat_object(each, "at state worker") for each in stream.history]


def fire_criteria(
    stream: StreamRecord, definition: TriggerDefinition | None
) -> list[dict[str, Any]]:
    """Return the progress of each fire criterion; parts that are unknown are None."""
    counts: Sequence[float | None] = stream.progress
    if definition is None:
        unknown = f"unknown: no trigger {stream.name!r} is configured"
        return [
            {**dict.fromkeys(CRITERION_KEYS), "criterion": unknown, "has": has, "counts": EVENTS}
            for has in counts
        ]
    if stream.fingerprint != definition.fingerprint:
        counts = [None] * len(definition.fire_criteria)
    else:
        counts = stored_progress(definition, stream)
    return [
        {
            "criterion": describe_criterion(each),
            "has": has,
            "needs": required_number(each),
            "counts": counted_quantity(each),
            "within": window_text(each),
            "step": number if definition.in_sequence else None,
        }
        for number, (each, has) in enumerate(
            zip(definition.fire_criteria, counts, strict=True), start=1
        )
    ]
