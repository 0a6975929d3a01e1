"""Pieces of Markdown."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 98


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(each) for each in line)} |" for line in lines)


def cell(text: str) -> str:
    """Text on one line that does not end its cell."""
    return " ".join(text.split()).replace("|", r"\|")


def code(text: str) -> str:
    """Text as it is typed."""
    return f"`{text}`"


def definition(term: str, text: str) -> str:
    """An entry of a definition list."""
    return f"{term}\n{indented(text)}"


def indented(text: str) -> str:
    """The body of a definition: a colon, then everything by two columns to the right."""
    return ": " + textwrap.indent(text, "  ").lstrip()


def prose(text: str) -> str:
    """Plain words of a help text: options and lone signs as code, nothing taken for Markdown."""
    text = re.sub(r"(?<![\w`-])(--?[a-z][a-z-]*)(?![\w`])", r"`\1`", text)
    text = re.sub(r"(?<!\S)([-*?])(?=[\s;,.]|$)", r"`\1`", text)
    return re.sub(r"(?<!`)<", r"\\<", text)


def filled(text: str) -> str:
    """A paragraph of lines as long as this project's are."""
    return textwrap.fill(
        " ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False
    )


def docstring(thing: Any) -> str:
    """The docstring as Markdown. Raises `LookupError` where there is none."""
    text = inspect.getdoc(thing)
    if not text:
        raise LookupError(f"{thing!r} has no docstring, which its reference page needs")
    return text.replace("``", "`")


def yaml_text(value: Any) -> str:
    """A value as one would write it in YAML."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    return text.removesuffix("...").strip()
