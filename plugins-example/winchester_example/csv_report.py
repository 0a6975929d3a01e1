"""The handler `csv_report`: a CSV file for each stream, and an event that tells of it."""

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
"""The name space of the ids of our events. A handler of your own has another: `uuid.uuid4()`."""

_text = All(str, Length(min=1, max=MAX_NAME_LENGTH))


class CsvReportHandler(PipelineHandler):
    """Writes the events it is given to `DIRECTORY/TRIGGER-STREAM_ID.csv`, one in each row.

    It follows the rules that keep a handler right when it runs again, after a failure or after
    its worker died:

    - what may fail happens in `handle_events`, since a failure there is tried again, and one in
      `commit` is not;
    - `commit` only renames: doing it twice is doing it once;
    - the id of the new event is derived from what a second run sees again, so that the database
      knows it for the same event;
    - no clock is read: times are those of the events, in a replay as well.
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
                    "where the files go; it is made if need be. A relative one starts at the "
                    "working directory of the worker"
                ),
            ): All(str, Length(min=1)),
            Optional(
                "columns",
                description=(
                    "which traits to write (default: the three keys, then all others by name)"
                ),
            ): All([_text], Length(min=1)),
            Optional(
                "event_type",
                default="report.written",
                description=(
                    "the type of the event that tells of the file; keep it out of the `event_type`"
                    " of your triggers, or reports will be written about reports"
                ),
            ): _text,
        }
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._file: ReportFile | None = None

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Write the file aside, and return the events with one more; nothing for no events.

        The file's path is added to the list `env["csv_reports"]`, for handlers further on: there
        is a file at it when their `commit` is called. Raises `OSError`.
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
        """Let the file appear. Raises `OSError`."""
        if self._file is not None:
            self._file.publish()

    def rollback(self) -> None:
        """Leave nothing behind. Raises `OSError`."""
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
    """Return an id that is the same whenever the parts are."""
    return str(uuid5(REPORT_IDS, json.dumps(parts)))


def all_columns(rows: Iterable[Event]) -> list[str]:
    """The three keys that every event has, then every other trait, by name."""
    names = {name for row in rows for name in row}
    return [*REQUIRED_KEYS, *sorted(names.difference(REQUIRED_KEYS))]


def csv_text(rows: Iterable[Event], columns: Sequence[str]) -> str:
    """Write a header and the rows; datetimes in ISO 8601, nothing for a trait that is not there."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _file_name(env: Mapping[str, Any]) -> str:
    # A trigger's name may be any text: none leads out of the directory.
    return f"{quote(env['stream_name'], safe=' ')}-{env['stream_id']}.csv"
