"""A site with a day of work behind it, and with four problems that an operator must find.

The problems: one host (`SILENT_HOST`) does not end its backups; the handler `invoice` fails while a
file with exchange rates is missing; the receiver of the handler `webhook` is down; and the trigger
`disk_full` never matches, because its trait is text.

The real ingester and worker make the site on SQLite, with a clock that runs through the day. Other
databases get a copy of its rows.
"""

from __future__ import annotations

import json
import logging
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, text

from support.builders.shop_day import FAILING_CURRENCY, activity_level, invalid_bodies, shop_events
from support.scenes.shop_handlers import InvoiceHandler, ParcelHandler
from support.scenes.sites import Site
from support.servers.databases import without_fsync
from winchester_core.bootstrap import load_settings, make_ingester, make_worker
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.distribution import DISTRIBUTION
from winchester_core.ingest.pump import SourcePump
from winchester_core.interfaces import EventSource
from winchester_core.model.action import Action
from winchester_core.model.activity import ActivityCounts, ActivityKey, Subject, increases
from winchester_core.model.effect import EffectState
from winchester_core.model.message import Message, MessageKind
from winchester_core.model.process import ProcessKind, ProcessReport
from winchester_core.model.stream import StreamState
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import StreamVersion
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import activity, metadata
from winchester_core.telemetry.activity import activity_totals
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from winchester_core.config import Settings

HANDLERS = {"invoice": InvoiceHandler, "parcel": ParcelHandler}
OPERATOR_TOKEN = "operator-" + 8 * "4e7b"
VIEWER_TOKEN = "viewer-" + 8 * "91c3"
DAYS_OF_ACTIVITY = 6
"""Days before the last one of which only the activity is known."""

SETTINGS = """\
database: {{url: "{url}"}}
trigger_definitions: triggers.yaml
pipeline_config: pipelines.yaml
purge_completed_streams: false
outbox_max_age: 8h
retry_delay: 1
max_attempts: 3
pipeline_worker_delay: 0.2
statistics_period: 1
event_sources:
  shop:
    source: http
    params: {{port: {ingest_port}}}
console:
  tokens:
    - {{name: anna, role: operator, token: {operator_token}}}
    - {{name: wall, role: viewer, token: {viewer_token}}}
"""

TRIGGERS = """\
# Every backup that has started must end within eight hours.
- name: nightly_backup
  distinguished_by: [host]
  match_criteria:
    - event_type: backup.started
    - event_type: backup.done
      opens: false
  fire_criteria:
    - event_type: backup.done
      traits: {exit_code: 0}
  expiration: $first + 8h
  expire_pipeline: backup_missing

# An order is placed, then paid, then shipped.
- name: order
  distinguished_by: [order_id]
  match_criteria:
    - event_type: [order.placed, order.paid, order.shipped]
  cancel_criteria:
    - event_type: order.cancelled
  fire_criteria:
    - event_type: order.placed
    - event_type: order.paid
      traits: {amount: {numeric: "> 0"}}
    - event_type: order.shipped
  fire_order: sequence
  expiration: $first + 6h
  fire_pipeline: fulfil
  expire_pipeline: overdue

# Five failed logins and then a successful one within ten minutes.
- name: brute_force
  distinguished_by: [account]
  match_criteria:
    - event_type: login.failed
    - event_type: login.succeeded
      opens: false
  fire_criteria:
    - {event_type: login.failed, number: 5}
    - {event_type: login.succeeded}
  fire_order: sequence
  fire_within: 10m
  expiration: $last + 10m
  suppress: 1h
  fire_pipeline: alarm

# An instance must start within 15 minutes.
- name: instance_start
  distinguished_by: [instance_id]
  match_criteria:
    - event_type: compute.instance.create.*
  cancel_criteria:
    - event_type: compute.instance.delete.start
  fire_criteria:
    - event_type: compute.instance.create.end
  expiration: $first + 15m
  expire_pipeline: start_failed

# Somebody exports five gigabytes within a day.
- name: large_export
  distinguished_by: [account]
  match_criteria:
    - event_type: export.finished
  fire_criteria:
    - event_type: export.finished
      sum: {bytes: {at_least: 5000000000}}
  expiration: $first + 1d
  fire_pipeline: alarm

# A disk is nearly full. It never matches: used_percent is text, as in "97.2".
- name: disk_full
  debug_level: 2
  distinguished_by: [host, mount]
  match_criteria:
    - event_type: host.disk
      traits: {used_percent: {numeric: "> 90"}}
  fire_criteria:
    - {event_type: host.disk, number: 3}
  expiration: $last + 2h
  fire_pipeline: alarm
"""

PIPELINES = """\
fulfil:
  - name: invoice
    params: {{rates: "{rates}"}}
  - parcel
overdue:
  - logger
alarm:
  - name: webhook
    params: {{url: "http://127.0.0.1:{alarm_port}/alarms", send: stream, timeout: 5}}
backup_missing:
  - name: emit
    params:
      event_type: backup.missing
      timestamp: now
      traits: {{host: {{distinguished_by: host}}}}
  - logger
start_failed:
  - logger
"""


