"""Rows of a large site that `bulk_rows` does not fill, for the pages of the console: PostgreSQL.

They are rejected messages, effects, actions of operators, activity, processes, debug counts, error
messages of the failed streams, and the streams of a second trigger, one of which has many events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.builders.bulk_rows import END, Bulk, analyze, execute, fill
from winchester_core.model.activity import HOUR_SECONDS, PERIODS_SECONDS, ActivityCounts
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from winchester_core.storage.sql.database import Database

INSTANCE = "instance"
HOST = "host"
PIPELINE = "bill"
DAYS_OF_ACTIVITY = 7
OTHER_TRIGGERS = 18
HOSTS = 97
"""Number of hosts in the events of `bulk_rows`."""

MAX_LARGE_STREAM = 100_000


def _trigger(name: str, trait: str, pattern: str) -> dict[str, Any]:
    return {
        "name": name,
        "distinguished_by": [trait],
        "match_criteria": [{"event_type": pattern}],
        "fire_criteria": [{"event_type": "compute.instance.delete.end"}],
        "expiration": "$last + 56d",
        "fire_pipeline": PIPELINE,
        "expire_pipeline": PIPELINE,
    }


TRIGGERS = [
    _trigger(INSTANCE, "instance", "compute.instance.*"),
    _trigger(HOST, "host", "compute.instance.*"),
    *(_trigger(f"other_{number}", "region", "other.*") for number in range(OTHER_TRIGGERS)),
]
"""Configured triggers. Only the first two have streams, all of them have activity."""


@dataclass(frozen=True)
class BulkSite(Bulk):
    """Contents of the filled database of a site."""

    @property
    def rejected(self) -> int:
        """Number of the rejected messages, with ids from 1."""
        return self.events // 100

    @property
    def effects(self) -> int:
        """Number of the effects, with ids from 1; one in a hundred is dead."""
        return self.events // 50

    @property
    def dead_effect(self) -> int:
        """Id of a dead effect."""
        return 100

    @property
    def actions(self) -> int:
        """Number of the actions."""
        return self.events // 200

    @property
    def open_stream(self) -> int:
        """Id of an open stream of the trigger `INSTANCE`."""
        return self.first_open + (1 if self.first_open % 10 == 0 else 0)

    @property
    def failed_stream(self) -> int:
        """Id of a stream in the state error."""
        return 4

    @property
    def completed_stream(self) -> int:
        """Id of a completed stream."""
        return 2

    @property
    def large_stream(self) -> int:
        """Id of the stream of the trigger `HOST` with many events."""
        return self.host_stream(7)

    def host_stream(self, host: int) -> int:
        """Return the id of the stream of a host, which `bulk_rows` has left out."""
        return 10 * (1 + host * (self.streams // 10 // HOSTS))


def fill_site(database: Database, events: int) -> BulkSite:
    """Store the events and all other rows; the tables must be empty, and those of PostgreSQL."""
    trigger = TriggerDefinition.from_config(TRIGGERS[0], {})
    site = BulkSite(fill(database, events, trigger).events)
    for statement in _statements(site):
        execute(database, statement)
    analyze(database)
    return site


def _statements(site: BulkSite) -> list[str]:
    return [
        *_streams_of_hosts(site),
        _errors(),
        _rejected(site),
        _effects(site),
        _actions(site),
        *_activity(),
        _processes(),
        _debug_counts(),
        f"UPDATE event_clock SET stream_time = '{END.isoformat()}'",
    ]


def _streams_of_hosts(site: BulkSite) -> list[str]:
    """Return the inserts of a stream of eight events for each host, and one of many events."""
    host = TriggerDefinition.from_config(TRIGGERS[1], {})
    step = site.streams // 10 // HOSTS
    newest = min(MAX_LARGE_STREAM * HOSTS, site.events)
    stream = f"10 * (1 + h * {step})"
    key = f"concat('n{len(HOST)}:{HOST}k4:host', concat('s', length(value), ':', value))"
    members = f"""SELECT {stream} AS stream_id, n AS event_id, row_number() OVER
        (PARTITION BY h ORDER BY n) AS position
        FROM (SELECT n, mod(n, {HOSTS}) AS h FROM
        generate_series({site.events - newest + 1}, {site.events}) AS numbers(n)) AS of_hosts"""
    values = f"SELECT h, 'compute-' || h AS value FROM generate_series(0, {HOSTS - 1}) AS hosts(h)"
    return [
        f"""INSERT INTO stream_events (stream_id, position, event_id)
        SELECT stream_id, position, event_id FROM ({members}) AS members
        WHERE position <= 8 OR stream_id = {site.large_stream}""",
        f"""INSERT INTO stream_traits (stream_id, name, digest, value)
        SELECT {stream}, 'host',
        sha256(convert_to(concat('s', length(value), ':', value), 'UTF8')),
        json_build_object('value', value) FROM ({values}) AS valued""",
        f"""INSERT INTO streams (id, name, open_key, state, state_serial_no, fingerprint,
        first_event, last_event, expire_timestamp, check_at, event_count, progress)
        SELECT {stream}, '{HOST}', sha256(convert_to({key}, 'UTF8')), 'active', 0,
        '{host.fingerprint}', first, last, last + interval '56 days', last + interval '56 days',
        number, '0' FROM ({values}) AS valued CROSS JOIN LATERAL
        (SELECT min(timestamp) AS first, max(timestamp) AS last, count(*) AS number
        FROM stream_events AS m JOIN events AS e ON e.id = m.event_id
        WHERE m.stream_id = {stream}) AS members""",
    ]


def _errors() -> str:
    """Return the update of failed streams: traceback, attempts, and history of states."""
    return """UPDATE streams SET attempts = 5, failures = 5,
        last_error = 'RuntimeError: no exchange rate for account ' || id || repeat(E'\\n  File'
        ' "billing.py", line 100, in handle_events: rate = rates[currency]', 40),
        history = (SELECT string_agg(to_char(timezone('UTC', now()) - i * interval '1 minute',
        'YYYY-MM-DD"T"HH24:MI:SS.US') || CASE mod(i, 2) WHEN 0 THEN ' firing w' ELSE ' retry_fire'
        END || E'\\n', '' ORDER BY i DESC) FROM generate_series(1, 9) AS changes(i))
        WHERE state = 'error'"""


def _rejected(site: BulkSite) -> str:
    return f"""INSERT INTO rejected_messages (source, digest, kind, reason, received_at, body,
        body_length) SELECT 'source-' || mod(n, 5), sha256(convert_to('body' || n, 'UTF8')),
        CASE mod(n, 10) WHEN 0 THEN 'notification' ELSE 'event' END,
        'the event has no timestamp, message ' || n, now() - ({site.rejected} - n) * interval '1 s',
        convert_to(body, 'UTF8'), length(body) FROM (SELECT n, '{{"event_type": "x", "n": ' || n ||
        ', "text": "' || repeat('text ', 60) || '"}}' AS body
        FROM generate_series(1, {site.rejected}) AS numbers(n)) AS bodies"""


def _effects(site: BulkSite) -> str:
    """Return the insert of effects of open streams, at two endpoints."""
    return f"""INSERT INTO effects (effect_id, stream_id, stream_name, pipeline, handler, place,
        payload, payload_length, state, serial_no, attempts, created_at, waiting_since, due_at,
        last_error) SELECT CAST(md5('effect' || n) AS uuid), 1 + mod(n, {site.streams}),
        '{INSTANCE}', '{PIPELINE}', CASE mod(n, 4) WHEN 0 THEN 'email' ELSE 'webhook' END, 0,
        payload, length(payload), CASE mod(n, 100) WHEN 0 THEN 'dead' ELSE 'pending' END, 1,
        mod(n, 7), at, at, CASE mod(n, 100) WHEN 0 THEN NULL ELSE now() + interval '1 hour' END,
        CASE WHEN mod(n, 7) > 0 THEN 'HTTP status 503 of the endpoint' END FROM
        (SELECT n, now() - ({site.effects} - n) * interval '1 s' AS at,
        '{{"body": "' || repeat('text ', 40) || '", "n": ' || n || '}}' AS payload
        FROM generate_series(1, {site.effects}) AS numbers(n)) AS payloads"""


def _actions(site: BulkSite) -> str:
    return f"""INSERT INTO actions (performed_at, name, role, address, action, target, number)
        SELECT now() - ({site.actions} - n) * interval '1 min', 'operator-' || mod(n, 7),
        'operator', '127.0.0.1', CASE mod(n, 3) WHEN 0 THEN 'stream.reset' ELSE 'outbox.retry' END,
        'stream ' || n, 1 FROM generate_series(1, {site.actions}) AS numbers(n)"""


def _days_kept(period_seconds: int) -> int:
    return 1 if period_seconds < HOUR_SECONDS else DAYS_OF_ACTIVITY


def _activity() -> list[str]:
    """Return the inserts of a day of short periods, and of a week of the others."""
    subjects = [
        ("events", ""),
        ("pipeline", PIPELINE),
        *(("trigger", trigger["name"]) for trigger in TRIGGERS),
    ]
    listed = ", ".join(f"('{subject}', '{name}')" for subject, name in subjects)
    columns = ActivityCounts._fields
    numbers = ", ".join(str(place + 1) for place in range(len(columns)))
    return [
        f"""INSERT INTO activity (period_seconds, begins_at, subject, name, {", ".join(columns)})
        SELECT {period}, {period} * (CAST(extract(epoch FROM now()) AS bigint) / {period} - n),
        subject, name, {numbers} FROM generate_series(0, {last}) AS numbers(n),
        (VALUES {listed}) AS subjects(subject, name)"""
        for period in PERIODS_SECONDS
        for last in [_days_kept(period) * 86_400 // period]
    ]


def _processes() -> str:
    return """INSERT INTO processes (id, kind, name, host, pid, version, period_seconds, started_at,
        seen_at, configured_at, overdue, triggers_fingerprint, pipelines_fingerprint)
        SELECT 'host-' || n, CASE mod(n, 2) WHEN 0 THEN 'worker' ELSE 'ingest' END, 'process-' || n,
        'host-' || n, n, '1.0', 10, now() - interval '1 day', now(), now() - interval '1 day', '[]',
        NULL, NULL FROM generate_series(1, 20) AS numbers(n)"""


def _debug_counts() -> str:
    return f"""INSERT INTO debug_counts (name, matched, mismatched, reasons, since, counted_at)
        SELECT name, 1000, 100, '{{}}', now() - interval '1 day', now() FROM unnest(ARRAY[
        {", ".join(f"'{trigger['name']}'" for trigger in TRIGGERS)}]) AS triggers(name)"""
