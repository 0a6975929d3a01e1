"""Measures a large database: `python -m scale --backend postgresql --events 10000000`.

Creates a temporary database on the server of the tests, fills it, measures, prints a table, and
drops it. `--url` measures a database that was filled before, and keeps it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from scale.measures import TRIM, Measures
from support.builders.bulk_rows import Bulk, fill
from support.probes.query_plans import readings
from support.probes.statement_counts import metered
from support.servers.databases import BACKENDS, temporary_database
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS = 7
TRIM_SECONDS = 5.0


def main() -> None:
    args = _arguments()
    with ExitStack() as stack:
        url = args.url
        if url is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = stack.enter_context(temporary_database(args.backend, folder))
        database = Database(url)
        stack.callback(database.close)
        if args.url is None:
            DatabaseSchema(database).upgrade()
            started = perf_counter()
            bulk = fill(database, args.events)
            _print_progress(f"filled with {bulk.events} events in {perf_counter() - started:.0f} s")
        else:
            bulk = Bulk(args.events)
        report = measure(database, bulk)
    _print(report)
    if args.json is not None:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


def measure(database: Database, bulk: Bulk) -> dict[str, Any]:
    """Return the report: latency of every operation, and the rows that the database reads."""
    store = SqlStore(database)
    measures = Measures(store, bulk)
    lines = []
    for name, action in measures.all():
        _print_progress(name)
        seconds = sorted(_timed(action) for _ in range(REPEATS))
        lines.append(
            {
                "name": name,
                "median_ms": round(1000 * statistics.median(seconds), 1),
                "worst_ms": round(1000 * seconds[-1], 1),
                "read": _rows_read(database, action),
            }
        )
    return {
        "database": database.dialect.name,
        "events": bulk.events,
        "streams": bulk.streams - bulk.streams // 10,
        "measures": lines,
        "trimmed_per_second": _trim_rate(measures),
    }


def _timed(action: Callable[[], object]) -> float:
    started = perf_counter()
    action()
    return perf_counter() - started


def _rows_read(database: Database, action: Callable[[], object]) -> int:
    """Return the rows that the server reports as read; SQLite: thousands of instructions."""
    if database.dialect.embedded:
        with metered(database, instructions=True) as meter:
            action()
        return meter.instructions // 1000
    with readings(database) as recorded:
        action()
    return sum(each.rows for each in recorded)


def _trim_rate(measures: Measures) -> int:
    removed, started = 0, perf_counter()
    while perf_counter() - started < TRIM_SECONDS:
        removed += measures.trim()
    return round(removed / (perf_counter() - started))


def _print(report: dict[str, Any]) -> None:
    read = "kinstr." if report["database"] == "sqlite" else "rows"
    print(f"{report['database']}, {report['events']} events, {report['streams']} streams")
    print(f"| {'':62} | median ms | worst ms | {read:>8} |")
    for line in report["measures"]:
        print(
            f"| {line['name']:62} | {line['median_ms']:9} | {line['worst_ms']:8} |"
            f" {line['read']:8} |"
        )
    print(f"trimmed in batches of {TRIM}: {report['trimmed_per_second']} events per second")


def _print_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scale", description=__doc__)
    parser.add_argument("--backend", choices=BACKENDS, default="postgresql")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--url", help="a database that was filled before with --events")
    parser.add_argument("--json", type=Path, help="also write the report to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
