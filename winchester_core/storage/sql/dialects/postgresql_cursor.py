"""The cursor of PostgreSQL connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Cursor

if TYPE_CHECKING:
    from typing import Self


class UnpreparedCursor(Cursor[Any]):
    """A cursor that does not prepare statements by default.

    psycopg prepares frequent statements. The server may then use the same generic plan for all
    values of `state` or `event_type`, and scan the whole table for a rare value. `prepare=None`
    restores psycopg's behaviour for statements for which one plan is good enough.
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
