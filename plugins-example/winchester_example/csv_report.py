"""The handler `csv_report`: a CSV file for each stream, and an event that announces it."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote
from uuid import UUID, uuid5

from voluptuous import All, Length, Optional, Required, Schema

from winchester_core.interfaces import PipelineHandler
from winchester_core.model import MAX_NAME_LENGTH, REQUIRED_KEYS, clean_event
from winchester_example.report_file import ReportFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.model import Event

REPORT_IDS = UUID("6a3f3f0b-2d35-4d6c-9f0e-0c7a52f7a1de")
"""UUID namespace of this handler's events. Create another for your own handler: `uuid.uuid4()`."""

_text = All(str, Length(min=1, max=MAX_NAME_LENGTH))


class CsvReportHandler(PipelineHandler):
    """Writes the events of a stream to `DIRECTORY/TRIGGER-STREAM_ID.csv`, one per row.

    It follows the rules that make a handler safe to retry after a failure or a worker's death:

    - steps that may fail are in `handle_events`, because a failure in `commit` is not retried;
    - `commit` only renames a file, which is idempotent;
    - the id of the new event is derived from values that are the same in a retry, so that the
      event is stored once;
    - it reads no clock; all times come from the events, also in a replay.
    """

    example: ClassVar[str] = """
        - name: csv_report
          params: {directory: reports, columns: [timestamp, badge]}
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Required(
                "directory",
                description=(
                    "directory of the files, created if missing; relative to the working "
                    "directory of the worker"
                ),
            ): All(str, Length(min=1)),
            Optional(
                "columns",
                description=(
                    "traits to write; default: the three keys, then all others sorted by name"
                ),
            ): All([_text], Length(min=1)),
            Optional(
                "event_type",
                default="report.written",
                description=(
                    "type of the event that announces the file; the triggers of this pipeline must "
                    "not match it, because otherwise each report causes another one"
                ),
            ): _text,
        }
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._file: ReportFile | None = None

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Write a temporary file; return the events and a new one. No events: do nothing.

        The path of the file is appended to the list `env["csv_reports"]` for later handlers: the
        file exists when their `commit` is called. Raises `OSError`.
        """
        if not events:
            return events
        rows = [clean_event(event).event for event in events]
        path = Path(self.params["directory"]) / _file_name(env)
        self._file = ReportFile(path, env["attempt"])
        self._file.write(csv_text(rows, self.params.get("columns") or all_columns(rows)))
        env.setdefault("csv_reports", []).append(str(path))
        return [*events, self._report_event(rows, path, env)]

    def commit(self) -> None:
        """Rename the file to its final name. Raises `OSError`."""
        if self._file is not None:
            self._file.publish()

    def rollback(self) -> None:
        """Remove the temporary file. Raises `OSError`."""
        if self._file is not None:
            self._file.discard()

    def _report_event(self, rows: Sequence[Event], path: Path, env: Mapping[str, Any]) -> Event:
        event_type = self.params["event_type"]
        times = [row["timestamp"] for row in rows]
        return {
            "message_id": derived_id(event_type, str(path), rows[0]["message_id"]),
            "event_type": event_type,
            "timestamp": max(times),
            "path": str(path),
            "stream_name": env["stream_name"],
            "reason": env["reason"],
            "event_count": len(rows),
            "duration_seconds": (max(times) - min(times)).total_seconds(),
        }


def derived_id(*parts: str) -> str:
    """Return an id that depends only on `parts`."""
    return str(uuid5(REPORT_IDS, json.dumps(parts)))


def all_columns(rows: Iterable[Event]) -> list[str]:
    """Return the three keys of every event, then all other traits sorted by name."""
    names = {name for row in rows for name in row}
    return [*REQUIRED_KEYS, *sorted(names.difference(REQUIRED_KEYS))]


def csv_text(rows: Iterable[Event], columns: Sequence[str]) -> str:
    """Return a header and the rows; datetimes in ISO 8601, an empty cell for a missing trait."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _file_name(env: Mapping[str, Any]) -> str:
    # a trigger's name may be any text: quote it, so that the path stays in the directory
    return f"{quote(env['stream_name'], safe=' ')}-{env['stream_id']}.csv"
