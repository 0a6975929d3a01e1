"""Silent groups: groups that have fired, and do not fire again for a time.

A row is read and written only by a transaction that holds the open key of its group. The key is
held by locking the open stream, or by inserting one. In the second case the row is read before the
insert, so it may change until then. Therefore a row is changed only if it is as it was read; if it
is not, the transaction is repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from winchester_core.errors import ConcurrentChange
from winchester_core.storage.records import SilentGroup
from winchester_core.storage.sql.dialects.bulk import RowInsert, RowLock
from winchester_core.storage.sql.tables import silent_groups
from winchester_core.triggers.pending_stream import PendingStream, Silence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Delete, Update

    from winchester_core.storage.records import MatchedEvent
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.triggers.pending_stream import Silences

_COLUMNS = ("group_key", "fire_timestamp", "stream_id")
_LOCK = RowLock(silent_groups, "group_key", _COLUMNS, "PRIMARY")
_INSERT = RowInsert(silent_groups, ("group_key", "name", "fire_timestamp", "stream_id"))


def read(tx: Transaction, matched_events: Iterable[MatchedEvent]) -> dict[bytes, Silence]:
    """Return the silent groups among the groups of the events, by group key."""
    keys = {
        match.group.key
        for matched_event in matched_events
        for match in matched_event.matches
        if match.definition.suppress
    }
    return read_groups(tx, sorted(keys))


def read_groups(tx: Transaction, keys: Sequence[bytes]) -> dict[bytes, Silence]:
    """Return the silent groups among these, by group key."""
    if not keys:
        return {}
    rows = tx.dialect.bulk.lock(tx.connection, _LOCK, keys)
    return {bytes(key): Silence(fire_timestamp, stream) for key, fire_timestamp, stream in rows}


def find(tx: Transaction, group_key: bytes) -> SilentGroup | None:
    """Return the silence of a group, for a reader without locks."""
    query = select(silent_groups.c.fire_timestamp, silent_groups.c.stream_id)
    row = tx.execute(query.where(silent_groups.c.group_key == group_key)).one_or_none()
    return None if row is None else SilentGroup(row.fire_timestamp, row.stream_id)


def write(tx: Transaction, silences: Silences) -> None:
    """Store the changes of silences. The streams have their ids.

    Raises `ConcurrentChange` if a row has changed since it was read.
    """
    before, after = silences.before, silences.after or {}
    for key in sorted(before.keys() - after.keys()):
        _change(tx, delete(silent_groups), key, before[key])
    new = []
    for key, silence in sorted(after.items()):
        old = before.get(key)
        if old is silence:
            continue
        stream = silence.stream
        if not isinstance(stream, PendingStream):
            continue
        if old is None:
            new.append((key, stream.definition.name, silence.fire_timestamp, stream.id))
        else:
            values = {"fire_timestamp": silence.fire_timestamp, "stream_id": stream.id}
            _change(tx, update(silent_groups).values(values), key, old)
    tx.dialect.bulk.execute_all(tx.connection, [(_INSERT, new)])


def _change(tx: Transaction, statement: Delete | Update, key: bytes, old: Silence) -> None:
    unchanged = statement.where(
        silent_groups.c.group_key == key,
        silent_groups.c.stream_id == old.stream,
        silent_groups.c.fire_timestamp == old.fire_timestamp,
    )
    if tx.execute(unchanged).rowcount != 1:
        raise ConcurrentChange("the silence of a group was changed by another process")
