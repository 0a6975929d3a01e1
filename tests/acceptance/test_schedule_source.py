"""`winchester ingest` with the source `schedule`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.scenes.sites import end, wait_until
from winchester_core.storage.filters import EventFilter
from winchester_core.time_zones import time_zone_data

if TYPE_CHECKING:
    import subprocess

    from conftest import Winchester
    from support.scenes.sites import Site

HOSTS = 40
HOURS = 30
SETTINGS = """\
event_sources:
  backups:
    source: schedule
    params:
      name: nightly
      cron: "0 * * * *"
      timezone: Europe/Berlin
      event_type: backup.expected
      catch_up: {hours}h
      for_each: {{host: [{hosts}]}}
ingest_batch_size: 100
"""


def configure(site: Site, clock: str = "system") -> None:
    site.config.write_text(site.config.read_text().replace("clock: event", f"clock: {clock}"))
    hosts = ", ".join(f"host-{number}" for number in range(HOSTS))
    site.add_settings(SETTINGS.format(hours=HOURS, hosts=hosts))


def stored_events(site: Site) -> int:
    with site.store() as store:
        return store.count_events(EventFilter())


def wait_until_started(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any(f"ingest started: tzdata={time_zone_data().version}" in line for line in lines)


def test_several_processes_and_a_restart_store_each_event_once(ready_site: Site) -> None:
    configure(ready_site)
    arguments = ("winchester", "ingest", "-c", ready_site.config)
    processes = [ready_site.start(*arguments) for _ in range(2)]
    for process in processes:  # before its start a signal would kill it
        wait_until_started(process)
    wait_until(lambda: stored_events(ready_site) >= HOSTS * HOURS)
    outputs = [end(process) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    stored = sum(int(out.split("stored ")[1].split(",")[0]) for out, _err in outputs)

    restarted = ready_site.start(*arguments)
    wait_until_started(restarted)
    out, _err = end(restarted)

    with ready_site.store() as store:
        events = store.find_events(EventFilter(), limit=HOSTS * (HOURS + 2))
    # the test may run across a full hour, so there may be one more time
    assert len(events) in (HOSTS * HOURS, HOSTS * (HOURS + 1))
    assert len({(each["host"], each["timestamp"]) for each in events}) == len(events)
    later = int(out.split("stored ")[1].split(",")[0])
    assert stored + later == len(events)


def test_the_process_stops_while_it_waits_for_a_time(ready_site: Site) -> None:
    configure(ready_site)
    ready_site.config.write_text(ready_site.config.read_text().replace("0 * * * *", "0 0 29 2 *"))
    process = ready_site.start("winchester", "ingest", "-c", ready_site.config)
    assert process.stderr is not None
    wait_until(lambda: "ingest started" in process.stderr.readline())
    out, _err = end(process)
    assert (process.returncode, out[:11]) == (0, "received 0,")


@pytest.mark.parametrize("command", ["check", "ingest"])
def test_another_clock_is_refused_with_file_line_and_key(
    winchester: Winchester, ready_site: Site, command: str
) -> None:
    configure(ready_site, clock="event")
    ended = winchester(ready_site, command)
    assert ended.status == 2
    place = f"{ready_site.config}:7:13: event_sources.backups.source: "
    assert place + "the event source 'schedule' follows the system clock" in ended.err


def test_a_replay_does_not_read_the_schedule(ready_site: Site) -> None:
    configure(ready_site)
    ready_site.write_events(
        "events.jsonl",
        [
            {
                "message_id": "1",
                "event_type": "backup.expected",
                "timestamp": "2015-01-20T10:00:00Z",
                "host": "host-1",
            }
        ],
    )
    arguments = ("-c", ready_site.config, "--file", "events.jsonl", "--format", "event")
    ended = ready_site.run("winchester", "replay", *arguments)
    assert ended.returncode == 0, ended.stderr
    assert stored_events(ready_site) == 1
