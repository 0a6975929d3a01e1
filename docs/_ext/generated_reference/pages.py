"""Update of the generated regions of pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from generated_reference import (
    api,
    cases,
    commands,
    mappings,
    metrics,
    performance,
    plugin_pages,
    plugins,
    public_names,
    python_names,
    ready_mappings,
    settings,
    state_diagram,
    states,
    tables,
    testing_names,
    timelines,
    triggers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PAGES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "reference/api.md": {
        "problems": api.render_problems,
        "operations": api.render_operations,
        "objects": api.render_objects,
    },
    "reference/cases.md": cases.REGIONS,
    "reference/commands.md": {"programs": commands.render},
    "reference/plugins.md": {
        "groups": plugins.render_groups,
        "plugins": plugins.render_plugins,
        "interfaces": plugins.render_interfaces,
    },
    "reference/python.md": {"names": python_names.render},
    "reference/mappings.md": mappings.REGIONS,
    "reference/ready-mappings.md": ready_mappings.REGIONS,
    "reference/testing.md": {"testing": testing_names.render},
    "reference/index.md": {"settings": settings.render},
    "reference/metrics.md": {"metrics": metrics.render, "counts": metrics.render_counts},
    "reference/states.md": {"states": states.render_states, "changes": states.render_changes},
    "reference/tables.md": {"tables": tables.render},
    "reference/triggers.md": {
        "trigger": triggers.render_trigger,
        "criteria": triggers.render_criteria,
    },
    "explanation/stability.md": {"public": public_names.render},
    "explanation/performance.md": {"summary": performance.render_summary},
    "explanation/benchmarks.md": {
        "machine": performance.render_machine,
        "figures": performance.render_figures,
        "curves": performance.render_curves,
    },
}
"""Page to region to the function that renders the region."""

FILES: Mapping[str, Callable[[], str]] = {
    "reference/states.svg": state_diagram.render,
    **timelines.files(),
}
"""Files generated as a whole, besides those of `plugin_pages`."""


class MissingRegion(Exception):  # noqa: N818 - what it is
    """A page lacks the marks of one of its regions."""


def outdated(docs: Path) -> dict[str, str | None]:
    """Return the outdated files below `docs` with their current text.

    None is the text of a removed plugin's page. Raises `MissingRegion`, and `LookupError` for a
    missing description.
    """
    whole = {**FILES, **plugin_pages.pages()}
    wanted: dict[str, str | None] = dict.fromkeys(_pages_of_plugins(docs))
    wanted |= {name: make() for name, make in whole.items()}
    for name, regions in PAGES.items():
        wanted[name] = _with_regions(name, (docs / name).read_text(encoding="utf-8"), regions)
    return {name: text for name, text in wanted.items() if _present(docs / name) != text}


def refresh(docs: Path) -> list[str]:
    """Write outdated files and delete those of removed plugins; return their names."""
    texts = outdated(docs)
    for name, text in texts.items():
        path = docs / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return sorted(texts)


def _pages_of_plugins(docs: Path) -> list[str]:
    return [str(path.relative_to(docs)) for path in (docs / plugin_pages.HOME).glob("*/*.md")]


def _with_regions(page: str, text: str, regions: Mapping[str, Callable[[], str]]) -> str:
    for name, make in regions.items():
        begin, end = (re.escape(mark) for mark in _marks(name))
        parts = re.split(rf"(?<={begin}\n).*?(?={end})", text, flags=re.DOTALL)
        if len(parts) != 2:
            times = len(parts) - 1
            raise MissingRegion(f"docs/{page}: region {name!r} is marked {times} times, not once")
        text = f"\n{make().strip()}\n\n".join(parts)
    return text


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- generated: {name} -->", f"<!-- end: {name} -->"


def _present(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
