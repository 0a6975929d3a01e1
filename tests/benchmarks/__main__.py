"""Measures the engine beside the limits of the database under it: `make bench`.

make bench BENCH="--database postgresql --only ingest-batch,worker --rounds 5 --json FILE"
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.options import Options
from benchmarks.registry import BENCHMARKS
from benchmarks.table import table
from databases import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from benchmarks.figure import Figure


def main() -> None:
    args = _arguments()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        options = Options(
            folder=Path(folder),
            databases=tuple(args.database or BACKENDS),
            rounds=args.rounds,
            events=args.events,
            seed=args.seed,
            most=args.most,
            memory_events=args.memory_events,
            large_stream=args.large_stream,
            wakeups=args.wakeups,
            processes=args.processes,
        )
        for name in args.only or BENCHMARKS:
            print(f"--- {name}", file=sys.stderr, flush=True)
            for figure in BENCHMARKS[name](options):
                print(table([figure]), file=sys.stderr, flush=True)
                figures.append(figure)
    print(table(figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--database", type=_chosen_from(BACKENDS), help="default: all")
    parser.add_argument("--only", type=_chosen_from(BENCHMARKS), help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=80_000, help="of the largest rounds")
    parser.add_argument("--most", type=int, default=100_000, help="the end of the growth curves")
    parser.add_argument("--memory-events", type=int, default=160_000)
    parser.add_argument("--large-stream", type=int, default=100_000)
    parser.add_argument("--wakeups", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where files of SQLite lie")
    return parser.parse_args()


def _chosen_from(known: Collection[str]) -> Callable[[str], list[str]]:
    def chosen(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r}; there are: {', '.join(known)}")
        return names

    return chosen


if __name__ == "__main__":
    main()
