"""Many rows in one statement, the way each database takes them fastest."""

from winchester_core.storage.dialects.bulk.statements import (
    ChildInsert,
    Family,
    RowDelete,
    RowInsert,
    RowLock,
    Rows,
    RowUpdate,
    Work,
)
from winchester_core.storage.dialects.bulk.writer import BulkWriter

__all__ = [
    "BulkWriter",
    "ChildInsert",
    "Family",
    "RowDelete",
    "RowInsert",
    "RowLock",
    "RowUpdate",
    "Rows",
    "Work",
]
