"""Command line of `python -m benchmarks`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.options import DATA
from support.servers.databases import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

DESCRIPTION = "Compare the engine with the limits of its databases."


def make_parser(benchmarks: Collection[str]) -> argparse.ArgumentParser:
    """Return the parser; `benchmarks` are the names to choose from."""
    parser = argparse.ArgumentParser(
        prog="benchmarks",
        description=DESCRIPTION,
        epilog=f"benchmarks: {', '.join(benchmarks)}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--database",
        type=_choices(BACKENDS),
        default=list(BACKENDS),
        help="one or more, separated by commas",
    )
    parser.add_argument(
        "--only",
        type=_choices(benchmarks),
        help="benchmarks to run, separated by commas; default: all",
    )
    parser.add_argument("--folder", type=Path, help="directory of the SQLite files")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="directory of the recorded notifications"
    )
    parser.add_argument(
        "--console-url",
        help="PostgreSQL database of console-pages: filled if it is empty, and kept",
    )
    parser.add_argument("--json", type=Path, help="write the report to this file")
    parser.add_argument("--docs", action="store_true", help="update tables and curves in docs/")
    _add_sizes(parser)
    return parser


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    for name, size, text in (
        ("rounds", 5, "rounds; each runs every contestant once"),
        ("events", 80_000, "events per round; slow benchmarks use a fraction"),
        ("max-size", 100_000, "end of the growth curves; 1000000 for a long run"),
        ("memory-events", 160_000, "events of the memory benchmark; 1000000 for a long run"),
        ("large-stream", 100_000, "events of the stream whose memory use is measured"),
        ("wakeups", 200, "number of wake-ups of an idle worker"),
        ("processes", 2, "processes that ingest concurrently"),
        ("console-events", 80_000, "events of the console's pages; 10000000 for a long run"),
    ):
        parser.add_argument(f"--{name}", type=_positive, default=size, help=text)
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated events")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def _choices(known: Collection[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r}; available: {', '.join(known)}")
        return chosen

    return names
