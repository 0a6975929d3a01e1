"""A parsed time expression, ready to be evaluated many times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.event import MAX_YEAR, MIN_YEAR
from winchester_core.model.time_range import TimeValue
from winchester_core.timex.arithmetic import OutOfYears
from winchester_core.timex.variables import MissingVariable, Moment

Computation: TypeAlias = Callable[[Mapping[str, Any]], TimeValue]

EARLIEST = datetime(MIN_YEAR, 1, 1, tzinfo=UTC)
LATEST = datetime(MAX_YEAR, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Expression:
    """A time expression. Equal and hashed by its text; immutable, shared by threads freely.

    `variables` are the names it needs, without ``$``. Where `hour`, `day`, `month` or `year`
    stands without an argument, it needs `timestamp`.
    """

    text: str
    variables: frozenset[str] = field(compare=False)
    _compute: Computation = field(compare=False, repr=False)
    _begin: Moment = field(compare=False, repr=False)

    def __call__(self, **variables: datetime) -> TimeValue:
        """Evaluate with these variables; see `evaluate`."""
        return self.evaluate(variables)

    def evaluate(self, variables: Mapping[str, Any]) -> TimeValue:
        """Return the time or the range of time, aware UTC, that the expression has.

        `variables` may be an event: only those of its keys that are needed are looked at. One
        that is absent or no datetime is missing; a naive datetime is UTC. Raises
        `TimeEvaluationError`, with `variable` set for the first one missing, and with `clamp`
        set for a time outside the years 1000-9999, be it on the way to the result.
        """
        try:
            return self._compute(variables)
        except (MissingVariable, OutOfYears) as error:
            raise self._fault(error) from None

    def begin(self, variables: Mapping[str, Any]) -> datetime:
        """Return the time, or where the range begins: `evaluate(variables).begin`, but faster.

        Raises as `evaluate` does.
        """
        try:
            return self._begin(variables)
        except (MissingVariable, OutOfYears) as error:
            raise self._fault(error) from None

    def _fault(self, error: MissingVariable | OutOfYears) -> TimeEvaluationError:
        if isinstance(error, MissingVariable):
            return TimeEvaluationError(
                self.text, f"${error.name} has no datetime", variable=error.name
            )
        side, clamp = ("after", LATEST) if error.upward else ("before", EARLIEST)
        return TimeEvaluationError(
            self.text, f"a time {side} the years {MIN_YEAR}-{MAX_YEAR}", clamp=clamp
        )

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:
        from winchester_core.timex.parser import parse  # the parser makes expressions

        return parse, (self.text,)
