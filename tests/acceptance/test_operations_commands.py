"""`winchester process list`, `stats` and `action list` show what the programs have recorded."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from support.builders.operations import make_action, make_report, trigger
from support.scenes.program_groups import program_group
from support.scenes.sites import TRIGGERS, task_events, wait_until
from winchester_core.model.activity import ActivityCounts, ActivityKey, Subject
from winchester_core.storage.sql.tables import activity, processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Winchester
    from support.scenes.program_groups import ProgramGroup
    from support.scenes.sites import Site
    from winchester_core.model.process import ProcessRecord


@pytest.fixture
def programs(ready_site: Site) -> Iterator[ProgramGroup]:
    with program_group(ready_site) as programs:
        yield programs


def recorded(site: Site) -> list[ProcessRecord]:
    """Return the rows of the processes."""
    with site.store() as store:
        return store.find_processes()


def listed(site: Site, winchester: Winchester, *command: str) -> list[dict[str, Any]]:
    """Return the objects that a command lists as JSON."""
    result = winchester(site, *command, "-f", "json")
    assert result.status == 0, result.err
    objects: list[dict[str, Any]] = json.loads(result.out)
    return objects


def age_processes(site: Site, **ages: timedelta) -> None:
    """Move times of all processes into the past."""
    with site.store() as store:
        now = store.real_time()
        values = {name: now - age for name, age in ages.items()}
        store.database.write(lambda it: it.execute(update(processes).values(values)))


def test_a_worker_is_listed_while_it_runs(
    ready_site: Site, programs: ProgramGroup, winchester: Winchester
) -> None:
    worker = programs.worker("w1")
    wait_until(lambda: len(recorded(ready_site)) == 1)
    (shown,) = listed(ready_site, winchester, "process", "list")
    assert (shown["kind"], shown["name"], shown["pid"]) == ("worker", "w1", worker.pid)
    assert shown["state"] == "running"
    assert len(shown["triggers"]) == len(shown["pipelines"]) == 16
    assert worker.end() == 0
    assert winchester(ready_site, "process", "list").out.strip() == ""


def test_a_killed_worker_is_gone_and_its_successor_replaces_it(
    ready_site: Site, programs: ProgramGroup, winchester: Winchester
) -> None:
    worker = programs.worker("w1")
    wait_until(lambda: len(recorded(ready_site)) == 1)
    worker.kill()
    age_processes(ready_site, seen_at=timedelta(minutes=4))
    (shown,) = listed(ready_site, winchester, "process", "list")
    assert shown["state"] == "gone"
    successor = programs.worker("w1")
    wait_until(lambda: [each.pid for each in recorded(ready_site)] == [successor.pid])


def test_workers_with_different_triggers_have_different_fingerprints(
    ready_site: Site, programs: ProgramGroup
) -> None:
    programs.worker("w1")
    wait_until(lambda: len(recorded(ready_site)) == 1)
    ready_site.write("triggers.yaml", TRIGGERS.replace("1h", "2h"))
    programs.worker("w2")
    wait_until(lambda: len(recorded(ready_site)) == 2)
    first, second = recorded(ready_site)
    assert first.triggers_fingerprint != second.triggers_fingerprint
    assert first.pipelines_fingerprint == second.pipelines_fingerprint


def test_a_reload_is_reported_at_once(ready_site: Site, programs: ProgramGroup) -> None:
    worker = programs.worker("w1")
    wait_until(lambda: len(recorded(ready_site)) == 1)
    wait_until(lambda: "worker started" in worker.text())
    (before,) = recorded(ready_site)
    ready_site.write("triggers.yaml", TRIGGERS.replace("1h", "2h"))
    worker.signal(signal.SIGHUP)
    wait_until(lambda: recorded(ready_site)[0].triggers_fingerprint != before.triggers_fingerprint)
    (after,) = recorded(ready_site)
    assert after.pipelines_fingerprint == before.pipelines_fingerprint
    assert after.configured_at > before.configured_at
    assert after.started_at == before.started_at


def test_lasting_differences_are_warnings(ready_site: Site, winchester: Winchester) -> None:
    with ready_site.store() as store:
        store.report_process(make_report("1"), {})
        store.report_process(make_report("2", version="1.1", triggers_fingerprint="t2"), {})
    assert winchester(ready_site, "process", "list").err == ""
    age_processes(ready_site, configured_at=timedelta(minutes=10))
    result = winchester(ready_site, "process", "list")
    assert "different versions for 10 minutes" in result.err
    assert "different triggers for 10 minutes" in result.err
    assert "pipelines for" not in result.err
    assert result.status == 0


def test_overdue_components_are_shown(ready_site: Site, winchester: Winchester) -> None:
    with ready_site.store() as store:
        store.report_process(make_report(overdue=("handlers", "worker")), {})
    result = winchester(ready_site, "process", "list")
    assert "handlers, worker" in result.out
    assert "| overdue |" in " ".join(result.out.split())


def test_commands_keep_no_row_and_their_activity_is_counted(
    ready_site: Site, winchester: Winchester
) -> None:
    file = ready_site.write_events("events.jsonl", [*task_events("a"), *task_events("b")])
    assert winchester(ready_site, "ingest", "--file", str(file)).status == 0
    worked = ready_site.run("winchester-worker", "-c", ready_site.config, "--until-idle")
    assert worked.returncode == 0
    assert recorded(ready_site) == []
    counted = {
        (each["subject"], each["name"], each["count"]): each["total"]
        for each in listed(ready_site, winchester, "stats")
    }
    assert counted.pop(("pipeline", "report", "run_seconds")) > 0
    assert counted == {
        ("events", "", "events_stored"): 4,
        ("trigger", "pair", "streams_opened"): 2,
        ("trigger", "pair", "streams_fired"): 2,
        ("pipeline", "report", "runs"): 2,
    }


def test_stats_show_values_over_time(ready_site: Site, winchester: Winchester) -> None:
    with ready_site.store() as store:
        for fired, age_seconds in ((1, 1800), (0, 1200), (8, 60)):
            counts = ActivityCounts(streams_fired=fired, streams_opened=2)
            minute = store.report_process(None, {trigger("größe"): counts}).minute
            of_minute = (activity.c.period_seconds == 60) & (activity.c.begins_at == minute)
            statement = update(activity).where(of_minute)
            move = statement.values(begins_at=minute - age_seconds)
            store.database.write(lambda it, move=move: it.execute(move))
    found = listed(ready_site, winchester, "stats")
    (shown,) = [each for each in found if each["count"] == "streams_fired"]
    assert (shown["name"], shown["total"], shown["period_seconds"]) == ("größe", 9, 60)
    assert [value for value in shown["values"] if value] == [1, 8]
    table = winchester(ready_site, "stats").out
    assert "█" in table or "@" in table
    longer = listed(ready_site, winchester, "stats", "--since", "7d")
    assert {each["period_seconds"] for each in longer} == {6 * 3600}
    assert {len(each["values"]) for each in longer} <= {29, 30}
    assert winchester(ready_site, "stats", "--since", "0s").out.strip() == ""


def test_stats_sort_subjects_and_names(ready_site: Site, winchester: Winchester) -> None:
    pipeline = ActivityKey(Subject.PIPELINE, "a")
    events = ActivityKey(Subject.EVENTS)
    with ready_site.store() as store:
        store.report_process(
            None,
            {
                pipeline: ActivityCounts(runs=1),
                trigger("b"): ActivityCounts(streams_failed=1),
                trigger("a"): ActivityCounts(streams_expired=1),
                events: ActivityCounts(messages_rejected=1),
            },
        )
    result = winchester(
        ready_site, "stats", "-f", "value", "--column", "subject", "--column", "name"
    )
    assert result.out.splitlines() == ["events ", "trigger a", "trigger b", "pipeline a"]


def test_actions_are_listed_with_filters(ready_site: Site, winchester: Winchester) -> None:
    with ready_site.store() as store:
        store.record_action(make_action())
        store.record_action(make_action(name="berta", action="stream.purge", number=3))
    first, second = listed(ready_site, winchester, "action", "list")
    assert (first["name"], first["role"], first["address"]) == ("anna", "operator", "127.0.0.1")
    assert (first["action"], first["target"], first["number"]) == ("stream.reset", "stream 7", 1)
    assert listed(ready_site, winchester, "action", "list", "--name", "berta") == [second]
    assert listed(ready_site, winchester, "action", "list", "--action", "stream.reset") == [first]
    assert winchester(ready_site, "action", "list", "--older-than", "1d", "--count").out == "0\n"
