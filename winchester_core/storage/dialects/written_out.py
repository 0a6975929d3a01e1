"""Whole numbers written into a statement: a parameter for each would take longer than the query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam
from sqlalchemy.types import UserDefinedType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import BindParameter, Dialect


class _Numbers(UserDefinedType[Any]):
    cache_ok = True

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        del dialect
        return _list


class _Pairs(UserDefinedType[Any]):
    cache_ok = True

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        rows = "VALUES " if dialect.name == "sqlite" else ""
        return lambda pairs: f"({rows}{','.join(map(_list, pairs))})"


def numbers(values: Sequence[int]) -> BindParameter[Any]:
    """A list of one or more numbers, to stand after IN."""
    return bindparam(None, values, type_=_Numbers(), literal_execute=True)


def pairs(values: Sequence[tuple[int, int]]) -> BindParameter[Any]:
    """A list of one or more pairs, to stand after IN."""
    return bindparam(None, values, type_=_Pairs(), literal_execute=True)


def _list(values: Sequence[int]) -> str:
    return f"({','.join(map(int.__repr__, values))})"  # which takes nothing but numbers
