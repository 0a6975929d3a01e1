"""Markdown fragments."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 98


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a table; cells are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(each) for each in line)} |" for line in lines)


def cell(text: str) -> str:
    """Return the text of a cell: one line, pipes escaped."""
    return " ".join(text.split()).replace("|", r"\|")


def code(text: str) -> str:
    """Render inline code."""
    return f"`{text}`"


def definition(term: str, text: str) -> str:
    """Render an entry of a definition list."""
    return f"{term}\n{indented(text)}"


def indented(text: str) -> str:
    """Render the body of a definition: a colon, then the text indented by two columns."""
    return ": " + textwrap.indent(text, "  ").lstrip()


def prose(text: str) -> str:
    """Convert plain help text: options and single signs become code, `<` is escaped."""
    text = re.sub(r"(?<![\w`-])(--?[a-z][a-z-]*)(?![\w`])", r"`\1`", text)
    text = re.sub(r"(?<!\S)([-*?])(?=[\s;,.]|$)", r"`\1`", text)
    return re.sub(r"(?<!`)<", r"\\<", text)


def filled(text: str) -> str:
    """Wrap a paragraph at `WIDTH`."""
    return textwrap.fill(
        " ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False
    )


def docstring(thing: Any) -> str:
    """Return the docstring as Markdown. Raises `LookupError` if there is none."""
    text = inspect.getdoc(thing)
    if not text:
        raise LookupError(f"{thing!r} has no docstring")
    return text.replace("``", "`")


def yaml_text(value: Any) -> str:
    """Return a value as inline YAML."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    return text.removesuffix("...").strip()