class PreparedSite(Site):
    """The site. `alarm_port` is the port of the receiver that is down."""

    def __init__(
        self, path: Path, url: str | None = None, *, ingest_port: int, alarm_port: int
    ) -> None:
        super().__init__(path, url)
        self.rates = path / "rates.json"
        self.ingest_port, self.alarm_port = ingest_port, alarm_port
        tokens = {"operator_token": OPERATOR_TOKEN, "viewer_token": VIEWER_TOKEN}
        settings = SETTINGS.format(url=self.url, ingest_port=ingest_port, **tokens)
        self.write("winchester.yaml", settings)
        self.write("triggers.yaml", TRIGGERS)
        self.write("pipelines.yaml", PIPELINES.format(rates=self.rates, alarm_port=alarm_port))
        source = Path(__file__).with_name("shop_handlers.py").read_text()
        for name, handler in HANDLERS.items():
            self.install("winchester.handlers", name, handler.__name__, source)

    def fill(self) -> None:
        """Create the tables, and fill them with the day until now."""
        work = self.path / "day.db"
        url = f"sqlite:///{work}"
        fill_database(self, url, datetime.now(UTC))
        self.copy_from(url)
        work.unlink()

    def copy_from(self, url: str) -> None:
        """Create the tables, and copy the rows of another database."""
        with closing(Database(url)) as source, closing(Database(self.url)) as target:
            DatabaseSchema(target).upgrade()
            rows = source.read(_rows_by_table)
            target.write(lambda connection: _insert_rows(connection, rows))

    def repair_rates(self) -> None:
        """Let the handler `invoice` succeed."""
        self.rates.write_text(json.dumps({FAILING_CURRENCY: 1.05}))


