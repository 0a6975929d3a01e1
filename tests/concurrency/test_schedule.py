"""Processes that run the same schedule on one database: each event is stored once.

Three programs produce the same 3,000 events at the same time, in batches of different sizes. One is
killed in between, and started again.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from support.scenes.program_groups import program_group
from support.scenes.sites import wait_until
from winchester_core.model.event import to_utc
from winchester_core.storage.filters import EventFilter, StreamFilter

if TYPE_CHECKING:
    from support.scenes.program_groups import ProgramGroup, RunningProgram
    from support.scenes.sites import Site

HOSTS, HOURS = 60, 50
BATCH_SIZES = (100, 70, 40)
SETTINGS = """\
event_sources:
  backups:
    source: schedule
    params:
      name: nightly
      cron: "0 * * * *"
      event_type: backup.expected
      catch_up: {hours}h
      for_each: {{host: [{hosts}]}}
"""
TRIGGERS = """\
- name: backup
  distinguished_by: [host, timestamp: hour]
  match_criteria: [event_type: backup.expected]
  fire_criteria: [event_type: backup.finished]
  expiration: $first + 60d
  expire_pipeline: report
"""


def configure(site: Site) -> None:
    site.config.write_text(site.config.read_text().replace("clock: event", "clock: system"))
    hosts = ", ".join(f"host-{number}" for number in range(HOSTS))
    site.add_settings(SETTINGS.format(hours=HOURS, hosts=hosts))
    site.write("triggers.yaml", TRIGGERS)


def start(programs: ProgramGroup, site: Site, name: str, batch_size: int) -> RunningProgram:
    arguments = ("-c", site.config, "--batch-size", str(batch_size))
    return programs.start(name, "winchester", "ingest", *arguments)


def ended(programs: list[RunningProgram]) -> bool:
    return not all(program.is_running for program in programs)


def test_each_event_is_stored_once_and_opens_one_stream(site: Site) -> None:
    configure(site)
    with program_group(site) as programs, site.store() as store:
        first, *others = (
            start(programs, site, f"ingest{number}", size)
            for number, size in enumerate(BATCH_SIZES)
        )
        wait_until(lambda: store.count_events(EventFilter()) >= BATCH_SIZES[0] or ended(others))
        first.kill()
        others.append(start(programs, site, "again", BATCH_SIZES[0]))
        wait_until(lambda: store.count_events(EventFilter()) >= HOSTS * HOURS or ended(others))
        assert [program.end() for program in others] == [0, 0, 0]

        events = store.find_events(EventFilter(), limit=2 * HOSTS * HOURS)
        streams = store.find_streams(StreamFilter(), limit=2 * HOSTS * HOURS)
    found = Counter((each["host"], to_utc(each["timestamp"])) for each in events)
    assert set(found.values()) == {1}
    # the test may run across a full hour, so there may be one more time
    assert len({moment for _host, moment in found}) in (HOURS, HOURS + 1)
    assert len(streams) == len(found)
    assert {stream.event_count for stream in streams} == {1}
