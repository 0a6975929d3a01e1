"""Report of a run as JSON; figures replace earlier ones with the same name."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.table import HEAD, lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from benchmarks.figure import Figure
    from benchmarks.options import Options

SAME_MACHINE = ("processor", "processors", "memory_kib", "python")


def report(
    figures: Iterable[Figure],
    options: Options,
    machine: Mapping[str, Any],
    databases: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """Return the machine, and each figure with its samples and table lines."""
    chosen = asdict(options)
    sizes = {name: value for name, value in chosen.items() if isinstance(value, int)}
    taken = datetime.now(UTC).isoformat(timespec="minutes")
    return {
        "machine": dict(machine),
        "databases": dict(databases),
        "figures": [_document(figure, sizes, taken) for figure in figures],
    }


def merged(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, Any]:
    """Return `now` with figures of `before` from the same machine that were not repeated."""
    if before is None or any(
        before["machine"].get(name) != now["machine"].get(name) for name in SAME_MACHINE
    ):
        return dict(now)
    figures = {_identity(each): each for each in before["figures"]}
    figures.update({_identity(each): each for each in now["figures"]})
    databases = {**before["databases"], **now["databases"]}
    return {**now, "databases": databases, "figures": list(figures.values())}


def dropped(before: Mapping[str, Any] | None, whole: Mapping[str, Any]) -> list[str]:
    """Return the figures of `before` that are not in `whole`, as measured on another machine."""
    kept = {_identity(each) for each in whole["figures"]}
    gone = [_identity(each) for each in before["figures"]] if before is not None else []
    return [
        f"{benchmark}: {name}, {database or 'no database'}"
        for benchmark, name, database in gone
        if (benchmark, name, database) not in kept
    ]


def read(path: Path) -> dict[str, Any] | None:
    """Return the report in a file; None if there is no file."""
    return json.loads(path.read_text()) if path.is_file() else None


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write a report to a file."""
    path.write_text(json.dumps(document, indent=1) + "\n")


def _document(figure: Figure, sizes: Mapping[str, int], taken: str) -> dict[str, Any]:
    return {
        **asdict(figure),
        "goals": [
            {
                **asdict(goal),
                "spread": asdict(figure.spread(goal)),
                "reached": figure.is_reached(goal),
            }
            for goal in figure.goals
        ],
        "lines": [dict(zip(HEAD, line, strict=True)) for line in lines(figure)],
        "options": dict(sizes),
        "taken": taken,
    }


def _identity(document: Mapping[str, Any]) -> tuple[str, str, str | None]:
    return document["benchmark"], document["name"], document["database"]
