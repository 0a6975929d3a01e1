"""What a plugin says of itself."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Description:
    """The words of a plugin's author; empty where there are none.

    `summary` is the first line of the docstring, `text` the whole of it, and `example` YAML as it
    stands in the file where the plugin is named (of a command: command lines).
    """

    summary: str
    text: str
    example: str


def describe(plugin: Any) -> Description:
    """Read the description of a loaded plugin: its own, not that of what it inherits from."""
    text = inspect.cleandoc(_own_text(plugin, "__doc__"))
    return Description(summary_of(text), text, _example(plugin))


def summary_of(docstring: str) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join(inspect.cleandoc(docstring).partition("\n\n")[0].split())


def _example(plugin: Any) -> str:
    lines = getattr(plugin, "examples", None)  # of a command
    if isinstance(lines, tuple):
        return "\n".join(map(str, lines))
    return inspect.cleandoc(_own_text(plugin, "example"))


def _own_text(plugin: Any, name: str) -> str:
    value = getattr(plugin, "__dict__", {}).get(name)
    return value if isinstance(value, str) else ""
