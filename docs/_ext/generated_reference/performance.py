"""What `make bench BENCH="--docs"` measured: the machine, the figures, their curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generated_reference.markdown import code, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXPLANATION = Path(__file__).resolve().parents[2] / "explanation"
HEAD = ("figure", "database", "measured", "beside", "min", "median", "max", "target", "reached")
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}


def render_machine() -> str:
    """Where and on what it was measured."""
    document = _document()
    machine = document["machine"]
    memory = int(machine["memory_kib"] or 0) / (1 << 20)
    libraries = [f"{name} {said}" for name, said in machine["libraries"].items() if said]
    rows = [
        ("processor", f"{machine['processors']} times {machine['processor']}"),
        ("memory", f"{memory:.0f} GiB"),
        ("system", machine["system"]),
        ("Python", machine["python"]),
        ("libraries", ", ".join(libraries)),
        ("load average before", ", ".join(map(str, machine["load_average"]))),
        *((NAMES[name], _settings(each)) for name, each in document["databases"].items()),
    ]
    return table(("", ""), rows)


def render_figures() -> str:
    """A table for each benchmark, and what there is to note."""
    parts: list[str] = []
    for benchmark, figures in _by_benchmark(_document()["figures"]).items():
        parts.append(f"### {benchmark}")
        parts.append(_taken(figures))
        lines = [line for figure in figures for line in figure["lines"]]
        parts.append(table(HEAD, ([_cell(line, name) for name in HEAD] for line in lines)))
        parts += [f"- {text}" for text in _notes(figures)]
    return "\n\n".join(parts)


def render_curves() -> str:
    """The picture of each benchmark that has curves."""
    return "\n\n".join(
        f"![{name}, {figures[0]['unit']}]({name}.svg)"
        for name, figures in sorted(_by_benchmark(_document()["figures"]).items())
        if any("curve" in figure["facts"] for figure in figures)
    )


def _document() -> dict[str, Any]:
    return json.loads((EXPLANATION / "performance.json").read_text(encoding="utf-8"))


def _settings(said: Mapping[str, str]) -> str:
    return ", ".join(f"{code(name)} {value}" for name, value in said.items())


def _by_benchmark(figures: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for figure in figures:
        found.setdefault(figure["benchmark"], []).append(figure)
    return found


def _taken(figures: list[dict[str, Any]]) -> str:
    times = sorted({figure["taken"] for figure in figures})
    options = figures[-1]["options"]
    return f"{options['rounds']} rounds; measured {times[-1]}."


def _cell(line: Mapping[str, str], name: str) -> str:
    if name == "database":
        return NAMES.get(line[name], line[name])
    return f"**{line[name]}**" if name == "median" else line[name]


def _notes(figures: list[dict[str, Any]]) -> Iterator[str]:
    told: dict[str, list[str]] = {}
    for figure in figures:
        if figure["note"]:
            told.setdefault(figure["note"], []).append(NAMES.get(figure["database"], ""))
    for note, databases in told.items():
        yield f"{', '.join(databases)}: {note}"
