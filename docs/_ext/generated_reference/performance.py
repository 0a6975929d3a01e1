"""Regions of the performance pages: machine, summary, figures and curves.

`make bench BENCH="--docs"` writes the measurements to `explanation/performance.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generated_reference.markdown import code, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXPLANATION = Path(__file__).resolve().parents[2] / "explanation"
COLUMNS = {
    "figure": "figure",
    "database": "database",
    "measured": "measured",
    "baseline": "baseline",
    "min": "min",
    "median": "median",
    "max": "max",
    "target": "target",
    "reached": "met",
}
"""Key of a line to the title of its column."""
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}


def render_machine() -> str:
    """Render the machine, the libraries and the databases' settings."""
    document = _document()
    machine = document["machine"]
    memory = int(machine["memory_kib"] or 0) / (1 << 20)
    libraries = [f"{name} {version}" for name, version in machine["libraries"].items() if version]
    rows = [
        ("processor", f"{machine['processors']} times {machine['processor']}"),
        ("memory", f"{memory:.0f} GiB"),
        ("system", machine["system"]),
        ("Python", machine["python"]),
        ("libraries", ", ".join(libraries)),
        ("load average before", ", ".join(map(str, machine["load_average"]))),
        *((NAMES[name], _settings(values)) for name, values in document["databases"].items()),
    ]
    return table(("", ""), rows)


def render_summary() -> str:
    """Render every result that has a target: first with a database, then without one."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for figure in _document()["figures"]:
        for line in figure["lines"]:
            if line["target"]:
                row = cells.setdefault((_result_name(line), line["target"]), {})
                row[line["database"]] = _result(line)
    stored = (
        (name, *(row.get(each, "") for each in NAMES), code(target))
        for (name, target), row in cells.items()
        if "" not in row
    )
    pure = ((name, row[""], code(target)) for (name, target), row in cells.items() if "" in row)
    return "\n\n".join(
        (
            table(("result", *NAMES.values(), "target"), stored),
            table(("result without a database", "measured", "target"), pure),
        )
    )


def render_figures() -> str:
    """Render a table and notes for each benchmark."""
    parts: list[str] = []
    for benchmark, figures in _by_benchmark(_document()["figures"]).items():
        parts.append(f"### {benchmark}")
        parts.append(_taken(figures))
        lines = [line for figure in figures for line in figure["lines"]]
        cells = ([_cell(line, name) for name in COLUMNS] for line in lines)
        parts.append(table(list(COLUMNS.values()), cells))
        parts += [f"- {text}" for text in _notes(figures)]
    return "\n\n".join(parts)


def render_curves() -> str:
    """Render the picture of each benchmark that has curves."""
    return "\n\n".join(
        f"![{name}, {figures[0]['unit']}]({name}.svg)"
        for name, figures in sorted(_by_benchmark(_document()["figures"]).items())
        if any("curve" in figure["facts"] for figure in figures)
    )


def _document() -> dict[str, Any]:
    return json.loads((EXPLANATION / "performance.json").read_text(encoding="utf-8"))


def _settings(values: Mapping[str, str]) -> str:
    return ", ".join(f"{code(name)} {value}" for name, value in values.items())


def _by_benchmark(figures: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for figure in figures:
        found.setdefault(figure["benchmark"], []).append(figure)
    return found


def _taken(figures: list[dict[str, Any]]) -> str:
    times = sorted({figure["taken"] for figure in figures})
    options = figures[-1]["options"]
    return f"{options['rounds']} rounds; measured {times[-1]}."


def _result_name(line: Mapping[str, str]) -> str:
    measured = line["measured"].partition(":")[0]
    baseline = line["baseline"].partition(":")[0]
    return f"{line['figure']}: {measured}{' / ' if baseline else ''}{baseline}"


def _result(line: Mapping[str, str]) -> str:
    value = line["measured"].partition(": ")[2].partition(" (")[0]
    result = f"**{line['median']}** ({value})" if line["baseline"] else f"**{value}**"
    return result if line["reached"] == "yes" else f"{result}, missed"


def _cell(line: Mapping[str, str], name: str) -> str:
    if name == "database":
        return NAMES.get(line[name], line[name])
    return f"**{line[name]}**" if name == "median" else line[name]


def _notes(figures: list[dict[str, Any]]) -> Iterator[str]:
    databases_by_note: dict[str, list[str]] = {}
    for figure in figures:
        if figure["note"]:
            name = NAMES.get(figure["database"], "")
            databases_by_note.setdefault(figure["note"], []).append(name)
    for note, databases in databases_by_note.items():
        yield f"{', '.join(databases)}: {note}"
