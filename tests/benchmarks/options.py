"""Sizes and repetitions of the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from support.servers.databases import BACKENDS

BATCH = 1_000
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Recorded notifications, beside the checkout."""


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes of one run; `events` is the size of a round of the largest benchmarks.

    `folder` is the directory of SQLite's files, on the disk to be measured. `max_size` is the end
    of the growth curves, `memory_events` the number of events of the memory benchmark.
    `console_events` is the size of the database of the console's pages, and `console_requests` the
    number of requests of each in a round. `console_url` is a database that is kept: it is filled if
    it is empty.
    """

    folder: Path
    databases: tuple[str, ...] = BACKENDS
    rounds: int = 5
    events: int = 80_000
    seed: int = 1
    max_size: int = 100_000
    memory_events: int = 160_000
    large_stream: int = 100_000
    wakeups: int = 200
    processes: int = 2
    console_events: int = 80_000
    console_requests: int = 20
    console_url: str | None = None
    data: Path = DATA
