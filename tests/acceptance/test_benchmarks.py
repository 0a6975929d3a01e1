"""Every benchmark runs, and its results can be written and drawn. No time is asserted."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.curves import draw
from benchmarks.options import Options
from benchmarks.registry import BENCHMARKS
from benchmarks.report import report
from support.probes.time_limits import BOUND_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.figure import Figure

pytestmark = pytest.mark.slow

TINY = {
    "rounds": 2,
    "events": 160,
    "max_size": 100,
    "memory_events": 320,
    "large_stream": 50,
    "wakeups": 10,
    "console_events": 8_000,
    "console_requests": 3,
}
DATABASES = {
    "processes": ("postgresql",),
    "mariadb-drivers": ("mariadb",),
    "console-pages": ("postgresql",),
}
"""The database of each benchmark that does not use SQLite."""


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_reports_finite_ratios(name: str, tmp_path: Path, shared_data: Path) -> None:
    databases = DATABASES.get(name, ("sqlite",))
    options = Options(tmp_path, databases=databases, data=shared_data, **TINY)
    figures: list[Figure] = list(BENCHMARKS[name](options))

    assert figures
    for figure in figures:
        assert figure.goals
        for goal in figure.goals:
            spread = figure.spread(goal)
            assert math.isfinite(spread.maximum)
            assert 0 < spread.minimum <= spread.median <= spread.maximum


def test_the_growth_chart_is_reproducible(tmp_path: Path) -> None:
    options = Options(tmp_path, databases=("sqlite",), **TINY)
    figures = list(BENCHMARKS["growth-table-size"](options))
    documents = report(figures, options, {}, {})["figures"]
    pictures = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        (path,) = draw(documents, folder)
        assert path.name == "growth-table-size.svg"
        pictures.append(path.read_text())

    assert pictures[0] == pictures[1]
    assert "events stored" in pictures[0]


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, checkout: Path) -> None:
    target = tmp_path / "figures.json"
    command = "-m benchmarks --database sqlite --only ingest-single --rounds 2 --events 160"
    done = subprocess.run(
        [sys.executable, *command.split(), "--json", str(target), "--folder", str(tmp_path)],
        cwd=checkout / "tests",
        capture_output=True,
        text=True,
        check=True,
        timeout=BOUND_SECONDS,
    )

    head, _rule, *rows = done.stdout.splitlines()
    assert head.startswith("| figure")
    assert len(rows) == 3
    document = json.loads(target.read_text())
    assert document["databases"]["sqlite"]["synchronous"] == "2"  # full
    assert document["machine"]["processors"] >= 1
    (figure,) = document["figures"]
    assert len(figure["samples"]["raw"]) == 2
