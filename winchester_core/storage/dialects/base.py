"""What differs between databases, behind one small interface."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, delete, func, tuple_, type_coerce

from winchester_core.storage.dialects import written_out
from winchester_core.storage.dialects.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import (
        URL,
        ColumnElement,
        Delete,
        Engine,
        FromClause,
        Select,
        Table,
    )

    from winchester_core.clock import Clock
    from winchester_core.storage.dialects.bulk import BulkWriter


class Fault(Enum):
    """What an error of the database means for the transaction that met it."""

    CONFLICT = "another transaction was first: try the whole transaction again"
    UNAVAILABLE = "the database is away, full or locked: try later"
    REFUSED = "the content is refused: another try gives the same answer"
    UNKNOWN = "a fault of the program or the schema"


class SqlDialect:
    """The differences; the methods here are what PostgreSQL and SQLite share."""

    name = ""
    serverless = False
    """Whether the database has no clock of its own."""
    hides_refusals = False
    """Whether a `RowInsert` also passes over rows that the database refuses for their content."""

    bulk: BulkWriter
    """What writes many rows at once."""

    def __init__(self, host_clock: Clock) -> None:
        self.host_clock = host_clock

    def prepare_url(self, url: str) -> str:
        """The URL with the driver spelt out."""
        return url

    def engine_options(self, url: URL) -> dict[str, Any]:
        """Options of `create_engine` for `url`, whose own options come first."""
        del url
        return {}

    def set_up(self, engine: Engine) -> None:
        """Attach what every new connection needs."""

    def real_time(self) -> ColumnElement[datetime]:
        """An expression that is the database server's time, in microseconds."""
        raise NotImplementedError

    def real_time_text(self) -> ColumnElement[str]:
        """The same as text in UTC: ISO 8601 with six digits of the second, without an offset."""
        raise NotImplementedError

    def last_characters(self, text: ColumnElement[str], number: int) -> ColumnElement[str]:
        """The last so many characters of a text, or all that it has."""
        return func.right(text, number)

    def matches_glob(self, column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
        """The condition that `column` matches `glob` (`*` and `?`), case-sensitive."""
        return column.like("".join(map(_like_character, glob)), escape="!")

    def among(self, column: ColumnElement[int], numbers: Sequence[int]) -> ColumnElement[bool]:
        """The condition that `column` is one of `numbers`.

        They are told in a way that costs little however many they are: written out, as the
        driver and the library would take longer over a parameter for each.
        """
        return column.bool_op("IN")(written_out.numbers(numbers))

    def among_pairs(
        self,
        columns: tuple[ColumnElement[int], ColumnElement[int]],
        pairs: Sequence[tuple[int, int]],
    ) -> ColumnElement[bool]:
        """The condition that two columns are one of `pairs`; see `among`.

        It finds no rows by an index: that is for another condition to do.
        """
        return tuple_(*columns).bool_op("IN")(written_out.pairs(pairs))

    def look_up(
        self, outer: Table, inner: Table, on: ColumnElement[bool]
    ) -> tuple[FromClause, FromClause]:
        """Both tables joined, and what stands for `inner` in a query of the join.

        For each row of `outer` that is wanted, `inner` is looked up by an index: it is never gone
        through, however many rows the database believes to be wanted.
        """
        return outer.join(inner, on), inner

    def json_text(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """A column of JSON, whose text is wanted as it is."""
        return type_coerce(column, Text())

    def contains(self, column: ColumnElement[str], text: str) -> ColumnElement[bool]:
        """The condition that `column` contains `text`, to the letter."""
        return func.instr(column, text) > 0

    def through_index(self, query: Select[Any], table: FromClause, index: str) -> Select[Any]:
        """Read `table` through `index`, where the database might go through all rows instead."""
        return query

    def delete_through(self, table: Table, index: str) -> Delete:
        """A delete that finds its rows through `index`, no primary key; see `through_index`."""
        del index
        return delete(table)

    def row_by_row(self, condition: ColumnElement[bool]) -> ColumnElement[Any]:
        """A condition on rows that are gone through in any case, not one to find them by."""
        return condition

    def index_order(
        self, order: ColumnElement[Any], *, after_null: ColumnElement[Any] | None
    ) -> tuple[ColumnElement[Any], ...]:
        """The order of an index, in which a column that is null throughout may come before.

        MariaDB, when that column is named, sorts all rows, and locks them.
        """
        del after_null
        return (order,)

    def lock_rows(self, query: Select[Any], *, skip_locked: bool = False) -> Select[Any]:
        """Lock the rows that `query` finds until the transaction ends."""
        return query.with_for_update(skip_locked=skip_locked)

    def wakeup(self, engine: Engine) -> Wakeup:
        """What tells workers in other processes that there is something to do."""
        del engine
        return Wakeup()

    def fault(self, error: BaseException) -> Fault:
        """What a DBAPI exception means."""
        raise NotImplementedError


def _like_character(character: str) -> str:
    if character == "*":
        return "%"
    if character == "?":
        return "_"
    return "!" + character if character in "%_!" else character