def _rows_by_table(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    return {
        table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
        for table in metadata.sorted_tables
    }


def _insert_rows(connection: Connection, rows: dict[str, list[dict[str, Any]]]) -> None:
    for table in metadata.sorted_tables:
        if table.name == "event_clock":
            continue  # the migrations insert its only row
        if rows[table.name]:
            connection.execute(insert(table), rows[table.name])
        if connection.dialect.name == "postgresql" and table.autoincrement_column is not None:
            largest = connection.execute(select(func.max(table.c.id))).scalar()
            sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
            connection.execute(text(f"SELECT setval({sequence}, {(largest or 0) + 1}, false)"))


# --- the day --------------------------------------------------------------------------------------


def fill_database(site: PreparedSite, url: str, now: datetime) -> None:
    """Let the ingester and the worker process the day before `now`, on an SQLite database."""
    logger = logging.getLogger("winchester_core")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # the failures are intended
    try:
        _fill_database(site, url, now)
    finally:
        logger.setLevel(level)


def _fill_database(site: PreparedSite, url: str, now: datetime) -> None:
    clock = FakeClock(now - timedelta(days=1))
    database = Database(url, host_clock=clock)
    without_fsync(database.engine)
    DatabaseSchema(database).upgrade()
    with closing(SqlStore(database)) as store:
        _Day(site, store, clock, now).run()
        database.write(lambda connection: _insert_earlier_activity(connection, now))


@dataclass
class _Program:
    """A program of the site, of which only the reports are simulated."""

    report: ProcessReport
    counters: Any
    recorded: dict[ActivityKey, ActivityCounts]


class _Day:
    def __init__(
        self, site: PreparedSite, store: SqlStore, clock: FakeClock, now: datetime
    ) -> None:
        self._store, self._clock, self._now = store, clock, now
        settings = load_settings(site.config, pipeline_handlers=HANDLERS)
        stream_clock = StreamClock(ClockKind.SYSTEM, store, clock)
        self._ingester = make_ingester(settings, store, stream_clock)
        self._worker = make_worker(replace(settings, worker_name="worker-1"), store, stream_clock)
        self._pump = _pump(self._ingester)
        self._events = shop_events(now)
        self._invalid = invalid_bodies(now)
        self._actions = list(ACTIONS)
        self._programs = _programs(settings, self._ingester, self._worker)

    def run(self) -> None:
        for time in _steps(self._now):
            self._clock.set(time)
            arrived = _take_until(self._events, time, lambda event: event["timestamp"])
            if arrived:
                self._ingester.add_events(arrived)
            for _, body in _take_until(self._invalid, time, lambda each: each[0]):
                self._pump.ingest([Message(body, MessageKind.EVENT, received_from="queue orders")])
            self._worker.run_once()
            for program in self._programs:
                self._report(program)
            self._act(time)
        self._ingester.debug.flush()

    def _report(self, program: _Program) -> None:
        totals = activity_totals(program.counters) if program.counters is not None else {}
        self._store.report_process(program.report, increases(program.recorded, totals))
        program.recorded = totals

    def _act(self, time: datetime) -> None:
        """Act as an operator, at the times of `ACTIONS`."""
        while self._actions and time >= self._now - self._actions[0][0]:
            _, act = self._actions.pop(0)
            act(self._store)


def _reset_failed_streams(store: SqlStore) -> None:
    failed = store.find_streams(StreamFilter(name="order", states=(StreamState.ERROR,)), limit=2)
    versions = [StreamVersion(stream.id, stream.state_serial_no) for stream in failed]
    assert store.reset_streams(versions, action=_action("stream.reset", "trigger=order"))


def _discard_rejected_message(store: SqlStore) -> None:
    message = store.find_rejected(limit=1)[0]
    store.delete_rejected(message.id, action=_action("rejected.discard", f"message {message.id}"))


def _retry_dead_letter(store: SqlStore) -> None:
    effect = store.find_effects(EffectFilter(state=EffectState.DEAD), limit=1)[0]
    action = _action("outbox.retry", f"effect {effect.id}")
    assert store.retry_effects([effect.id], action=action)


def _action(action: str, target: str) -> Action:
    values = {"name": "anna", "role": "operator", "address": "10.1.0.17", "number": 1}
    return Action(**values, action=action, target=target)


ACTIONS = (
    (timedelta(hours=6), _reset_failed_streams),
    (timedelta(hours=2), _discard_rejected_message),
    (timedelta(hours=1), _retry_dead_letter),
)
"""Actions of an operator during the day, with how long ago they were."""


def _steps(now: datetime) -> Iterator[datetime]:
    """Yield the times at which events arrive and the worker looks, denser towards `now`."""
    time = now - timedelta(days=1)
    while time < now:
        time += timedelta(minutes=1 if now - time <= timedelta(hours=1, minutes=5) else 8)
        yield min(time, now)


def _take_until(items: list[Any], time: datetime, time_of: Any) -> list[Any]:
    taken = [item for item in items if time_of(item) <= time]
    del items[: len(taken)]
    return taken


class _RejectingSource(EventSource):
    """Source of the invalid messages."""

    def ack(self, messages: Any) -> None:
        """Acknowledge nothing: there is no origin."""


def _pump(ingester: Any) -> SourcePump:
    return SourcePump(
        "rabbitmq", _RejectingSource(), ingester, batch_size=1, stop=threading.Event()
    )


def _programs(settings: Settings, ingester: Any, worker: Any) -> list[_Program]:
    report = ProcessReport(
        id="shop-1:2311:ingest",
        kind=ProcessKind.INGEST,
        name="ingest",
        host="shop-1",
        pid=2311,
        version=version(DISTRIBUTION),
        period_seconds=600.0,
        running_seconds=1_043_000.0,
        triggers_fingerprint=settings.triggers_fingerprint,
        pipelines_fingerprint=None,
    )
    workers = [
        replace(
            report,
            id=f"shop-{number}:{pid}:worker",
            kind=ProcessKind.WORKER,
            name=f"worker-{number}",
            host=f"shop-{number}",
            pid=pid,
            running_seconds=seconds,
            pipelines_fingerprint=settings.pipelines_fingerprint,
        )
        for number, pid, seconds in ((1, 2317, 1_042_000.0), (2, 911, 262_000.0))
    ]
    return [
        _Program(report, ingester.counters, {}),
        _Program(workers[0], worker.counters, {}),
        _Program(workers[1], None, {}),
    ]


def _insert_earlier_activity(connection: Connection, now: datetime) -> None:
    """Insert the activity of the days before, by the hour, similar to that of the last day."""
    end = int((now - timedelta(days=1)).timestamp())
    end -= end % 3600
    rows = []
    for hours in range(1, DAYS_OF_ACTIVITY * 24):
        begins_at = end - 3600 * hours
        time = datetime.fromtimestamp(begins_at, UTC)
        level = activity_level(time) * (0.6 if time.weekday() >= 5 else 1.0)
        per_name = {
            ActivityKey(Subject.EVENTS): ActivityCounts(events_stored=int(210 * level)),
            ActivityKey(Subject.TRIGGER, "order"): ActivityCounts(
                streams_opened=int(13 * level),
                streams_fired=int(11 * level),
                streams_expired=int(level + 0.3),
                streams_cancelled=int(level + 0.4),
            ),
            ActivityKey(Subject.TRIGGER, "instance_start"): ActivityCounts(
                streams_opened=int(3 * level), streams_fired=int(3 * level)
            ),
            ActivityKey(Subject.PIPELINE, "fulfil"): ActivityCounts(
                runs=int(11 * level), run_seconds=0.4 * level, effects_delivered=int(11 * level)
            ),
        }
        rows += [
            {
                "period_seconds": 3600,
                "begins_at": begins_at,
                "subject": key.subject.value,
                "name": key.name,
                **counts._asdict(),
            }
            for key, counts in per_name.items()
        ]
    connection.execute(insert(activity), rows)
