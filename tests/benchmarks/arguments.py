"""Command line of `python -m benchmarks`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.options import DATA
from support.servers.databases import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

DESCRIPTION = "Measure the engine beside the limits of the databases under it."


def parser(benchmarks: Collection[str]) -> argparse.ArgumentParser:
    """Return the parser; `benchmarks` are the names to choose from."""
    made = argparse.ArgumentParser(
        prog="benchmarks",
        description=DESCRIPTION,
        epilog=f"benchmarks: {', '.join(benchmarks)}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument(
        "--database", type=_some_of(BACKENDS), default=list(BACKENDS), help="one or several"
    )
    made.add_argument("--only", type=_some_of(benchmarks), help="benchmarks; without it all")
    made.add_argument("--folder", type=Path, help="where files of SQLite lie")
    made.add_argument("--data", type=Path, default=DATA, help="the recorded notifications")
    made.add_argument("--json", type=Path, help="write everything to this file")
    made.add_argument("--docs", action="store_true", help="write tables and curves into docs/")
    _add_sizes(made)
    return made


def _add_sizes(made: argparse.ArgumentParser) -> None:
    for name, size, text in (
        ("rounds", 5, "in each, every contestant has its turn"),
        ("events", 80_000, "of the largest rounds; the others take a part of it"),
        ("most", 100_000, "where growth curves end; 1000000 is the long form"),
        ("memory-events", 160_000, "over which memory is watched; 1000000 is the long form"),
        ("large-stream", 100_000, "events of the stream whose firing is weighed"),
        ("wakeups", 200, "how often an idle worker is woken"),
        ("processes", 2, "that ingest at the same time"),
    ):
        made.add_argument(f"--{name}", type=_positive, default=size, help=text)
    made.add_argument("--seed", type=int, default=1, help="of the events")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def _some_of(known: Collection[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r}; available: {', '.join(known)}")
        return chosen

    return names
