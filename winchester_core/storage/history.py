"""The history of a stream's states, as one text beside it: a line for each change, cut at a bound.

It is written by the statements that change the state anyway, and costs none of its own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from winchester_core.model.stream import StateChange, StreamState

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 4000
"""How many characters are kept, the latest: some thirty attempts."""

_LINE: Final = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}) (?P<state>[a-z_]+)(?: (?P<worker>.+))?"
)


def time_text(at: datetime) -> str:
    """How a line begins: the time in UTC, without an offset."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def rest_of_line(state: StreamState, worker: str | None = None) -> str:
    """What stands in a line after the time."""
    return f" {state.value} {' '.join(worker.split())}\n" if worker else f" {state.value}\n"


def appended(history: str, at: datetime, state: StreamState, worker: str | None = None) -> str:
    """The history with one more line; the oldest characters are cut off."""
    return (history + time_text(at) + rest_of_line(state, worker))[-LONGEST:]


def read_history(text: str | None) -> tuple[StateChange, ...]:
    """The changes, the oldest first; a line that was cut is left out."""
    return tuple(_changes(text or ""))


def _changes(text: str) -> Iterator[StateChange]:
    for line in text.splitlines():
        if parts := _LINE.fullmatch(line):
            at = datetime.fromisoformat(parts["at"]).replace(tzinfo=UTC)
            yield StateChange(at, StreamState(parts["state"]), parts["worker"])
