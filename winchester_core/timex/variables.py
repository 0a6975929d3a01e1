"""The variables of a time expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from winchester_core.timex.arithmetic import OutOfYears

Variables: TypeAlias = Mapping[str, Any]
Moment: TypeAlias = Callable[[Variables], datetime]

_MIDDLE_YEAR = 5000


class MissingVariable(Exception):  # noqa: N818 - reported as TimeEvaluationError
    """A variable that has no datetime."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def variable(name: str) -> Moment:
    """Compile `$name`: its value as aware UTC. Raises `MissingVariable`, `OutOfYears`."""

    def load(variables: Variables) -> datetime:
        value = variables.get(name)
        if isinstance(value, datetime):
            return value if value.tzinfo is UTC else _in_utc(value)
        raise MissingVariable(name)

    return load


def _in_utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise OutOfYears(upward=moment.year > _MIDDLE_YEAR) from None
