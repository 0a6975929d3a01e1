"""What differs between databases, behind one small interface."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, bindparam, delete, func, tuple_, type_coerce
from sqlalchemy.types import UserDefinedType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import (
        URL,
        BindParameter,
        ColumnElement,
        Delete,
        Dialect,
        Engine,
        FromClause,
        Select,
        Table,
    )

    from winchester_core.clock import Clock
    from winchester_core.storage.sql.dialects.bulk import BulkWriter


class DatabaseErrorKind(Enum):
    """What an error of the database means for the transaction that met it."""

    CONFLICT = "another transaction was first: try the whole transaction again"
    UNAVAILABLE = "the database is away, full or locked: try later"
    REFUSED = "the content is refused: another try gives the same answer"
    UNKNOWN = "a fault of the program or the schema"


class SqlDialect:
    """The differences; the methods here are what PostgreSQL and SQLite share."""

    name = ""
    embedded = False
    """Whether the database has no clock of its own."""
    ignores_invalid_rows = False
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

    def configure_engine(self, engine: Engine) -> None:
        """Attach what every new connection needs."""

    def real_time(self) -> ColumnElement[datetime]:
        """An expression that is the database server's time, in microseconds."""
        raise NotImplementedError

    def real_time_text(self) -> ColumnElement[str]:
        """The same as text in UTC: ISO 8601 with six digits of the second, without an offset."""
        raise NotImplementedError

    def last_characters(self, text: ColumnElement[str], length: int) -> ColumnElement[str]:
        """The last so many characters of a text, or all that it has."""
        return func.right(text, length)

    def matches_glob(self, column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
        """The condition that `column` matches `glob` (`*` and `?`), case-sensitive."""
        return column.like("".join(map(_escape_like, glob)), escape="!")

    def is_one_of(self, column: ColumnElement[int], numbers: Sequence[int]) -> ColumnElement[bool]:
        """The condition that `column` is one of `inline_integers`.

        They are told in a way that costs little however many they are: written out, as the
        driver and the library would take longer over a parameter for each.
        """
        return column.bool_op("IN")(inline_integers(numbers))

    def pair_is_one_of(
        self,
        columns: tuple[ColumnElement[int], ColumnElement[int]],
        pairs: Sequence[tuple[int, int]],
    ) -> ColumnElement[bool]:
        """The condition that two columns are one of `inline_pairs`; see `is_one_of`.

        It finds no rows by an index: that is for another condition to do.
        """
        return tuple_(*columns).bool_op("IN")(inline_pairs(pairs))

    def lateral_index_lookup(
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

    def force_index(self, query: Select[Any], table: FromClause, index: str) -> Select[Any]:
        """Read `table` through `index`, where the database might go through all rows instead."""
        return query

    def delete_by_index(self, table: Table, index: str) -> Delete:
        """A delete that finds its rows through `index`, no primary key; see `force_index`."""
        del index
        return delete(table)

    def filter_only(self, condition: ColumnElement[bool]) -> ColumnElement[Any]:
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

    def notifier(self, engine: Engine) -> WorkerNotifier:
        """What tells workers in other processes that there is something to do."""
        del engine
        return WorkerNotifier()

    def classify_error(self, error: BaseException) -> DatabaseErrorKind:
        """What a DBAPI exception means."""
        raise NotImplementedError


def _escape_like(character: str) -> str:
    if character == "*":
        return "%"
    if character == "?":
        return "_"
    return "!" + character if character in "%_!" else character


# How long a database and a connection to it wait, for others and for each other.
#
# A process can be paused in the middle of a transaction (SIGSTOP, a frozen virtual machine) while
# its connection stays alive. The server then ends the session, so that its locks hold nobody up;
# the process finds its connection broken when it goes on, and does the transaction again.

IDLE_TRANSACTION_TIMEOUT_SECONDS = 30
"""How long a transaction may wait for its client before the server ends the session."""

LOCK_TIMEOUT_SECONDS = 10
"""How long a statement waits for a lock before the transaction is done again."""

CONNECT_TIMEOUT_SECONDS = 10

TCP_USER_TIMEOUT_SECONDS = 60
"""How long sent data may stay unacknowledged before a connection counts as broken."""

KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_INTERVAL_SECONDS = 10
KEEPALIVE_COUNT = 3


class WorkerNotifier:
    """A bell that every worker on the database hears. Here none: workers look by themselves.

    A ring that is lost costs at most the time that a worker sleeps.
    """

    def notify(self) -> None:
        """Wake the workers. Called after the commit; never raises."""

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Within the context, call `wake`, in a thread of its own, whenever the bell may ring."""
        del wake
        return nullcontext()


class _InlineIntegers(UserDefinedType[Any]):
    cache_ok = True

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        del dialect
        return _literal_list


class _InlinePairs(UserDefinedType[Any]):
    cache_ok = True

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        rows = "VALUES " if dialect.name == "sqlite" else ""
        return lambda pairs: f"({rows}{','.join(map(_literal_list, pairs))})"


def inline_integers(values: Sequence[int]) -> BindParameter[Any]:
    """A list of one or more numbers, to stand after IN."""
    return bindparam(None, values, type_=_InlineIntegers(), literal_execute=True)


def inline_pairs(values: Sequence[tuple[int, int]]) -> BindParameter[Any]:
    """A list of one or more pairs, to stand after IN."""
    return bindparam(None, values, type_=_InlinePairs(), literal_execute=True)


def _literal_list(values: Sequence[int]) -> str:
    return f"({','.join(map(int.__repr__, values))})"  # which takes nothing but numbers
