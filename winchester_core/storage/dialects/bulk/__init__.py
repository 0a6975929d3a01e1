"""Many rows in one statement, the way each database takes them fastest."""

from winchester_core.storage.dialects.bulk.statements import RowInsert, RowLock, RowUpdate, Work
from winchester_core.storage.dialects.bulk.writer import BulkWriter

__all__ = ["BulkWriter", "RowInsert", "RowLock", "RowUpdate", "Work"]
