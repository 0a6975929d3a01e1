"""The usage handler gives one verdict per billing record, for any events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from winchester_handlers.usage import UsageHandler
from winchester_handlers.usage.checks import CORE_TRAITS, DELETE, EXISTS, OPERATIONS

# A few values only, so that equal ones, and times in and out of the period, meet often.
DAYS = st.sampled_from([datetime(2026, 3, day, tzinfo=UTC) for day in (13, 14, 15)])
ODD_TIMES = st.sampled_from([datetime(1, 1, 1), datetime(9999, 12, 31, tzinfo=UTC)])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
ODD = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(), SCALARS, max_size=2)
VALUES = DAYS | ODD_TIMES | st.datetimes(timezones=st.none() | st.just(UTC)) | ODD
STATES = st.sampled_from(["active", "deleted", "error"]) | ODD
TYPES = st.sampled_from([EXISTS, EXISTS, DELETE, *sorted(OPERATIONS), "compute.instance.update"])
TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "state": STATES,
        "instance_id": VALUES,
        "deleted_at": VALUES,
        "audit_period_beginning": VALUES,
        "audit_period_ending": VALUES,
        "bandwidth_in": VALUES,
        "rax_options": VALUES,
        "error": VALUES,
        **dict.fromkeys(CORE_TRAITS, VALUES),
    },
)


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events with the three required keys, unique ids, in time order, and any traits."""
    uuids = draw(st.booleans())
    ids = st.uuids().map(str) if uuids else st.text(st.characters(codec="utf-8"), min_size=1)
    events = draw(st.lists(st.tuples(ids, TYPES, TRAITS), max_size=6, unique_by=lambda e: e[0]))
    return [
        traits
        | {"message_id": id_, "event_type": type_, "timestamp": datetime(2026, 3, 14, hour, 0)}
        for hour, (id_, type_, traits) in enumerate(events)
    ]


def added_to(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    result = UsageHandler().handle_events([dict(event) for event in events], {"stream_id": 1})
    return result[len(events) :]


@given(streams())
def test_every_record_gets_one_verdict_and_the_rest_one_failure(
    events: list[dict[str, Any]],
) -> None:
    records = [event for event in events if event["event_type"] == EXISTS]
    added = added_to(events)
    verdicts = [event for event in added if "original_message_id" in event]
    assert [v["original_message_id"] for v in verdicts] == [r["message_id"] for r in records]
    for verdict in verdicts:
        failed = verdict["event_type"] == f"{EXISTS}.failed"
        assert failed == ("error_code" in verdict)
    unmatched = bool(events) and events[-1]["event_type"] != EXISTS
    assert [e.get("error_code") for e in added].count("U0") == unmatched


@given(streams())
def test_ids_of_new_events_are_unique_and_stable_on_a_retry(
    events: list[dict[str, Any]],
) -> None:
    first, again = added_to(events), added_to(events)
    ids = [event["message_id"] for event in first]
    assert ids == [event["message_id"] for event in again]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & {event["message_id"] for event in events}
