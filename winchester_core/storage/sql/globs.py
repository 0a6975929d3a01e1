"""A glob as an SQL condition: `*` any text, `?` one character, case-sensitive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from winchester_core.storage.dialects import SqlDialect

WILDCARDS = frozenset("*?")
_GREATEST = "\U0010ffff"


def matches_glob(dialect: SqlDialect, column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
    """`column` matches `glob`. The part before the first wildcard bounds an index range."""
    prefix = literal_prefix(glob)
    if prefix == glob:
        return column == glob
    condition = dialect.matches_glob(column, glob)
    if not prefix:
        return condition
    return and_(column >= prefix, column < prefix + _GREATEST, condition)


def literal_prefix(glob: str) -> str:
    """What stands before the first wildcard."""
    for index, character in enumerate(glob):
        if character in WILDCARDS:
            return glob[:index]
    return glob
