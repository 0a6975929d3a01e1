"""Every store: reports of processes, activity by minute, actions."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from support.builders.operations import EVENTS, OPENED, make_action, make_report, trigger
from winchester_core.model.activity import (
    PERIODS_SECONDS,
    ActivityCounts,
    ActivityKey,
    ActivityRecord,
    Subject,
)
from winchester_core.model.process import ProcessKind
from winchester_core.storage.operation_records import ActionFilter

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

HOUR = timedelta(hours=1)
NEVER_SEEN = -1.0
"""A period with which a process is gone at once."""


def totals(store: Store) -> dict[ActivityKey, ActivityCounts]:
    """Return the activity of the last hours, by key."""
    sums: dict[ActivityKey, ActivityCounts] = {}
    for each in store.read_activity(store.real_time() - 48 * HOUR, 60).records:
        sums[each.key] = sums.get(each.key, ActivityCounts()).plus(each.counts)
    return sums


def test_a_process_keeps_one_row_with_its_latest_report(store: Store) -> None:
    before = store.real_time()
    store.report_process(make_report(overdue=("event source 'größe'", "worker")), {})
    (first,) = store.find_processes()
    report = make_report(running_seconds=9.0)
    result = store.report_process(report, {})
    (second,) = store.find_processes()
    assert first.overdue == ("event source 'größe'", "worker")
    assert second.overdue == ()
    assert list(result.processes) == [second]
    assert result.now == second.seen_at
    assert (second.id, second.kind, second.name) == (report.id, ProcessKind.WORKER, report.name)
    assert (second.host, second.pid, second.version) == (report.host, report.pid, report.version)
    assert (second.triggers_fingerprint, second.pipelines_fingerprint) == ("t1", "p1")
    assert first.started_at == second.started_at == first.seen_at - timedelta(seconds=5)
    assert before <= first.seen_at == first.configured_at <= second.seen_at
    assert second.configured_at == first.configured_at


def test_a_reload_changes_the_time_of_the_configuration(store: Store) -> None:
    store.report_process(make_report(), {})
    (before,) = store.find_processes()
    result = store.report_process(make_report(triggers_fingerprint="t2"), {})
    (after,) = store.find_processes()
    assert after.triggers_fingerprint == "t2"
    assert after.configured_at == result.now >= before.configured_at
    assert after.started_at == before.started_at


def test_processes_are_sorted(store: Store) -> None:
    for process_id, kind, name in (
        ("1", ProcessKind.WORKER, "b"),
        ("2", ProcessKind.WORKER, "a"),
        ("3", ProcessKind.INGEST, "z"),
        ("4", ProcessKind.WORKER, "B"),
    ):
        store.report_process(make_report(process_id, kind=kind, name=name), {})
    assert [each.id for each in store.find_processes()] == ["3", "4", "2", "1"]


def test_a_start_removes_only_predecessors_that_are_gone(store: Store) -> None:
    store.report_process(make_report("gone", period_seconds=NEVER_SEEN), {})
    store.report_process(make_report("running"), {})
    for process_id, changes in (
        ("other kind", {"kind": ProcessKind.INGEST}),
        ("other name", {"name": "worker-2"}),
        ("other host", {"host": "b"}),
    ):
        store.report_process(make_report(process_id, period_seconds=NEVER_SEEN, **changes), {})
    store.report_process(make_report("new"), {})
    found = {each.id for each in store.find_processes()}
    assert found == {"running", "other kind", "other name", "other host", "new"}


def test_a_process_that_ends_has_no_row_and_its_last_activity_is_added(store: Store) -> None:
    store.report_process(make_report(), {trigger("a"): OPENED})
    store.end_process(make_report().id, {trigger("a"): OPENED})
    store.end_process(None, {trigger("a"): OPENED})
    store.report_process(None, {trigger("a"): OPENED})
    assert store.find_processes() == []
    assert totals(store) == {trigger("a"): ActivityCounts(streams_opened=4)}


def test_gone_processes_are_deleted_after_an_age(store: Store) -> None:
    store.report_process(make_report("gone", name="a", period_seconds=NEVER_SEEN), {})
    store.report_process(make_report("running"), {})
    assert store.delete_gone_processes(HOUR) == 0
    assert store.delete_gone_processes(timedelta(seconds=-60)) == 1
    assert [each.id for each in store.find_processes()] == ["running"]


def test_activity_of_a_minute_is_summed_by_key(store: Store) -> None:
    pipeline = ActivityKey(Subject.PIPELINE, "größe")
    added = {
        EVENTS: ActivityCounts(events_stored=2**40, events_duplicate=2, messages_rejected=3),
        trigger("a"): OPENED,
        trigger("A"): ActivityCounts(streams_fired=5),
        trigger("a "): ActivityCounts(streams_expired=7),
        pipeline: ActivityCounts(runs=2, run_seconds=0.5, effects_delivered=3),
    }
    minute = store.report_process(None, added).minute
    store.report_process(None, added)
    now = store.real_time()
    assert now - timedelta(minutes=2) < now.fromtimestamp(minute, now.tzinfo) <= now
    assert minute % 60 == 0
    assert totals(store) == {key: counts.plus(counts) for key, counts in added.items()}


def test_activity_is_read_in_periods(store: Store) -> None:
    minute = store.report_process(None, {trigger("a"): OPENED, EVENTS: OPENED}).minute
    now = store.real_time()
    for period_seconds in PERIODS_SECONDS:
        since = now - timedelta(seconds=period_seconds)
        begins_at, found = store.read_activity(since, period_seconds)
        assert begins_at <= since.timestamp() < begins_at + period_seconds
        begin = minute - minute % period_seconds
        assert found == [ActivityRecord(begin, key, OPENED) for key in (EVENTS, trigger("a"))]
        in_period = now.fromtimestamp(begin + period_seconds - 1, now.tzinfo)
        assert store.read_activity(in_period, period_seconds) == (begin, found)
        after = now.fromtimestamp(begin + period_seconds, now.tzinfo)
        assert store.read_activity(after, period_seconds) == (begin + period_seconds, [])


def test_only_the_newest_periods_are_read_of_too_much_activity(store: Store) -> None:
    store.report_process(None, {trigger("a"): OPENED, EVENTS: OPENED})
    since = store.real_time() - HOUR
    whole = store.read_activity(since, 60, max_rows=4)  # the reports may be of two minutes
    assert whole == store.read_activity(since, 60)
    begins_at, found = store.read_activity(since, 60, max_rows=1)
    assert (begins_at, found) == (whole.records[-1].begins_at + 60, [])


def test_recent_activity_is_not_deleted(store: Store) -> None:
    store.report_process(None, {trigger("a"): OPENED})
    assert store.delete_activity(HOUR, 1_000) == 0
    assert totals(store) == {trigger("a"): OPENED}


def test_processes_that_add_to_the_same_minute_lose_nothing(store: Store) -> None:
    names = [trigger(f"t{number}") for number in range(20)]

    def add(own: list[ActivityKey]) -> None:
        for _ in range(10):
            store.report_process(None, dict.fromkeys(own, OPENED))

    threads = [
        threading.Thread(target=add, args=(order,)) for order in (names, names[::-1], names[5:])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    opened = {key: counts.streams_opened for key, counts in totals(store).items()}
    assert opened == {key: 20 if key in names[:5] else 30 for key in names}


def test_actions_are_listed_by_id(store: Store) -> None:
    before = store.real_time()
    store.record_action(make_action())
    store.record_action(make_action(name="größe", target="trigger=a state=error", number=2**40))
    store.record_action(make_action(action="stream.purge"))
    first, second, third = store.find_actions()
    assert before <= first.performed_at <= second.performed_at <= store.real_time()
    assert (first.name, first.role, first.address) == ("anna", "operator", "127.0.0.1")
    assert (second.name, second.target, second.number) == ("größe", "trigger=a state=error", 2**40)
    assert [each.id for each in store.find_actions(cursor=first.id, limit=1)] == [second.id]
    assert store.find_actions(ActionFilter(name="größe")) == [second]
    assert store.find_actions(ActionFilter(action="stream.purge")) == [third]
    assert store.find_actions(ActionFilter(older_than=first.performed_at)) == []
    assert store.count_actions(ActionFilter(younger_than=before)) == 3
    assert store.count_actions(ActionFilter(name="anna")) == 2


def test_old_actions_are_deleted_in_batches(store: Store) -> None:
    for number in range(5):
        store.record_action(make_action(number=number))
    future = timedelta(seconds=-60)
    assert store.delete_actions(HOUR, 3) == 0
    assert store.delete_actions(future, 3) == 3
    assert [each.number for each in store.find_actions()] == [3, 4]
    assert store.delete_actions(future, 3) == 2
