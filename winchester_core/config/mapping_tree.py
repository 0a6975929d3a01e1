"""From a plain Python mapping to the same tree that a file gives, without marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from winchester_core.config.document import Document, Node
from winchester_core.config.substitution import (
    SubstitutionError,
    has_reference,
    retype,
    substitute,
)
from winchester_core.config.yaml_tree import MAX_VALUES, Unusable

if TYPE_CHECKING:
    from winchester_core.config.document import Path
    from winchester_core.config.report import Report

MAX_DEPTH = 100
NAME = "<dict>"


def read_mapping(
    source: Any, report: Report, environ: Mapping[str, str], name: str = NAME
) -> Document | None:
    """Make a document of plain Python data; references in its text are replaced as in a file.

    Returns None, with a problem in `report`, for data that holds itself or is far too large.
    """
    try:
        return Document(name, _Builder(report, environ, name).node(source, ()))
    except Unusable as error:
        report.add_file(name, error.mark, error.reason)
        return None


class _Builder:
    def __init__(self, report: Report, environ: Mapping[str, str], name: str) -> None:
        self._report, self._environ, self._name = report, environ, name
        self._values = 0

    def node(self, value: Any, path: Path) -> Node:
        self._values += 1
        if self._values > MAX_VALUES:
            raise Unusable(None, f"holds over {MAX_VALUES} values")
        if len(path) > MAX_DEPTH:
            raise Unusable(None, f"is nested over {MAX_DEPTH} levels deep")
        if isinstance(value, Mapping):
            nodes = {key: self.node(item, (*path, key)) for key, item in value.items()}
            return Node(children=nodes)
        if isinstance(value, list | tuple):
            return Node(children=[self.node(item, (*path, i)) for i, item in enumerate(value)])
        if isinstance(value, str) and has_reference(value):
            return self._substituted(value, path)
        return Node(value)

    def _substituted(self, value: str, path: Path) -> Node:
        try:
            text = substitute(value, self._environ)
        except SubstitutionError as error:
            self._report.add_file(self._name, None, str(error), path)
            return Node(broken=True)
        return Node(text, substituted=True, retyped=retype(text))
