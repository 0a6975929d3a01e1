"""Processor time of short commands, compared with importing their libraries."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Goal
from benchmarks.lap import Lap
from benchmarks.rounds import interleave

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "start-up"
LIBRARIES = "import sqlalchemy, cliff.app"
COMMANDS = {
    "winchester --version": 0.35,
    "winchester --help": 1.3,
    "winchester check": 1.3,
    "winchester stream list --count": 1.3,
}
"""Command to the greatest ratio of its processor time to that of `LIBRARIES`."""


def measure(options: Options) -> Iterator[Figure]:
    """Yield one figure: all commands on the starter configuration and an SQLite database."""
    with TemporaryDirectory(dir=options.folder) as folder:
        site = Path(folder) / "site"
        _run([_program("winchester"), "init", str(site)], Path(folder))
        _run([_program("winchester_db"), "-c", "winchester.yaml", "upgrade", "head"], site)
        contestants = {LIBRARIES: _contestant([sys.executable, "-c", LIBRARIES], site)}
        for command in COMMANDS:
            program, *arguments = command.split()
            configured = [] if arguments[0].startswith("--") else ["-c", "winchester.yaml"]
            contestants[command] = _contestant([_program(program), *arguments, *configured], site)
        for contestant in contestants.values():
            contestant(0)  # write missing bytecode
        laps = interleave(contestants, options.rounds)
    yield Figure(
        NAME,
        "start of a command, processor time",
        None,
        "ms",
        {name: tuple(1000 * lap.cpu_seconds for lap in each) for name, each in laps.items()},
        tuple(Goal(name, LIBRARIES, at_most=most) for name, most in COMMANDS.items()),
    )


def _contestant(command: Sequence[str], folder: Path) -> Contestant:
    def lap(_round: int) -> Lap:
        before, started = _children_seconds(), perf_counter()
        _run(command, folder)
        return Lap(1, perf_counter() - started, _children_seconds() - before)

    return lap


def _run(command: Sequence[str], folder: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(
        command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=600
    )


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
