"""A CSV file as rows with named cells."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winchester_core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import TextIO


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row by column name, and the line (from 1) where it begins.

    `fault` is the reason why the row is invalid; `cells` then contains the readable cells.
    """

    line: int
    cells: Mapping[str, str]
    fault: str | None = None


class CsvTable:
    """Reads one file, row by row. If reading fails, raises `SourceError` with the path."""

    def __init__(
        self, path: str, *, delimiter: str, encoding: str, columns: Collection[str] = ()
    ) -> None:
        self._path = path
        self._delimiter = delimiter
        self._encoding = encoding
        self._required_columns = columns
        self._file: TextIO | None = None
        self._reader: Any = None  # csv has no public name for its type
        self._header: list[str] = []

    def open(self) -> None:
        """Open or reopen the file, and read the header, which must contain `columns`."""
        self.close()
        try:
            self._file = Path(self._path).open(encoding=self._encoding, newline="")  # noqa: SIM115
            self._reader = csv.reader(self._file, delimiter=self._delimiter, strict=True)
            self._header = next(self._reader, [])
            self._check_header()
        except (OSError, ValueError, csv.Error) as error:
            self.close()
            raise SourceError(self._path, _reason(error)) from error
        except SourceError:
            self.close()
            raise

    def next_row(self) -> Row | None:
        """Return the next row that is not blank; None at the end, or if the file is not open."""
        while self._file is not None:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return None
            except csv.Error as error:
                return Row(line, {"line": str(line)}, f"not CSV: {error}")
            except (OSError, ValueError) as error:
                raise SourceError(self._path, _reason(error)) from error
            if cells:
                return self._row(line, cells)
        return None

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _row(self, line: int, cells: list[str]) -> Row:
        named = dict(zip(self._header, cells, strict=False))
        if len(cells) == len(self._header):
            return Row(line, named)
        return Row(line, named, f"has {len(cells)} cells, the header has {len(self._header)}")

    def _check_header(self) -> None:
        if not self._header:
            raise SourceError(self._path, "the first line must name the columns")
        duplicates = [name for name, count in Counter(self._header).items() if count > 1]
        if duplicates:
            raise SourceError(self._path, f"duplicate column {duplicates[0]!r} in the header")
        missing = [name for name in self._required_columns if name not in self._header]
        if missing:
            columns = ", ".join(self._header)
            raise SourceError(self._path, f"missing column {missing[0]!r}; columns: {columns}")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
