"""Field paths that are more than keys: wildcards, filters, functions.

They are left to jsonpath-rw, and to jsonpath-rw-ext for what only that understands.
"""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from winchester_core.distill.extra import INSTALL_COMMAND, jsonpath_parsers
from winchester_core.errors import FieldPathError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Match = tuple[str, Any]

_UNEXPECTED_TOKEN = re.compile(r"Parse error at \d+:(\d+) near token (.*) \(")
_UNEXPECTED_CHARACTER = re.compile(r"line \d+, col (\d+)")


def json_path_finder(text: str) -> Callable[[Mapping[str, Any]], list[Match]]:
    """Return the function that finds all (path, value) of `text`, those without null.

    It may raise whatever the JSONPath packages raise for a body of an unforeseen shape. Raises
    `FieldPathError` when `text` is no path, `PluginError` when the packages are not installed.
    """
    path = _parse(text)
    _refuse_intersection(path, text)

    def find(body: Mapping[str, Any]) -> list[Match]:
        return [(_name(datum), datum.value) for datum in path.find(body) if datum.value is not None]

    return find


def _name(datum: Any) -> str:
    """Return where `datum` lies; empty for what a function made."""
    elements = []
    while datum.context is not None:
        elements.append(str(datum.path))
        datum = datum.context
    return ".".join(reversed(elements))


def _parse(text: str) -> Any:
    parsers = jsonpath_parsers()
    faults = []
    for parse in parsers:
        try:
            # the function sub() of jsonpath-rw-ext prints itself when it is parsed
            with redirect_stdout(io.StringIO()):
                return parse(text)
        except Exception as error:  # noqa: BLE001 - the parsers raise bare Exception
            faults.append(_fault(error, text))
    position, reason = max(faults, key=lambda fault: fault[0])
    if len(parsers) == 1 and re.search(r"[`?@+*/\\]", text):
        reason += f"; if it is meant for jsonpath-rw-ext: {INSTALL_COMMAND}"
    raise FieldPathError(text, position, reason)


def _fault(error: Exception, text: str) -> tuple[int, str]:
    """Return position and reason of a parser's complaint."""
    message = str(error)
    if found := _UNEXPECTED_TOKEN.search(message):
        return int(found[1]), f"unexpected {found[2]!r}"
    if found := _UNEXPECTED_CHARACTER.search(message):
        return int(found[1]), "unexpected character"
    if isinstance(error, AttributeError):  # their error handler does not foresee the end of text
        return len(text), "unexpected end"
    if "EOF" in message:
        return len(text), "a quote that is not closed"
    return max(text.find("`"), 0), f"unknown or malformed function ({message})"


def _refuse_intersection(path: Any, text: str) -> None:
    """Refuse `a & b`, which jsonpath-rw parses and then cannot evaluate."""
    if type(path).__name__ == "Intersect":
        raise FieldPathError(text, max(text.find("&"), 0), "intersections cannot be evaluated")
    for part in ("left", "right"):
        if hasattr(path, part):
            _refuse_intersection(getattr(path, part), text)
