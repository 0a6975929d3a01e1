"""Reasons why a stream has not fired: every state and every obstacle is reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.builders.events import NOON
from support.builders.stream_records import make_stream_record
from winchester_core.inspection.stream_reasons import StreamSituation, stream_reasons
from winchester_core.model.stream import StreamState
from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.triggers.progress_explanation import CriterionProgress, Mismatch

HOUR = timedelta(hours=1)
TRIGGER: dict[str, Any] = {
    "name": "pair",
    "distinguished_by": ["host"],
    "match_criteria": [{"event_type": "*"}],
    "fire_criteria": [{"event_type": "end"}],
    "expiration": "$last + 1h",
    "fire_delay": 7200,
    "fire_pipeline": "report",
    "expire_pipeline": "report",
}
PAIR = TriggerDefinition.from_config(TRIGGER, {})
STREAM = make_stream_record(
    id=7,
    name="pair",
    expire_timestamp=NOON + HOUR,
    event_count=2,
    fingerprint=PAIR.fingerprint,
)
MISSING = CriterionProgress("event type 'end'", 1, 3, ())
MET = NOON + HOUR


def reasons_of(changes: dict[str, Any] | None = None, **known: Any) -> list[str]:
    situation: dict[str, Any] = {
        "stream": replace(STREAM, **(changes or {})),
        "definition": PAIR,
        "progress": [MISSING],
        "successors": [],
        "stored_events": 2,
        "now": NOON,
        "real_now": NOON,
    }
    return stream_reasons(StreamSituation(**(situation | known)))


def test_missing_events_of_a_criterion_are_reported_before_the_expiry() -> None:
    criterion, outlook = reasons_of()
    assert criterion == (
        "fire criterion 1 has 1 of 3 (event type 'end'); no other event has a matching type"
    )
    assert outlook.startswith("expires at 2024-05-17T13:00:00+00:00 (stream time, in 1h)")


def test_near_misses_are_reported_with_their_reason() -> None:
    near = [
        Mismatch("trait 'size' is missing", 2, "m", type_matches=True),
        Mismatch("size is too small", 1, "m", type_matches=True),
        Mismatch("another type", 5, "m", type_matches=False),
    ]
    criterion = reasons_of(progress=[replace(MISSING, has=0, mismatches=tuple(near))])[0]
    assert "2 events of a matching type do not count: trait 'size' is missing" in criterion
    assert "1 event of a matching type does not count: size is too small" in criterion
    assert "another type" not in criterion


def test_a_met_criterion_is_not_reported() -> None:
    met = replace(MISSING, has=3)
    assert reasons_of(progress=[met, MISSING])[0].startswith("fire criterion 2 has 1 of 3")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fire_timestamp": MET}, ["were met, 2h (fire_delay) before it may fire", "fires at"]),
        ({"fire_timestamp": NOON}, ["were met", "ready to fire since", "waits for a worker"]),
        (
            {"state": StreamState.FIRING, "fire_timestamp": NOON, "worker": "w-1"},
            ["were met; firing: claimed by worker w-1"],
        ),
        (
            {"state": StreamState.RETRY_FIRE, "fire_timestamp": NOON, "retry_at": MET},
            ["were met; will try to fire again at 2024-05-17T13:00"],
        ),
        (
            {"state": StreamState.ERROR, "fire_timestamp": NOON, "attempts": 5},
            ["were met; failed to fire after 5 attempts"],
        ),
        (
            {"state": StreamState.COMPLETED, "fire_timestamp": NOON},
            ["it has fired: due 2024-05-17T12:00:00+00:00"],
        ),
    ],
)
def test_a_stream_with_met_criteria_reports_what_it_waits_for(
    changes: dict[str, Any], words: list[str]
) -> None:
    (reason,) = reasons_of(changes)
    assert all(each in reason for each in words), reason


def test_an_expired_stream_reports_what_it_lacked() -> None:
    lacking, ending = reasons_of({"state": StreamState.COMPLETED, "is_open": False})
    assert lacking.startswith("fire criterion 1 has 1 of 3")
    assert ending == "it expired, due 2024-05-17T13:00:00+00:00, and is completed"
    lacking, ending = reasons_of({"state": StreamState.EXPIRING, "worker": "w", "is_open": False})
    assert lacking.startswith("fire criterion 1")
    assert ending.startswith("expiring: claimed by worker w")


def test_attempts_and_the_last_line_of_the_error_are_reported() -> None:
    failed = {"state": StreamState.EXPIRE_ERROR, "attempts": 1, "last_error": "Trace\nNo disk\n"}
    assert reasons_of(failed)[-1] == "it was attempted 1 time, and the last error is: No disk"


def test_a_removed_trigger_is_reported_with_the_fate_of_its_streams() -> None:
    counted, outlook, gone = reasons_of(definition=None, progress=[])
    assert counted == "its fire criteria were not met: events counted for each: 0"
    assert outlook.startswith("expires at")
    assert gone.startswith("no trigger 'pair' is configured (any more): its streams get no more")
    assert "only a worker that knows the trigger claims them" in gone


def test_a_changed_trigger_is_reported_with_whether_the_stream_is_recalculated() -> None:
    other = {"fingerprint": "other"}
    assert "or the next event, recalculates it; this explanation" in reasons_of(other)[-1]
    done = reasons_of({**other, "state": StreamState.COMPLETED, "is_open": False})[-1]
    assert done.endswith(": the old ones decided, but this explanation uses the new ones")


def test_criteria_met_only_after_a_trigger_change_are_explained() -> None:
    now_met = reasons_of({"fingerprint": "other"}, progress=[replace(MISSING, has=3)])
    assert now_met[0].startswith("its fire criteria were not met when the stream was last")
    assert "recalculates it" in now_met[-1]


def test_a_trigger_without_fire_criteria_is_reported_as_one_that_only_expires() -> None:
    config = {key: value for key, value in TRIGGER.items() if key != "fire_criteria"}
    only_expires = TriggerDefinition.from_config(config, {})
    same = {"progress": (), "fingerprint": only_expires.fingerprint}
    criteria, outlook = reasons_of(same, definition=only_expires, progress=[])
    assert criteria == "its trigger has no fire criteria: its streams only expire"
    assert outlook.startswith("expires at 2024-05-17T13:00:00+00:00")


def test_a_closed_stream_names_its_successor() -> None:
    closed = reasons_of({"is_open": False}, successors=[9, 12])[-1]
    assert closed.endswith("an event of its group came after it expired and opened stream 9")


def test_trimmed_events_are_not_reported_as_missing() -> None:
    assert reasons_of(stored_events=0)[-1].startswith("2 of its 2 events have been trimmed")


def test_a_reason_without_a_pipeline_is_reported() -> None:
    silent = TriggerDefinition.from_config({**TRIGGER, "expire_pipeline": None}, {})
    assert reasons_of(definition=silent)[-1].startswith("its trigger has no expire_pipeline")
    assert reasons_of({"fire_timestamp": NOON}, definition=silent)[-1].startswith(
        "its fire criteria"
    )
