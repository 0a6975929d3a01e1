"""Finding out whether a pooled connection still lives before it is used again.

The library would ask the server each time. One that was in use a moment ago is taken as it is: if
it broke in that moment its transaction fails, as it does when it breaks in the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    from sqlalchemy import Engine

TRUSTED_SECONDS = 1.0
_USED_AT = "winchester_used_at"


def check_idle_connections(engine: Engine) -> None:
    """Let `engine` replace a connection that has been idle for a second and answers no more."""

    def note(_connection: Any, record: Any) -> None:
        record.info[_USED_AT] = monotonic()

    def test(connection: Any, record: Any, _proxy: Any) -> None:
        used_at = record.info.get(_USED_AT)
        if used_at is None or monotonic() - used_at < TRUSTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError("a connection broke while it was idle") from error

    event.listen(engine, "checkin", note)
    event.listen(engine, "checkout", test)
