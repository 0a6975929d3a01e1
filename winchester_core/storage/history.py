"""State history of a stream: one text column, a line for each change, of bounded length.

The statement that changes the state appends the line; no extra statement is needed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from winchester_core.model.stream import StateChange, StreamState

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_HISTORY_LENGTH: Final = 4000
"""Maximum length in characters, enough for about 30 attempts; the oldest are cut off."""

_HISTORY_LINE: Final = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}) (?P<state>[a-z_]+)(?: (?P<worker>.+))?"
)


def history_time(at: datetime) -> str:
    """Return the start of a history line: the time in UTC, without an offset."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def history_line_end(state: StreamState, worker: str | None = None) -> str:
    """Return the rest of a history line, after the time."""
    return f" {state.value} {' '.join(worker.split())}\n" if worker else f" {state.value}\n"


def parse_history(text: str | None) -> tuple[StateChange, ...]:
    """Return the state changes, oldest first; an incomplete line is skipped."""
    return tuple(_parse_lines(text or ""))


def _parse_lines(text: str) -> Iterator[StateChange]:
    for line in text.splitlines():
        if parts := _HISTORY_LINE.fullmatch(line):
            at = datetime.fromisoformat(parts["at"]).replace(tzinfo=UTC)
            yield StateChange(at, StreamState(parts["state"]), parts["worker"])
