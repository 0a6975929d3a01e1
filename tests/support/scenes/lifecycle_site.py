"""A site that verifies instances' days: its load, and the expected final state."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.builders.nova.billing_events import distilled
from support.builders.nova.load import Load, lifecycle_load
from support.probes.final_state import Outcome, group_of
from support.scenes.worker_settings import ONE_BY_ONE
from winchester_core.model.stream import StreamState
from winchester_handlers.usage import UsageHandler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.scenes.sites import Site
    from support.scenes.worker_settings import WorkerSettings
    from winchester_core.model.event import Event

ETC = Path(__file__).resolve().parents[3] / "etc"
HAS_DISTILLER = importlib.util.find_spec("stackdistiller") is not None
MIDNIGHT = datetime(2026, 3, 15, tzinfo=UTC)
"""The end of the load's day. Later events, the records of that day, come within the hour."""

LONG_AFTER = MIDNIGHT + timedelta(days=10)
"""Time by which every stream that has not fired has expired."""

SETTINGS = """\
database: {{url: "{url}"}}
clock: event
trigger_definitions: triggers.yaml
pipeline_config: pipelines.yaml
purge_completed_streams: false
pipeline_worker_batch_size: {batch_size}
pipeline_worker_delay: 0.2
retry_delay: 0.2
"""


BATCH_SIZE = 7
"""Streams that a worker may hold for each thread: few, so that all workers have some."""


def make_load() -> Load:
    """Return some 5,000 notifications of one day, and of the first hour of the next."""
    load = lifecycle_load(days=1, instances=170, seed=4, fault_rate=0.15)
    assert len(load.notifications) > 5000
    return load


def configure(site: Site, settings: WorkerSettings = ONE_BY_ONE) -> None:
    """Configure the shipped triggers and event definitions, the usage handler, and a journal."""
    batch_size = BATCH_SIZE * settings.concurrency
    text = SETTINGS.format(url=site.url, batch_size=batch_size)
    site.write("winchester.yaml", text + settings.yaml())
    shutil.copy(ETC / "triggers.yaml", site.path)
    site.write(
        "pipelines.yaml", "verify_usage: [usage, journal]\nreport_missing: [usage, journal]\n"
    )
    if HAS_DISTILLER:
        shutil.copy(ETC / "event_definitions.yaml", site.path)
        site.add_settings("distiller_config: event_definitions.yaml\n")
    handler = Path(__file__).with_name("journal_handler.py").read_text()
    site.install("winchester.handlers", "journal", "JournalHandler", handler)
    with site.store() as store:
        store.set_event_clock(MIDNIGHT)


def orders(load: Load) -> list[list[dict[str, Any]]]:
    """Return the load in four orders: as sent, reversed, shuffled, in overlapping pieces."""
    source = random.Random(5)
    sent = list(load.notifications)
    shuffled = source.sample(sent, len(sent))
    pieces = [sent[start : start + 300] for start in range(0, len(sent), 200)]
    repeated = [each for piece in source.sample(pieces, len(pieces)) for each in piece]
    return [sent, sent[::-1], shuffled, repeated]


def write_messages(path: Path, notifications: Iterable[dict[str, Any]]) -> list[str | Path]:
    """Write a file for `winchester ingest`; return the options that name it."""
    messages = notifications if HAS_DISTILLER else map(distilled, notifications)
    path.write_text("".join(json.dumps(each, default=str) + "\n" for each in messages))
    if HAS_DISTILLER:
        return ["--file", path, "--format", "notification"]
    times = ("launched_at", "deleted_at", "audit_period_beginning", "audit_period_ending")
    traits = [part for name in times for part in ("--datetime-trait", name)]
    return ["--file", path, "--format", "event", *traits]


class LifecycleOutcome(Outcome):
    """The final state of the load, and the journal."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        path = site.path / "journal.jsonl"
        self.journal = [json.loads(line) for line in path.read_text().splitlines()]

    def verdicts(self) -> list[Event]:
        """Return the events of the usage handler by id."""
        return sorted(filter(is_verdict, self.events), key=lambda event: event["message_id"])

    def check_events(self, load: Load) -> None:
        """Assert that every event was stored once, with no others but verdicts."""
        expected = {n["message_id"] for n in load.notifications if is_covered(n)}
        stored = Counter(e["message_id"] for e in self.events if not is_verdict(e))
        assert set(stored) == expected
        assert set(stored.values()) == {1}

    def check_progress(self) -> None:
        """Assert that expiry and firing of each stream agree with its members."""
        for stream in self.streams:
            assert stream.expire_timestamp == stream.last_event + timedelta(days=2)
            assert (stream.fire_timestamp is not None) == (stream.progress == (1,))

    def check_completed_once(self) -> None:
        """Assert that each stream was completed in one run, committed once."""
        assert {stream.state for stream in self.streams} == {StreamState.COMPLETED}
        assert {stream.attempts for stream in self.streams} == {1}
        assert {stream.last_error for stream in self.streams} == {None}
        for call in ("handle", "commit"):
            calls = Counter(line["stream"] for line in self.journal if line["call"] == call)
            assert calls == Counter(stream.id for stream in self.streams)
        reasons = {line["stream"]: line["reason"] for line in self.journal}
        for stream in self.streams:
            assert reasons[stream.id] == ("fire" if stream.fire_timestamp else "expire")

    def check_verdicts(self) -> None:
        """Assert that the verdicts are those of the usage handler for each stream's members."""
        given: list[Event] = []
        for stream in self.streams:
            members = self.members[stream.id]
            after = UsageHandler().handle_events(list(members), {"stream_id": stream.id})
            given += after[len(members) :]
        assert self.verdicts() == sorted(given, key=lambda event: event["message_id"])

    def comparable(self) -> dict[str, Any]:
        """Return the state that does not depend on process, time or order."""
        return {
            "streams": sorted(
                (
                    stream.name,
                    group_of(stream.distinguished_by),
                    stream.state.value,
                    stream.first_event,
                    stream.last_event,
                    stream.expire_timestamp,
                    stream.fire_timestamp is not None,
                    stream.event_count,
                    stream.progress,
                    stream.fingerprint,
                    [event["message_id"] for event in self.members[stream.id]],
                )
                for stream in self.streams
            ),
            "events": sorted(
                (sorted(without_stream_id(event).items()) for event in self.events), key=repr
            ),
        }


def is_covered(notification: dict[str, Any]) -> bool:
    """Return whether it becomes an event: scheduler notifications have no definition."""
    return not HAS_DISTILLER or notification["event_type"].startswith("compute.instance.")


def is_verdict(event: Event) -> bool:
    """Return whether the usage handler made it."""
    return event.get("publisher_id") == "stv3"


def without_stream_id(event: Event) -> Event:
    """Return the event without the trait that holds a surrogate key."""
    return {name: value for name, value in event.items() if name != "stream_id"}
