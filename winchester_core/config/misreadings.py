"""Warnings about plain values that YAML 1.1 reads as an unexpected type."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from winchester_core.config.document import Misreading
from winchester_core.config.errors import schemas_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from winchester_core.config.document import Document, DocumentPath, Mark, Node
    from winchester_core.config.errors import ProblemReport

OCTAL = re.compile(r"[+-]?0[0-7_]*[1-7][0-7_]*")
REWRITTEN_FLOAT = re.compile(r"\+.*|.*_.*|.*\.[0-9]+0")
"""Floats that look different when printed again, as `1.10`. Exponents are not included."""

NUMBER_READ_AS_TEXT = re.compile(
    r"[+-]?(?:0o[0-7]+|0[0-9]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]{1,2})"
)
MAX_LENGTH = 40


def misreading_of(text: str, value: Any) -> Misreading | None:
    """Return the misreading of the plain `text` that YAML reads as `value`, or None."""
    if len(text) > MAX_LENGTH:
        return None
    match value:
        case bool() if text.lower() not in ("true", "false"):
            return Misreading("boolean", _message(text, f"the boolean {str(value).lower()}"))
        case int() | float() if ":" in text or OCTAL.fullmatch(text):
            base = 60 if ":" in text else 8
            return Misreading("base", _message(text, f"the number {value} (base {base})"))
        case int() if not isinstance(value, bool) and text != str(value):
            return Misreading("number", _message(text, f"the number {value}"))
        case float() if REWRITTEN_FLOAT.fullmatch(text):
            return Misreading("number", _message(text, f"the number {value}"))
        case date():
            return Misreading("time", _message(text, "a date or time"))
        case str() if NUMBER_READ_AS_TEXT.fullmatch(text):
            hint = f"write {_number(text)} if a number is meant, or quote it"
            return Misreading("text", _message(text, "text", hint))
    return None


def _message(text: str, read_as: str, hint: str = "quote it if text is meant") -> str:
    return f"{text!r} is read as {read_as}; {hint}"


def _number(text: str) -> int | float:
    if "o" in text:
        return int(text, 8)
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def warn_misread_criteria(triggers: Document, report: ProblemReport) -> None:
    """Warn of misread constants for traits, and everywhere of numbers in base 8 or 60."""

    def concerns(path: DocumentPath, kind: str, _at_key: bool) -> bool:
        if kind == "base":
            return True
        conditions = path[5:] if path[3:4] == ("traits",) else None
        if conditions is None or kind == "time":  # a date is an error
            return False
        return all(
            isinstance(step, int) or step in ("not", "any", "all", "in") for step in conditions
        )

    _warn(triggers, concerns, report)


def warn_misread_parameters(
    definitions: Document, trait_plugins: Mapping[str, Any], report: ProblemReport
) -> None:
    """Warn of misread parameters of trait plugins, and everywhere of numbers in base 8 or 60."""

    def concerns(path: DocumentPath, kind: str, at_key: bool) -> bool:
        if kind == "base":
            return True
        if path[3:5] != ("plugin", "parameters"):
            return False
        return at_key or kind != "boolean" or not takes_boolean(path)

    def takes_boolean(path: DocumentPath) -> bool:
        plugin = trait_plugins[definitions.section(*path[:4], "name").value()]
        return bool in schemas_at(getattr(plugin, "config_schema", None), path[5:])

    _warn(definitions, concerns, report)


def _warn(
    document: Document,
    concerns: Callable[[DocumentPath, str, bool], bool],
    report: ProblemReport,
) -> None:
    """Warn once per position, because aliases may put a value at several paths."""
    remaining = dict(document.misreadings)
    for path, mark, at_key in _positions(document.root, ()) if remaining else ():
        found = remaining.get(mark) if mark is not None else None
        if mark is not None and found is not None and concerns(path, found.kind, at_key):
            del remaining[mark]
            report.warn(document, path, found.message, at_key=at_key)


def _positions(node: Node, path: DocumentPath) -> Iterator[tuple[DocumentPath, Mark | None, bool]]:
    """Yield the path and position of every key and scalar, and whether it is a key."""
    if isinstance(node.children, dict):
        for key, child in node.children.items():
            yield (*path, key), node.key_marks.get(key), True
            yield from _positions(child, (*path, key))
    elif isinstance(node.children, list):
        for index, child in enumerate(node.children):
            yield from _positions(child, (*path, index))
    else:
        yield path, node.mark, False
