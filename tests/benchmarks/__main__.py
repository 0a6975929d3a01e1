"""Comparison of the engine with the limits of its database: `make bench`.

make bench BENCH="--database postgresql --only ingest-batch,worker --rounds 5 --json FILE"
make bench BENCH="--docs"
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.arguments import make_parser
from benchmarks.curves import draw
from benchmarks.machine import database_settings, machine
from benchmarks.options import Options
from benchmarks.pages import EXPLANATION, refresh_pages
from benchmarks.registry import BENCHMARKS
from benchmarks.table import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from benchmarks.figure import Figure


def main() -> None:
    args = make_parser(BENCHMARKS).parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        options = _options(args, Path(folder))
        document = _run_report(args.only or BENCHMARKS, options)
    if args.json is not None:
        report.write(args.json, document)
    if args.docs:
        _update_docs(document)


def _run_report(names: Iterable[str], options: Options) -> dict[str, object]:
    """Run these benchmarks, print their table and return the report."""
    machine_before = machine()
    settings = database_settings(options.databases, options.folder)
    figures = list(_run(names, options))
    print(table(figures))
    return report.report(figures, options, machine_before, settings)


def _run(names: Iterable[str], options: Options) -> Iterator[Figure]:
    for name in names:
        print(f"--- {name}", file=sys.stderr, flush=True)
        for figure in BENCHMARKS[name](options):
            print(table([figure]), file=sys.stderr, flush=True)
            yield figure


def _update_docs(document: dict[str, object]) -> None:
    """Merge the report into the documentation, with earlier figures of the same machine."""
    path = EXPLANATION / "performance.json"
    before = report.read(path)
    whole = report.merged(before, document)
    for each in report.dropped(before, whole):
        print(f"dropped, measured on another machine: {each}", file=sys.stderr)
    report.write(path, whole)
    written = [path, *draw(whole["figures"], EXPLANATION), *refresh_pages()]
    print("\n".join(f"{each} written" for each in written), file=sys.stderr)


def _options(args: argparse.Namespace, folder: Path) -> Options:
    return Options(
        folder=folder,
        databases=tuple(args.database),
        rounds=args.rounds,
        events=args.events,
        seed=args.seed,
        max_size=args.max_size,
        memory_events=args.memory_events,
        large_stream=args.large_stream,
        wakeups=args.wakeups,
        processes=args.processes,
        data=args.data,
        console_events=args.console_events,
        console_url=args.console_url,
    )


if __name__ == "__main__":
    main()
