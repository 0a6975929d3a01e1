"""Triggers are reloaded while programs run, and streams of another fingerprint are recalculated."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from support.scenes.program_groups import program_group
from support.scenes.sites import task_events, wait_until
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.program_groups import ProgramGroup, RunningProgram
    from support.scenes.sites import Site
    from winchester_core.model.stream import StreamRecord


TWO_CRITERIA = """\
  fire_criteria:
    - event_type: task.begin
    - event_type: task.end
"""
ONE_CRITERION = """\
  fire_criteria:
    - event_type: task.begin
"""
MISSPELT = """\
  fire_criteria:
    - event_typ: task.begin
"""

RELOAD_RESULTS = ("configuration reloaded: ", "reload failed, ")
"""Log messages of a successful and of a failed reload."""


@pytest.fixture
def programs(site: Site) -> Iterator[ProgramGroup]:
    site.add_settings(
        """\
        purge_completed_streams: false
        event_sources:
          here: {source: jsonl, params: {path: here.jsonl, format: event, follow: true}}
        """
    )
    with program_group(site) as programs:
        yield programs


def _start_programs(
    programs: ProgramGroup, site: Site, *hosts: str
) -> tuple[RunningProgram, RunningProgram]:
    """Start a worker and an ingester, with one open stream per host."""
    events = [event for host in hosts for event in task_events(host, ends=False)]
    site.write_events("here.jsonl", events)
    worker = programs.worker("w")
    ingest = programs.start("ingest", "winchester", "ingest", "-c", site.config)
    wait_until(lambda: "worker started" in worker.text())
    wait_until(lambda: len(_streams(site)) == len(hosts))
    return worker, ingest


def _streams(site: Site) -> list[StreamRecord]:
    with site.store() as store:
        return store.find_streams(StreamFilter(), limit=1000)


def _states(site: Site) -> set[str]:
    return {stream.state.value for stream in _streams(site)}


def _change(site: Site, old: str, new: str) -> None:
    triggers = (site.path / "triggers.yaml").read_text()
    assert old in triggers
    site.write("triggers.yaml", triggers.replace(old, new))


def _reload(member: RunningProgram) -> str:
    """Reload the configuration of a program; return its log line."""
    logged_before = len(member.text())
    member.signal(signal.SIGHUP)
    wait_until(lambda: any(result in member.text()[logged_before:] for result in RELOAD_RESULTS))
    return member.text()[logged_before:]


def test_an_invalid_file_changes_nothing_and_the_reason_is_logged(
    programs: ProgramGroup, site: Site
) -> None:
    worker, ingest = _start_programs(programs, site, "a", "b")
    before = _streams(site)
    _change(site, TWO_CRITERIA, MISSPELT)
    for member in (worker, ingest):
        record = _reload(member)
        assert "reload failed, configuration unchanged" in record
        assert f"{site.path}/triggers.yaml:9:7: [0].fire_criteria[0].event_typ: " in record
        assert "event_type" in record.partition("event_typ: ")[2]
        assert record.count("ERROR") == 1
    assert _streams(site) == before
    with (site.path / "here.jsonl").open("a") as file:
        file.write(_line("a"))
    wait_until(lambda: _states(site) == {"active", "completed"})
    assert (worker.end(), ingest.end()) == (0, 0)


def test_open_streams_are_recalculated_and_fire_if_now_complete(
    programs: ProgramGroup, site: Site
) -> None:
    hosts = [f"host-{number}" for number in range(250)]
    worker, ingest = _start_programs(programs, site, *hosts)
    assert _states(site) == {"active"}
    assert {stream.progress for stream in _streams(site)} == {(1, 0)}
    _change(site, TWO_CRITERIA, ONE_CRITERION)
    for member in (ingest, worker):
        assert "triggers: pair changed in fire_criteria" in _reload(member)
    wait_until(lambda: _states(site) == {"completed"})
    assert {stream.progress for stream in _streams(site)} == {(1,)}
    assert "streams=250 trigger=pair" in worker.text()
    assert (worker.end(), ingest.end()) == (0, 0)


def test_a_changed_expiration_applies_to_open_streams_and_to_those_ingest_updates(
    programs: ProgramGroup, site: Site
) -> None:
    worker, ingest = _start_programs(programs, site, "a", "b")
    _change(site, '"$last + 1h"', '"$last + 5h"')
    _reload(ingest)
    with (site.path / "here.jsonl").open("a") as file:
        file.write(_line("a", "step"))
    wait_until(lambda: len(set(_hours_to_expiry(site))) == 2)
    assert _hours_to_expiry(site) == [1, 5]
    _reload(worker)
    wait_until(lambda: _hours_to_expiry(site) == [5, 5])
    assert _states(site) == {"active"}


def _hours_to_expiry(site: Site) -> list[float]:
    return sorted(
        (stream.expire_timestamp - stream.last_event).total_seconds() / 3600
        for stream in _streams(site)
    )


def _line(host: str, name: str = "end") -> str:
    return (
        f'{{"message_id": "{host}-{name}", "event_type": "task.{name}", '
        f'"timestamp": "2015-01-20T10:30:00+00:00", "host": "{host}"}}\n'
    )
