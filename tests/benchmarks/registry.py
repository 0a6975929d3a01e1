"""All benchmarks, by name, in the order in which they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import (
    console_interference,
    console_pages,
    distilling,
    ingest_batch,
    ingest_single,
    ingest_sources,
    mariadb_drivers,
    matching,
    memory,
    open_streams,
    parallel_runs,
    patterns,
    processes,
    start_up,
    stream_size,
    table_size,
    trigger_count,
    tuning,
    wakeup,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.figure import Figure
    from benchmarks.options import Options

BENCHMARKS: Mapping[str, Callable[[Options], Iterator[Figure]]] = {
    each.NAME: each.measure
    for each in (
        ingest_batch,
        ingest_single,
        ingest_sources,
        worker,
        parallel_runs,
        mariadb_drivers,
        matching,
        distilling,
        start_up,
        stream_size,
        open_streams,
        patterns,
        trigger_count,
        table_size,
        processes,
        memory,
        wakeup,
        tuning,
        console_pages,
        console_interference,
    )
}
