"""Many processes on one database: waiting events meet their stream, and one stream fires.

Three ingesters, real programs, ingest the same events, each in a different order and in batches of
another size. All events lie within half an hour of stream time, so no wait is over meanwhile.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from support.scenes.program_groups import program_group
from winchester_core.model.stream import Decision
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from pathlib import Path

    from support.scenes.sites import Site
    from winchester_core.storage.sql.store import SqlStore

START = datetime(2026, 3, 15, 12, tzinfo=UTC)
USERS = 60
ALL = 10_000
BATCH_SIZES = (1, 7, 100)

TRIGGERS = """\
- name: login
  distinguished_by: [user]
  match_criteria:
    - event_type: login.failed
    - {event_type: login.succeeded, opens: false}
  lateness: 1d
  fire_criteria:
    - {event_type: login.failed, number: 3}
    - event_type: login.succeeded
  fire_order: sequence
  fire_within: 10m
  expiration: $last + 1d
  fire_delay: 1d
  fire_pipeline: report
  expire_pipeline: report
- name: alarm
  distinguished_by: [user]
  match_criteria:
    - event_type: login.failed
  fire_criteria:
    - event_type: login.failed
  expiration: $first - 1d
  suppress: 1d
  fire_pipeline: report
"""
"""The second trigger opens a stream for each event, and each meets the criteria."""


def make_events() -> list[dict[str, Any]]:
    source = random.Random(6)
    return [
        {
            "message_id": f"{user}-{number}",
            "event_type": source.choice(["login.failed"] * 3 + ["login.succeeded"]),
            "timestamp": (START + timedelta(seconds=source.randrange(1800))).isoformat(),
            "user": f"user-{user}",
        }
        for user in range(USERS)
        for number in range(source.randrange(1, 9))
    ]


def write(file: Path, events: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(each) + "\n" for each in events))
    return file


def ingest(site: Site, events: list[dict[str, Any]], *sizes: int) -> SqlStore:
    """Ingest all events in as many processes as sizes of batches; return the store."""
    site.write("triggers.yaml", TRIGGERS)
    source = random.Random(7)
    with program_group(site) as programs:
        for number, size in enumerate(sizes):
            file = write(site.path / f"{number}.jsonl", source.sample(events, len(events)))
            options = ["-c", site.config, "--file", file, "--format", "event"]
            command = ["winchester", "ingest", *options, "--batch-size", str(size)]
            programs.start(f"ingest{number}", *command)
        assert [member.wait() for member in programs.members] == [0] * len(sizes)
        for member in programs.members:
            assert "Traceback" not in member.text()
    return site.store()


def met(events: list[dict[str, Any]]) -> bool:
    """Return whether three failures are followed by a success, all within ten minutes."""
    order = {"login.failed": 0, "login.succeeded": 1}
    ordered = sorted(events, key=lambda each: (each["timestamp"], order[each["event_type"]]))
    failures = [each["timestamp"] for each in ordered if order[each["event_type"]] == 0]
    for each in ordered:
        if order[each["event_type"]] == 1:
            before = [time for time in failures if time <= each["timestamp"]][-3:]
            if len(before) == 3 and each["timestamp"] - before[0] <= timedelta(minutes=10):
                return True
    return False


def test_the_order_and_the_number_of_processes_change_nothing(site: Site) -> None:
    events = make_events()
    with ingest(site, events, *BATCH_SIZES) as store:
        assert store.count_events() == len(events)
        streams = store.find_streams(StreamFilter(name="login"), limit=ALL)
        users = Counter(each.distinguished_by["user"] for each in streams)
        failed = {each["user"] for each in events if each["event_type"] == "login.failed"}
        assert users == dict.fromkeys(failed, 1)
        for stream in streams:
            members = store.get_stream_events(stream.id)
            expected = {
                each["message_id"]
                for each in events
                if each["user"] == stream.distinguished_by["user"]
            }
            assert {each["message_id"] for each in members} == expected
            counted = [each for each in members if each["timestamp"] >= stream.first_event]
            assert (stream.fire_timestamp is not None) == met(counted)
        assert any(each.fire_timestamp is not None for each in streams)


def test_one_stream_of_a_silent_group_fires(site: Site) -> None:
    events = make_events()
    with ingest(site, events, *BATCH_SIZES) as store:
        decisions: dict[str, Counter[Decision | None]] = {}
        for stream in store.find_streams(StreamFilter(name="alarm"), limit=ALL):
            decisions.setdefault(stream.distinguished_by["user"], Counter())[stream.decision] += 1
        failures = Counter(each["user"] for each in events if each["event_type"] == "login.failed")
        assert decisions == {
            user: Counter({None: 1, Decision.SUPPRESSED: number - 1})
            if number > 1
            else Counter({None: 1})
            for user, number in failures.items()
        }
