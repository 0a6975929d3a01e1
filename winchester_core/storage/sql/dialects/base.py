"""Interface to the differences between databases."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, bindparam, delete, func, select, tuple_, type_coerce
from sqlalchemy.types import UserDefinedType

from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from sqlalchemy import (
        URL,
        Column,
        ColumnElement,
        Connection,
        Delete,
        Dialect,
        Engine,
        Executable,
        FromClause,
        Insert,
        Select,
        Table,
    )

    from winchester_core.clock import Clock
    from winchester_core.storage.database_limits import DatabaseLimits
    from winchester_core.storage.sql.dialects.bulk import BulkWriter


class DatabaseErrorKind(Enum):
    """The meaning of a database error for the transaction that raised it."""

    CONFLICT = "a conflict with another transaction: retry the whole transaction"
    STATEMENT_LOST = "the server does not know a prepared statement: retry without any"
    UNAVAILABLE = "the server is unreachable, full or read-only: retry later on new connections"
    TIMED_OUT = "the statement took too long and was cancelled"
    REFUSED = "the content is invalid: a retry would fail again"
    UNKNOWN = "a bug in the program or the schema"


class SqlDialect:
    """Differences between databases. Each dialect overrides the defaults here."""

    name = ""
    embedded = False
    """True if the database has no clock of its own."""
    ignores_invalid_rows = False
    """True if a `RowInsert` also skips rows with content that the database refuses."""
    pairs_keyword = ""
    """Keyword before the pairs on the right side of IN."""

    bulk: BulkWriter
    """Writer of many rows at once."""

    limits: DatabaseLimits | None = None
    """Limits of the connections of this process."""

    def __init__(self, host_clock: Clock) -> None:
        self.host_clock = host_clock

    def prepare_url(self, url: str) -> str:
        """Return the URL with an explicit driver."""
        return url

    def engine_options(self, url: URL) -> dict[str, Any]:
        """Return options for `create_engine`; options in `url` take precedence."""
        del url
        return {}

    def configure_engine(self, engine: Engine) -> None:
        """Attach event listeners that configure new connections."""

    def use_transaction_pooling(self) -> None:
        """Keep no state in sessions. Raises `ConfigurationError` if not supported."""
        raise ConfigurationError(["database.transaction_pooling: only PostgreSQL supports it"])

    def disable_prepared_statements(self) -> None:
        """Prepare no statements on new connections."""

    def accepts_writes(self, connection: Any) -> bool:
        """Return whether the server of a driver connection accepts writes.

        If the server does not respond, raises the driver's error.

        The old primary stays readable after a failover.
        """
        raise NotImplementedError

    def replica_query(self) -> Executable | None:
        """Return a query of whether the server only reads, and of the age of its data in seconds.

        The age is null if it is unknown. Without a server, returns None.
        """
        return None

    def real_time(self) -> ColumnElement[datetime]:
        """Return an expression for the database server's time with microseconds."""
        raise NotImplementedError

    def real_time_text(self) -> ColumnElement[str]:
        """Return `real_time` as a text expression: ISO 8601 in UTC, microseconds, no offset."""
        raise NotImplementedError

    def last_characters(self, text: ColumnElement[str], length: int) -> ColumnElement[str]:
        """Return an expression for the last `length` characters of a text."""
        return func.right(text, length)

    def storable(self, text: str) -> str:
        """Return a message with characters escaped that the database's encoding may lack."""
        return text

    def matches_glob(self, column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
        """Return a condition that `column` matches `glob` (`*` and `?`), case-sensitive."""
        return column.like("".join(map(_escape_like, glob)), escape="!")

    def is_one_of(self, column: ColumnElement[int], numbers: Sequence[int]) -> ColumnElement[bool]:
        """Return the condition that `column` is one of `numbers`.

        The numbers are inlined as literals, because parameters would take SQLAlchemy and the driver
        longer.
        """
        values = bindparam(None, numbers, type_=_InlineIntegers(), literal_execute=True)
        return column.bool_op("IN")(values)

    def distinct_values(self, column: Column[str]) -> Select[Any]:
        """Return a query for the different values of a column that is the first of an index.

        It does one index lookup for each value, if executed within `without_sorting`.
        """
        first = select(column).order_by(column).limit(1).scalar_subquery()
        found = select(first.label("value")).cte("found", recursive=True)
        later = column.table.alias("later").c[column.name]
        following = select(later).where(later > found.c.value).order_by(later).limit(1)
        found = found.union_all(
            select(following.scalar_subquery()).where(found.c.value.is_not(None))
        )
        return select(found.c.value).where(found.c.value.is_not(None))

    def without_sorting(self, connection: Connection) -> AbstractContextManager[None]:
        """Return a context in which ordered queries read an index that has their order."""
        del connection
        return nullcontext()

    def is_none_of(self, column: ColumnElement[str], texts: Sequence[str]) -> ColumnElement[bool]:
        """Return the condition that `column` is none of `texts`."""
        return column.not_in(texts)

    def pair_is_one_of(
        self,
        columns: tuple[ColumnElement[int], ColumnElement[int]],
        pairs: Sequence[tuple[int, int]],
    ) -> ColumnElement[bool]:
        """Return the condition that two columns are one of `pairs`; see `is_one_of`.

        It uses no index, so combine it with a condition that uses one.
        """
        rows = _InlinePairs(self.pairs_keyword)
        return tuple_(*columns).bool_op("IN")(
            bindparam(None, pairs, type_=rows, literal_execute=True)
        )

    def has_version(
        self,
        columns: tuple[ColumnElement[int], ColumnElement[int]],
        versions: Sequence[tuple[int, int]],
    ) -> ColumnElement[bool]:
        """Return the condition that a row has one of these ids, and the serial given for it."""
        has_id = self.is_one_of(columns[0], [row_id for row_id, _ in versions])
        serials = {serial for _, serial in versions}
        if len(serials) == 1:  # mostly; a list of pairs takes SQLite as long as to update the rows
            return and_(has_id, columns[1] == serials.pop())
        return and_(has_id, self.pair_is_one_of(columns, versions))

    def lateral_index_lookup(
        self, outer: FromClause, inner: Table, on: ColumnElement[bool]
    ) -> tuple[FromClause, FromClause]:
        """Return the join of both tables, and the selectable for `inner` in a query of the join.

        For each row of `outer`, the join looks up `inner` by an index. It never scans `inner`,
        regardless of the planner's estimates.
        """
        return outer.join(inner, on), inner

    def json_text(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return an expression for the text of a JSON column, without decoding."""
        return type_coerce(column, Text())

    def contains(self, column: ColumnElement[str], text: str) -> ColumnElement[bool]:
        """Return the condition that `column` contains `text`, case-sensitive, without wildcards."""
        return func.instr(column, text) > 0

    def force_index(self, query: Select[Any], table: FromClause, index: str) -> Select[Any]:
        """Return `query` with `index` forced for `table`, if the database might scan all rows."""
        return query

    def delete_by_index(self, table: Table, index: str) -> Delete:
        """Return a delete that finds its rows through a secondary `index`; see `force_index`."""
        del index
        return delete(table)

    def insert_or_add(self, table: Table, sums: Collection[str]) -> Insert:
        """Return an insert of rows that adds the columns `sums` to a row with the same key."""
        raise NotImplementedError

    def filter_only(self, condition: ColumnElement[bool]) -> ColumnElement[Any]:
        """Return `condition` in a form that only filters rows and does not select an index."""
        return condition

    def index_order(
        self, order: ColumnElement[Any], *, after_null: ColumnElement[Any] | None
    ) -> tuple[ColumnElement[Any], ...]:
        """Return the ORDER BY columns of an index that begins with `after_null`, which is null.

        On MariaDB, that column must be omitted, because it would sort and lock all rows.
        """
        del after_null
        return (order,)

    def lock_rows(self, query: Select[Any], *, skip_locked: bool = False) -> Select[Any]:
        """Return `query` extended to lock its rows until the transaction ends."""
        return query.with_for_update(skip_locked=skip_locked)

    def notifier(self, engine: Engine) -> WorkerNotifier:
        """Return a notifier that wakes the workers of all processes; this one does nothing."""
        del engine
        return WorkerNotifier()

    def is_server_error(self, error: BaseException) -> bool:
        """Return whether the server has sent this error and the driver does not recognize it."""
        del error
        return False

    def classify_error(self, error: BaseException) -> DatabaseErrorKind:
        """Return the kind of a DBAPI exception."""
        raise NotImplementedError


def _escape_like(character: str) -> str:
    if character == "*":
        return "%"
    if character == "?":
        return "_"
    return "!" + character if character in "%_!" else character


# Timeouts of connections and transactions.
#
# A process may be paused in the middle of a transaction (SIGSTOP, a frozen virtual machine) while
# its connection stays open. The server then ends the session to release its locks. When the process
# resumes, it finds its connection broken and retries the transaction.

IDLE_TRANSACTION_TIMEOUT_SECONDS = 30
"""Maximum time that a transaction waits for its client; then the server ends the session."""

LOCK_TIMEOUT_SECONDS = 10
"""Maximum time that a statement waits for a lock; then the transaction is retried."""

CONNECT_TIMEOUT_SECONDS = 10

TCP_USER_TIMEOUT_SECONDS = 60
"""Maximum time that sent data is unacknowledged; then the connection counts as broken."""

KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_INTERVAL_SECONDS = 10
KEEPALIVE_COUNT = 3


class WorkerNotifier:
    """Notifier of a database's workers. This base class does nothing, so workers poll.

    A lost notification delays work by at most one poll interval.
    """

    def notify(self) -> None:
        """Wake the workers. Called after the commit; never raises."""

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Within the context, call `wake` from a separate thread for each notification."""
        del wake
        return nullcontext()


class _InlineIntegers(UserDefinedType[Any]):
    cache_ok = True

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        del dialect
        return _literal_list


class _InlinePairs(UserDefinedType[Any]):
    cache_ok = True

    def __init__(self, keyword: str) -> None:
        self.keyword = keyword  # public, so that it is part of the cache key

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        del dialect
        return lambda pairs: f"({self.keyword}{','.join(map(_literal_list, pairs))})"


def _literal_list(values: Sequence[int]) -> str:
    return f"({','.join(map(int.__repr__, values))})"  # raises for anything but integers
