"""The cursor of PostgreSQL's connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Cursor

if TYPE_CHECKING:
    from typing import Self


class UnpreparedCursor(Cursor[Any]):
    """Has each statement planned for its values, unless it is told otherwise.

    psycopg prepares what comes often, and the server then plans it once: for any value of `state`
    or `event_type`, by going through a whole table where the value is rare. `prepare=None` leaves
    that to psycopg, for a statement that one plan suits.
    """

    def execute(
        self,
        query: Any,
        params: Any = None,
        *,
        prepare: bool | None = False,
        binary: bool | None = None,
    ) -> Self:
        """See `psycopg.Cursor.execute`."""
        return super().execute(query, params, prepare=prepare, binary=binary)
