"""Matching of the streams of two replays, and the differences between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oracle import MemoryStore
from support.builders.events import (
    NOON,
    VM,
    at,
    claim_all,
    make_event,
    make_trigger,
    matched_events,
)
from winchester_core.backtest.comparison import DifferenceKind, compare_replays
from winchester_core.backtest.replay import ReplayResult
from winchester_core.backtest.replayed_streams import read_streams
from winchester_core.clock import EventTime
from winchester_core.ingest.replay import ReplaySummary
from winchester_core.model.stream import CLAIM_REASONS, StreamOutcome
from winchester_core.storage.records import Completion
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.triggers.definition import TriggerDefinition

SUMMARY = ReplaySummary(*[0] * 11)


def replayed(
    triggers: TriggerDefinition | Sequence[TriggerDefinition],
    *events: dict[str, Any],
    until: float = 0,
) -> ReplayResult:
    """Ingest `events` one by one, and complete all that is due at noon + `until` seconds."""
    store = MemoryStore(FakeClock())
    known = [triggers] if not isinstance(triggers, (list, tuple)) else triggers
    for event in events:
        store.record(matched_events(known, [event]), EventTime())
    for reason in CLAIM_REASONS:
        claims = claim_all(store, reason, now=at(until))
        store.complete(
            [Completion(each, purge=False) for each in claims], EventTime(advances=False)
        )
    return ReplayResult(store, SUMMARY, read_streams(store))


def kinds(before: ReplayResult | None, after: ReplayResult) -> list[tuple[DifferenceKind, ...]]:
    return [change.kinds for change in compare_replays(before, after)]


UPDATES = [make_event("e1"), make_event("e2", seconds=60), make_event("e3", seconds=120)]
SHORT = make_trigger(expiration="$last + 30s")


def test_equal_replays_do_not_differ() -> None:
    assert kinds(replayed(VM, *UPDATES), replayed(VM, *UPDATES)) == []


def test_every_stream_is_new_without_a_baseline() -> None:
    ended = make_event("e4", "vm.end", seconds=180)
    assert kinds(None, replayed(VM, *UPDATES)) == [(DifferenceKind.STAYS_OPEN,)]
    assert kinds(None, replayed(VM, *UPDATES, until=10_000)) == [(DifferenceKind.EXPIRES,)]
    (change,) = compare_replays(None, replayed(VM, *UPDATES, ended, until=300))
    assert change.kinds == (DifferenceKind.FIRES,)
    assert (change.added, change.removed, change.before) == (("e1", "e2", "e3", "e4"), (), None)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("vm.end", "vm.update", DifferenceKind.FIRES),
        ("vm.update", "vm.end", DifferenceKind.EXPIRES),
    ],
)
def test_a_different_outcome_of_the_same_events_is_one_change(
    old: str, new: str, kind: DifferenceKind
) -> None:
    before, after = (
        replayed(make_trigger(fire=[{"event_type": each, "number": 3}]), *UPDATES, until=10_000)
        for each in (old, new)
    )
    (change,) = compare_replays(before, after)
    assert (change.kinds, change.added, change.removed) == ((kind,), (), ())
    assert change.before is not None
    assert {change.before.outcome, change.stream.outcome} == {
        StreamOutcome.FIRED,
        StreamOutcome.EXPIRED,
    }


def test_the_same_outcome_at_another_time_is_a_change() -> None:
    later = make_trigger(expiration="$last + 2h")
    (change,) = compare_replays(replayed(VM, *UPDATES), replayed(later, *UPDATES))
    assert change.kinds == (DifferenceKind.TIME,)


def test_a_split_stream_is_matched_to_its_largest_part_and_the_rest_are_new() -> None:
    events = [*UPDATES[:1], make_event("e2", seconds=60), make_event("e3", seconds=70)]
    before = replayed(VM, *events, until=10_000)
    first, second = compare_replays(before, replayed(SHORT, *events, until=10_000))
    assert first.kinds == (DifferenceKind.EXPIRES,)
    assert (first.before, first.added) == (None, ("e1",))
    assert second.kinds == (DifferenceKind.TIME, DifferenceKind.MEMBERS)
    assert (second.added, second.removed) == ((), ("e1",))


def test_a_stream_without_remaining_events_is_gone() -> None:
    narrow = make_trigger(match="vm.end")
    (change,) = compare_replays(replayed(VM, *UPDATES), replayed(narrow, *UPDATES))
    assert change.kinds == (DifferenceKind.VANISHES,)
    assert (change.after, change.removed) == (None, ("e1", "e2", "e3"))


def test_a_grouping_change_is_reported_when_the_events_stay_together() -> None:
    events = [make_event("e1", zone="z"), make_event("e2", zone="z")]
    by_zone = make_trigger(by=("zone",))
    (change,) = compare_replays(replayed(VM, *events), replayed(by_zone, *events))
    assert change.kinds == (DifferenceKind.GROUP,)
    assert change.stream.distinguished_by == {"zone": "z"}


def test_groups_differ_by_value_type() -> None:
    events = [make_event("e1", instance=1), make_event("e2", instance="1")]
    both = replayed(VM, *events)
    assert kinds(both, replayed(VM, *events[:1])) == [(DifferenceKind.VANISHES,)]
    assert kinds(replayed(VM, events[0]), replayed(VM, {**events[0], "instance": 1.0})) == [
        (DifferenceKind.GROUP,)
    ]


def test_streams_are_compared_within_one_trigger() -> None:
    other = make_trigger("other")
    changes = compare_replays(
        replayed([VM, other], *UPDATES), replayed([make_trigger("third"), VM], *UPDATES)
    )
    assert [(change.stream.trigger, change.kinds) for change in changes] == [
        ("other", (DifferenceKind.VANISHES,)),
        ("third", (DifferenceKind.STAYS_OPEN,)),
    ]


def test_changes_are_ordered_by_trigger_and_time() -> None:
    events = [
        make_event("e1", instance="b", seconds=5),
        make_event("e2", instance="a", seconds=9),
        make_event("e3", instance="c", seconds=1),
    ]
    changes = compare_replays(None, replayed([make_trigger("z"), make_trigger("y")], *events))
    keys = [(change.stream.trigger, change.stream.first_event) for change in changes]
    assert keys == sorted(keys)
    assert keys[0] == ("y", at(1))
    assert keys[0][1] > NOON
