"""Every database: order, windows, cancelling, waiting and silence, in batches of any size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import LEASE, at, make_event, matched_events
from winchester_core.clock import EventTime
from winchester_core.model.stream import Decision, Reason
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Completion
from winchester_core.storage.sql import upkeep
from winchester_core.triggers import waiting
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.model.event import Event
    from winchester_core.storage.records import IngestResult
    from winchester_core.storage.sql.store import SqlStore

MINUTE = 60


def trigger(**keys: Any) -> TriggerDefinition:
    """A trigger on events `a`, by instance, that ends streams an hour after their last event."""
    config = {
        "name": "pattern",
        "distinguished_by": ["instance"],
        "match_criteria": [{"event_type": "a"}],
        "fire_criteria": [{"event_type": "a"}],
        "expiration": "$last + 1h",
        "fire_pipeline": "fire",
        "expire_pipeline": "expire",
        **keys,
    }
    return TriggerDefinition.from_config({k: v for k, v in config.items() if v is not None}, {})


def feed(
    store: SqlStore, definition: TriggerDefinition, events: Sequence[Event], size: int = 1000
) -> IngestResult:
    """Add the events in batches, on the event clock; return the last result."""
    result = None
    for start in range(0, len(events), size):
        batch = matched_events([definition], events[start : start + size])
        result = store.record(batch, EventTime(None))
    assert result is not None
    return result


def events_of(text: str, **traits: Any) -> list[Event]:
    """Events from words such as `a@5`: type and minute. Ids are the words, in order of arrival."""
    return [
        make_event(
            word, word.split("@")[0], float(word.split("@")[1].rstrip("'")) * MINUTE, **traits
        )
        for word in text.split()
    ]


def found(store: SqlStore) -> list[tuple[str | None, str, str]]:
    """Decision or fire time in minutes, openness, and members of each stream, in order of ids."""
    return [
        (
            each.decision.value
            if each.decision
            else None
            if each.fire_timestamp is None
            else f"{(each.fire_timestamp - at(0)) / timedelta(minutes=1):g}",
            "open" if each.is_open else "closed",
            " ".join(event["message_id"] for event in store.get_stream_events(each.id)),
        )
        for each in store.find_streams(limit=100)
    ]


JOINS = [{"event_type": "a"}, {"event_type": "b", "opens": False}]
AB = {"match_criteria": JOINS, "fire_criteria": [{"event_type": "a"}, {"event_type": "b"}]}
ABC = {
    "match_criteria": [{"event_type": ["a", "b", "c"]}],
    "fire_criteria": [{"event_type": each} for each in "abc"],
    "fire_order": "sequence",
}
CANCELLED = {"cancel_criteria": [{"event_type": "c"}], "fire_delay": "10m"}

SCENARIOS: dict[str, tuple[dict[str, Any], str, list[tuple[str | None, str, str]]]] = {
    "in order": (ABC, "a@1 b@2 c@3", [("3", "open", "a@1 b@2 c@3")]),
    "in the wrong order": (ABC, "c@1 b@2 a@3", [(None, "open", "c@1 b@2 a@3")]),
    "a late first step": (ABC, "b@2 c@3 a@1", [("3", "open", "a@1 b@2 c@3")]),
    "steps of one time": (ABC, "c@1 b@1 a@1", [("1", "open", "c@1 b@1 a@1")]),
    "the window ends with the last event": (
        {**ABC, "fire_within": "2m"},
        "a@0 a@1 b@2 c@3",
        [("3", "open", "a@0 a@1 b@2 c@3")],
    ),
    "too slow for the window": (
        {**ABC, "fire_within": "2m"},
        "a@0 b@2 c@3",
        [(None, "open", "a@0 b@2 c@3")],
    ),
    "a number within an interval": (
        {"fire_criteria": [{"event_type": "a", "number": 3, "within": "2m"}]},
        "a@0 a@1 a@3 a@5 a@4",
        [("5", "open", "a@0 a@1 a@3 a@4 a@5")],
    ),
    "an event that only joins is no member without a stream": (
        AB,
        "b@1 a@2 b@3",
        [("3", "open", "a@2 b@3")],
    ),
    "an event waits for one that opens": (
        {**AB, "lateness": "5m"},
        "b@3 a@2",
        [("3", "open", "a@2 b@3")],
    ),
    "a waiting event older than the first event does not count": (
        {**AB, "lateness": "5m"},
        "b@1 a@2",
        [(None, "open", "b@1 a@2")],
    ),
    "a late event that opens makes others count": (
        {**AB, "lateness": "5m"},
        "b@1 a@2 a@0",
        [("2", "open", "a@0 b@1 a@2")],
    ),
    "an event whose wait has ended is gone": (
        {**AB, "lateness": "2m"},
        "b@1 a@3",
        [(None, "open", "a@3")],
    ),
    "cancelled before the fire time": (
        CANCELLED,
        "a@0 c@9",
        [("cancelled", "closed", "a@0 c@9")],
    ),
    "too late to cancel": (CANCELLED, "a@0 c@10", [("10", "open", "a@0 c@10")]),
    "what is newer than the cancelling event stays": (
        {**CANCELLED, "fire_criteria": [{"event_type": "a", "number": 2}]},
        "a@0 a@2 c@1",
        [(None, "open", "a@0 c@1 a@2")],
    ),
    "cancelled after expiring, before firing": (
        {**CANCELLED, "expiration": "$last + 1m"},
        "a@0 c@9",
        [("cancelled", "closed", "a@0 c@9")],
    ),
    "a cancelling event waits for older ones": (
        {**CANCELLED, "lateness": "5m"},
        "c@3 a@2 a@4",
        [("cancelled", "closed", "a@2 c@3"), ("14", "open", "c@3 a@4")],
    ),
    "a group is silent": (
        {"suppress": "1h", "expiration": "$last + 1m"},
        "a@0 a@30 a@59 a@60",
        [
            ("0", "closed", "a@0"),
            ("suppressed", "closed", "a@30"),
            ("suppressed", "closed", "a@59"),
            ("60", "open", "a@60"),
        ],
    ),
    "cancelling ends the silence": (
        {**CANCELLED, "suppress": "1h", "expiration": "$last + 1m"},
        "a@0 c@5 a@6",
        [("cancelled", "closed", "a@0 c@5"), ("16", "open", "a@6")],
    ),
    "streams without fire criteria only expire": (
        {"fire_criteria": None, "fire_pipeline": None},
        "a@0 a@1",
        [(None, "open", "a@0 a@1")],
    ),
}


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_outcome_does_not_depend_on_the_size_of_batches(
    sql_store: SqlStore, name: str, size: int
) -> None:
    keys, text, expected = SCENARIOS[name]
    feed(sql_store, trigger(**keys), events_of(text), size)
    assert found(sql_store) == expected


def test_distinct_values_are_typed(sql_store: SqlStore) -> None:
    criterion = {"event_type": "a", "number": 4, "distinct": "v"}
    definition = trigger(fire_criteria=[criterion])
    values = [1, 1.0, "1", 1, "1"]
    feed(sql_store, definition, [make_event(f"{n}", "a", n, v=v) for n, v in enumerate(values)], 1)
    assert found(sql_store)[0][0] is None
    feed(sql_store, definition, [make_event("5", "a", 5, v=True), make_event("6", "a", 6)])
    assert sql_store.find_streams()[0].fire_timestamp == at(5)


def test_a_sum_is_exact(sql_store: SqlStore) -> None:
    criterion = {"event_type": "a", "sum": {"v": {"at_least": 1}}}
    events = [make_event(f"{n}", "a", n, v=0.1) for n in range(10)]
    events[3:3] = [make_event(f"x{n}", "a", n, v=v) for n, v in enumerate([-5, True, "2", 0])]
    feed(sql_store, trigger(fire_criteria=[criterion]), events, 1)
    (stream,) = sql_store.find_streams()
    assert (stream.fire_timestamp, stream.progress) == (at(9), (1.0,))


class TestWaiting:
    DEFINITION = trigger(**AB, lateness="5m")

    def test_waiting_events_are_no_stream(self, sql_store: SqlStore) -> None:
        result = feed(sql_store, self.DEFINITION, events_of("b@1 b@2"))
        assert (result.streams_opened, result.events_held) == (0, 2)
        assert sql_store.find_streams() == []
        assert sql_store.count_streams() == 0
        assert sql_store.count_streams(StreamFilter(message_id="b@1")) == 0
        assert (sql_store.count_states(), sql_store.count_states_by_trigger()) == ({}, {})
        assert sql_store.backlog(at(10**6)).is_idle
        assert sql_store.statistics(at(60)).streams == {}

    def test_they_are_stored_once_and_not_trimmed(self, sql_store: SqlStore) -> None:
        feed(sql_store, self.DEFINITION, events_of("b@1"))
        assert feed(sql_store, self.DEFINITION, events_of("b@1")).stored == (False,)
        far = at(10**8)
        assert sql_store.trim(far, far + timedelta(days=9999), 10).removed == 0
        feed(sql_store, self.DEFINITION, events_of("a@0"))
        assert found(sql_store) == [("1", "open", "a@0 b@1")]

    def test_upkeep_ends_the_wait(self, sql_store: SqlStore) -> None:
        feed(sql_store, self.DEFINITION, events_of("b@1 b@2"))
        assert sql_store.end_waiting(at(7 * MINUTE - 1), 10) == 0
        assert sql_store.end_waiting(at(7 * MINUTE), 10) == 1
        feed(sql_store, self.DEFINITION, events_of("a@0"))
        assert found(sql_store) == [(None, "open", "a@0")]

    def test_the_latest_thousand_wait(self, sql_store: SqlStore) -> None:
        events = [make_event(f"b{n}", "b", n / 100) for n in range(1_003)]
        result = feed(sql_store, self.DEFINITION, events, 200)
        assert result.held_dropped == 3
        feed(sql_store, self.DEFINITION, [make_event("a", "a", 0)])
        ((_, _, members),) = found(sql_store)
        assert members.split()[:2] == ["a", "b3"]
        assert len(members.split()) == 1_001

    def test_events_whose_wait_has_ended_are_unlinked(
        self, sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "UNLINK_BATCH", 3)
        feed(sql_store, self.DEFINITION, [make_event(f"b{n}", "b", n * 200) for n in range(9)], 1)
        far = at(10**8)
        removed = sql_store.trim(far, far + timedelta(days=9999), 100).removed
        # the last two still wait; the seventh, whose wait ended last, would be the first of a batch
        assert removed == 6

    def test_a_claim_leaves_an_event_that_cancels(self, sql_store: SqlStore) -> None:
        definition = trigger(**CANCELLED, lateness="30m")
        feed(sql_store, definition, events_of("a@10 c@9"))
        now = at(20 * MINUTE)
        (claim,) = sql_store.claim_ready(
            worker="w", reason=Reason.FIRE, now=now, limit=9, lease=LEASE
        )
        sql_store.complete([Completion(claim)], EventTime(None))
        feed(sql_store, definition, events_of("a@8"))
        assert found(sql_store) == [("cancelled", "closed", "a@8 c@9")]


class TestDecisions:
    def test_a_cancelled_stream_is_claimed_to_be_cancelled(self, sql_store: SqlStore) -> None:
        feed(sql_store, trigger(**CANCELLED), events_of("a@0 c@9"))
        claims = sql_store.claim_ready(
            worker="w", reason=Reason.FIRE, now=at(9 * MINUTE), limit=9, lease=LEASE
        )
        assert [(each.reason, each.decision) for each in claims] == [
            (Reason.CANCEL, Decision.CANCELLED)
        ]

    def test_a_suppressed_stream_is_claimed_without_a_run(self, sql_store: SqlStore) -> None:
        feed(sql_store, trigger(suppress="1h", expiration="$last + 1m"), events_of("a@0 a@9"))
        claims = sql_store.claim_ready(
            worker="w", reason=Reason.FIRE, now=at(9 * MINUTE), limit=9, lease=LEASE
        )
        assert [each.is_suppressed for each in claims] == [False, True]

    def test_silences_that_are_over_are_deleted(self, sql_store: SqlStore) -> None:
        definition = trigger(suppress="1h")
        feed(sql_store, definition, events_of("a@0"))
        end = 60 * MINUTE
        assert sql_store.delete_silences(at(end - 1), [definition], 10) == 0
        assert sql_store.delete_silences(at(end), [definition], 10) == 1

    def test_a_shorter_silence_holds_at_once(self, sql_store: SqlStore) -> None:
        feed(sql_store, trigger(suppress="1h", expiration="$last + 1m"), events_of("a@0"))
        feed(sql_store, trigger(suppress="9m", expiration="$last + 1m"), events_of("a@9"))
        assert [each[0] for each in found(sql_store)] == ["0", "9"]


class TestKeep:
    DEFINITION = trigger(
        fire_criteria=[{"event_type": "a", "number": 3}], fire_within="3m", keep="5m"
    )

    def test_old_members_are_unlinked(self, sql_store: SqlStore) -> None:
        feed(sql_store, self.DEFINITION, events_of("a@0 a@4 a@8 a@12"), 2)
        now = at(12 * MINUTE)
        assert sql_store.unlink_old_members(self.DEFINITION, now, 10) == 1
        assert found(sql_store) == [(None, "open", "a@8 a@12")]
        (stream,) = sql_store.find_streams()
        assert stream.first_event == at(0)
        assert sql_store.unlink_old_members(self.DEFINITION, now, 10) == 0
        feed(sql_store, self.DEFINITION, events_of("a@13 a@14"))
        assert found(sql_store) == [("14", "open", "a@8 a@12 a@13 a@14")]

    def test_a_member_older_than_the_newest_by_more_counts_no_more(
        self, sql_store: SqlStore
    ) -> None:
        feed(sql_store, self.DEFINITION, events_of("a@0 a@1 a@7 a@2"), 1)
        assert found(sql_store)[0][0] is None


def test_an_event_that_came_too_late_to_cancel_never_counts(sql_store: SqlStore) -> None:
    definition = trigger(
        match_criteria=[{"event_type": "j", "opens": False}, {"event_type": "*"}],
        cancel_criteria=[{"event_type": "c"}],
        fire_criteria=[{"event_type": "a", "number": 2}],
    )
    feed(sql_store, definition, events_of("a@10 a@11 c@12 j@9 a@8"))
    (stream,) = sql_store.find_streams()
    assert stream.event_count == 5
    assert (stream.first_event, stream.last_event) == (at(8 * MINUTE), at(11 * MINUTE))


def test_members_from_before_a_cancel_criterion_count(sql_store: SqlStore) -> None:
    keys = {"match_criteria": JOINS, "fire_criteria": [{"event_type": "a", "number": 9}]}
    feed(sql_store, trigger(**keys), events_of("b@0 a@2 b@1 a@3"))
    feed(sql_store, trigger(**keys, cancel_criteria=[{"event_type": "a"}]), events_of("b@4"))
    changed = trigger(**keys, cancel_criteria=[{"event_type": "a"}], fire_within="1h")
    feed(sql_store, changed, events_of("b@5"))
    (stream,) = sql_store.find_streams()
    assert stream.progress == (2,)


def test_cancel_criteria_of_an_existing_stream_know_its_latest_event(sql_store: SqlStore) -> None:
    keys: dict[str, Any] = {"fire_criteria": [{"event_type": "a", "number": 3}]}
    feed(sql_store, trigger(**keys, fire_within="1h"), events_of("a@1"))
    keys["fire_within"] = "2h"  # all members are counted again
    feed(sql_store, trigger(**keys), events_of("a@5"))
    feed(sql_store, trigger(**keys, cancel_criteria=[{"event_type": "c"}]), events_of("c@3"))
    (stream,) = sql_store.find_streams()
    assert (stream.decision, stream.is_open, stream.progress) == (None, True, (1,))
    assert stream.first_event == at(5 * MINUTE)


def test_a_group_is_silent_until_the_last_year(sql_store: SqlStore) -> None:
    definition = trigger(suppress="1d", expiration="$last - 1m")
    last = datetime(9999, 12, 31, 23, tzinfo=UTC)
    late = [
        {**make_event(f"{minute}", "a"), "timestamp": last + timedelta(minutes=minute)}
        for minute in (0, 1)
    ]
    feed(sql_store, definition, late, 1)
    assert [each[0] for each in found(sql_store)][1] == "suppressed"


def test_a_claim_of_several_streams_leaves_their_cancelling_events(sql_store: SqlStore) -> None:
    definition = trigger(**CANCELLED, lateness="30m")
    for instance in "xyz":
        late = [
            {**each, "message_id": each["message_id"] + instance, "instance": instance}
            for each in events_of("a@10 c@9 c@8")
        ]
        feed(sql_store, definition, late)
    claims = sql_store.claim_ready(
        worker="w", reason=Reason.FIRE, now=at(20 * MINUTE), limit=9, lease=LEASE
    )
    assert len(claims) == 3
    sql_store.complete([Completion(each) for each in claims], EventTime(None))
    assert sql_store.end_waiting(at(40 * MINUTE - 1), 9) == 0
    for instance in "xyz":
        opening = {**events_of("a@7")[0], "message_id": f"late {instance}", "instance": instance}
        feed(sql_store, definition, [opening])
    assert [(decision, members[:5]) for decision, _, members in found(sql_store)] == [
        ("cancelled", "late ")
    ] * 3


def test_old_members_are_unlinked_in_bounded_transactions(
    sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "MAX_UNLINKED", 2)
    definition = TestKeep.DEFINITION
    feed(sql_store, definition, events_of("a@0 a@1 a@4 a@8 a@20"))
    results = [sql_store.unlink_old_members(definition, at(20 * MINUTE), 10) for _ in range(4)]
    assert results == [10, 10, 1, 0]
    assert found(sql_store) == [(None, "open", "a@20")]


def test_a_stream_is_cancelled_although_a_waiting_member_was_unlinked(
    sql_store: SqlStore,
) -> None:
    definition = trigger(
        match_criteria=JOINS,
        fire_criteria=[{"event_type": "a", "number": 9}],
        fire_within="1m",
        keep="1m",
        lateness="1h",
        cancel_criteria=[{"event_type": "c"}],
    )
    feed(sql_store, definition, events_of("a@0 b@1 a@9"), 1)
    sql_store.unlink_old_members(definition, at(10 * MINUTE), 10)
    assert found(sql_store) == [(None, "open", "a@9")]
    feed(sql_store, definition, events_of("c@10"))
    assert found(sql_store) == [("cancelled", "closed", "a@9 c@10")]


def test_a_late_cancelling_event_keeps_the_expiration_of_a_recalculated_stream(
    sql_store: SqlStore,
) -> None:
    keys: dict[str, Any] = {
        "cancel_criteria": [{"event_type": "c"}],
        "expiration": "$timestamp + 1h",
        "lateness": "1m",
    }
    before = trigger(**keys, fire_criteria=[{"event_type": "a", "number": 8}])
    after = trigger(**keys, fire_criteria=[{"event_type": "a", "number": 9}])
    feed(sql_store, before, events_of("a@1 a@5"))
    assert sql_store.recalculate(after, at(30 * MINUTE), 10) == 1
    feed(sql_store, after, events_of("c@3"))
    (stream,) = sql_store.find_streams()
    assert (stream.first_event, stream.expire_timestamp) == (at(5 * MINUTE), at(90 * MINUTE))


def test_silences_of_triggers_without_suppress_are_over(sql_store: SqlStore) -> None:
    feed(sql_store, trigger(suppress="1h"), events_of("a@0"))
    feed(sql_store, trigger(name="other", suppress="1h"), events_of("a@1"))
    assert sql_store.delete_silences(at(60), [], 10) == 0
    assert sql_store.delete_silences(at(60), [trigger(), trigger(name="unused")], 10) == 1
    assert sql_store.delete_silences(at(2 * 3600), [trigger(name="other", suppress="1h")], 10) == 1
