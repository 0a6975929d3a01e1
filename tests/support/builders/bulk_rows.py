"""Fills a database with many events and streams, made by the database itself.

Eight events in a row make a stream of the trigger `VM`, told apart by its trait `instance`; they
are spread evenly over the days before `END`. One event in ten is in no stream. The newest two
fifths of the streams are open and not due; of the older ones, one in a thousand is open too, and
nearly all others are completed and kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text

from support.builders.events import VM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from winchester_core.storage.sql.database import Database

END = datetime(2024, 5, 17, 12, tzinfo=UTC)
SPAN = timedelta(days=28)
PER_STREAM = 8
CHUNK_STREAMS = 50_000
RARE_TYPE = "compute.instance.rare"


@dataclass(frozen=True)
class SqlSyntax:
    """How a database says what they all can."""

    series: str
    moment: str
    digest: str
    quotient: str
    document: str


_SYNTAXES = {
    "postgresql": SqlSyntax(
        "generate_series(CAST({first} AS bigint), {last}) AS numbers(n)",
        "timestamptz '{start}+00' + ({microseconds}) * interval '1 microsecond'",
        "sha256(convert_to({text}, 'UTF8'))",
        "({a} / {b})",
        "CAST({text} AS json)",
    ),
    "mariadb": SqlSyntax(
        "(SELECT seq AS n FROM seq_{first}_to_{last}) AS numbers",
        "CAST('{start}' AS datetime(6)) + INTERVAL ({microseconds}) MICROSECOND",
        "unhex(sha2({text}, 256))",
        "({a} DIV {b})",
        "{text}",
    ),
    "sqlite": SqlSyntax(
        "(WITH RECURSIVE counted(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM counted"
        " WHERE n < {last}) SELECT n FROM counted) AS numbers",
        "bulk_moment({microseconds})",
        "bulk_digest({text})",
        "({a} / {b})",
        "{text}",
    ),
}


@dataclass(frozen=True)
class Bulk:
    """What a filled database holds."""

    events: int

    @property
    def streams(self) -> int:
        """The number of the last stream; each tenth is not there."""
        return self.events // PER_STREAM

    def message_id(self, number: int) -> str:
        """The id of the event with this number, from 1."""
        return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()

    def moment(self, number: int) -> datetime:
        """When that event happened, and was stored."""
        return END - SPAN + timedelta(microseconds=number * self.step_microseconds)

    @property
    def step_microseconds(self) -> int:
        """The time between two events."""
        return int(SPAN / timedelta(microseconds=1)) // self.events

    @property
    def first_open(self) -> int:
        """From this number on, every stream is open and not due."""
        return self.streams * 3 // 5


def fill(database: Database, events: int) -> Bulk:
    """Store about `events` events and what belongs to them; the tables must be empty."""
    bulk = Bulk(events - events % PER_STREAM)
    if database.dialect.embedded:
        event.listen(database.engine, "connect", _add_functions(bulk))
        database.engine.dispose()
    for first in range(1, bulk.streams + 1, CHUNK_STREAMS):
        last = min(bulk.streams, first + CHUNK_STREAMS - 1)
        for statement in _statements(database.dialect.name, bulk, first, last):
            with database.engine.begin() as connection:
                connection.execute(text(statement.replace(":", "\\:")))
    _finish(database)
    return bulk


def _statements(name: str, bulk: Bulk, first: int, last: int) -> Iterator[str]:
    """The inserts for the streams from `first` to `last`."""
    speech = _SYNTAXES[name]
    numbers = speech.series.format(first=first, last=last)
    events = speech.series.format(first=(first - 1) * PER_STREAM + 1, last=last * PER_STREAM)
    stream = speech.quotient.format(a=f"(n + {PER_STREAM - 1})", b=PER_STREAM)
    start = (END - SPAN).replace(tzinfo=None).isoformat(" ", timespec="microseconds")

    def moment(number: str) -> str:
        offset = f"({number}) * {bulk.step_microseconds}"
        return speech.moment.format(start=start, microseconds=offset)

    kinds = " ".join(
        f"WHEN {rest} THEN 'compute.instance.{kind}'"
        for rest, kind in enumerate(
            ("create.start", "create.end", "update", "resize", "power_on", "power_off", "exists")
        )
    )
    traits = (
        """concat('{"instance":"i-', """ + stream + """, '","host":"compute-', mod(n, 97), """
        """'","memory_mb":', 512 * (1 + mod(n, 8)), ',"region":"RegionOne","state":"active",',"""
        """'"launched_at":{"datetime":"2024-05-01T00:00:00.000000+00:00"}}')"""
    )
    yield (
        "INSERT INTO events (id, message_id, event_type, timestamp, stored_at, traits) "
        f"SELECT n, md5(concat(n)), CASE WHEN mod(n, 100000) = 1 THEN '{RARE_TYPE}' "
        f"ELSE CASE mod(n, {PER_STREAM}) {kinds} ELSE 'compute.instance.delete' END END, "
        f"{moment('n')}, {moment('n')}, {speech.document.format(text=traits)} FROM {events}"
    )
    yield (
        "INSERT INTO stream_events (stream_id, position, event_id) "
        f"SELECT {stream}, 1 + mod(n - 1, {PER_STREAM}), n FROM {events} "
        f"WHERE mod({stream}, 10) > 0"
    )
    value = "concat('s', length(concat('i-', n)), ':i-', n)"
    yield (
        "INSERT INTO stream_traits (stream_id, name, digest, value) "
        f"SELECT n, 'instance', {speech.digest.format(text=value)}, "
        + speech.document.format(text="""concat('{"value":"i-', n, '"}')""")
        + f" FROM {numbers} WHERE mod(n, 10) > 0"
    )
    is_open = f"(n >= {bulk.first_open} OR mod(n, 1000) = 1)"
    # of the older streams, a few of each kind; no two of these conditions hold for one stream
    retries, failed, fires, expires = (f"mod(n, 1000) = {rest}" for rest in (3, 4, 5, 6))
    key = speech.digest.format(text=f"concat('n2:vmk8:instance', {value})")
    ended = moment(f"n * {PER_STREAM}")
    later = moment(f"n + {2 * bulk.events}")
    expiry = f"CASE WHEN {is_open} THEN {later} ELSE {ended} END"
    yield (
        "INSERT INTO streams (id, name, open_key, state, state_serial_no, fingerprint, first_event,"
        " last_event, expire_timestamp, check_at, fire_timestamp, event_count, progress, attempts,"
        " worker, retry_at) "
        f"SELECT n, '{VM.name}', CASE WHEN {is_open} OR {fires} OR {expires} THEN {key} END, "
        f"CASE WHEN {is_open} OR {fires} OR {expires} THEN 'active' WHEN {retries} THEN "
        f"'retry_fire' WHEN {failed} THEN 'error' ELSE 'completed' END, 0, '{VM.fingerprint}', "
        f"{moment(f'(n - 1) * {PER_STREAM} + 1')}, {ended}, "
        f"{expiry}, {expiry}, "
        f"CASE WHEN {is_open} OR {expires} THEN NULL ELSE {ended} END, {PER_STREAM}, '0', 0, "
        f"CASE WHEN {is_open} OR {fires} OR {expires} THEN NULL ELSE 'w' END, "
        f"CASE WHEN {retries} AND NOT {is_open} THEN {later} END "
        f"FROM {numbers} WHERE mod(n, 10) > 0"
    )


def _add_functions(bulk: Bulk) -> Any:
    start = (END - SPAN).replace(tzinfo=None)

    def moment(microseconds: int) -> str:
        return (start + timedelta(microseconds=microseconds)).isoformat(" ", "microseconds")

    functions = {
        "bulk_moment": (1, moment),
        "bulk_digest": (1, lambda each: hashlib.sha256(each.encode()).digest()),
        "md5": (1, lambda each: bulk.message_id(int(each))),
        "mod": (2, lambda a, b: a % b),
        "concat": (-1, lambda *each: "".join(map(str, each))),
    }

    def add(connection: Any, _record: object) -> None:
        for name, (number, function) in functions.items():
            connection.create_function(name, number, function, deterministic=True)

    return add


def _finish(database: Database) -> None:
    """Let ids go on after those that were given, and the database know what it holds."""
    if database.dialect.name == "postgresql":
        with database.engine.begin() as connection:
            for table in ("events", "streams"):
                connection.execute(
                    text(
                        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id))"
                        f" FROM {table}"
                    )
                )
    analyze(database)


def analyze(database: Database) -> None:
    """Count anew what the database's plans go by."""
    with database.engine.connect() as connection:
        autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in _analysis(database.dialect.name):
            autocommit.exec_driver_sql(statement)


def _analysis(name: str) -> list[str]:
    tables = (
        *("events", "streams", "stream_traits", "stream_events"),
        *("rejected_messages", "effects"),
    )
    match name:
        case "postgresql":
            return [f"VACUUM (ANALYZE) {table}" for table in tables]
        case "mariadb":
            return [f"ANALYZE TABLE {table}" for table in tables]
        case _:
            return ["ANALYZE"]


def rows(connection: Connection, table: str) -> int:
    """How many rows a table has."""
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
