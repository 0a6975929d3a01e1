"""Arguments and results of the operations on processes, activity and actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from winchester_core.storage.filters import FilterInUtc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from winchester_core.model.process import ProcessRecord

ACTION_AGE: Final = timedelta(days=90)
"""Age after which actions are deleted."""

GONE_PROCESS_AGE: Final = timedelta(days=1)
"""Age after which the row of a process that is gone is deleted."""


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The result of storing a report: the time and all processes, both as in the database.

    `minute` is the minute to which the activity was added, in seconds since 1970 (UTC).
    """

    now: datetime
    minute: int
    processes: Sequence[ProcessRecord]


@dataclass(frozen=True, slots=True)
class ActionFilter(FilterInUtc):
    """Filters of actions; None matches any.

    `older_than` and `younger_than` compare the time of the action (real time, UTC).
    """

    name: str | None = None
    action: str | None = None
    older_than: datetime | None = None
    younger_than: datetime | None = None


ANY_ACTION = ActionFilter()
