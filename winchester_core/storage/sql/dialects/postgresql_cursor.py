"""The cursor of PostgreSQL connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Cursor

if TYPE_CHECKING:
    from typing import Self


class UnpreparedCursor(Cursor[Any]):
    """A cursor that does not prepare statements by default.

    psycopg prepares frequent statements, and the server may then use one generic plan for all
    values of `state` or `event_type`: a scan of the whole table for a rare value. `prepare=None`
    restores psycopg's behaviour for statements with one good plan.
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
