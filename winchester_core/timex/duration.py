"""Durations in calendar and clock units, as in `1d 6h`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from winchester_core.model.event import MAX_YEAR, MIN_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping


class Unit(IntEnum):
    """A unit of time. Greater members are longer units."""

    MICROSECOND = 0
    SECOND = 1
    MINUTE = 2
    HOUR = 3
    DAY = 4
    MONTH = 5
    YEAR = 6


UNIT_WORDS = {
    "y": Unit.YEAR,
    "yr": Unit.YEAR,
    "mo": Unit.MONTH,
    "d": Unit.DAY,
    "h": Unit.HOUR,
    "hr": Unit.HOUR,
    "m": Unit.MINUTE,
    "min": Unit.MINUTE,
    "s": Unit.SECOND,
    "sec": Unit.SECOND,
    "us": Unit.MICROSECOND,
}

MICROSECONDS = {
    Unit.MICROSECOND: 1,
    Unit.SECOND: 1_000_000,
    Unit.MINUTE: 60_000_000,
    Unit.HOUR: 3_600_000_000,
    Unit.DAY: 86_400_000_000,
}
"""Lengths of the units with a fixed length."""

FIELD_BOUNDS = {
    Unit.MICROSECOND: (0, 999_999),
    Unit.SECOND: (0, 59),
    Unit.MINUTE: (0, 59),
    Unit.HOUR: (0, 23),
    Unit.DAY: (1, 31),
    Unit.MONTH: (1, 12),
    Unit.YEAR: (MIN_YEAR, MAX_YEAR),
}
"""Smallest and greatest value of each field for `@`."""


@dataclass(frozen=True, slots=True)
class Duration:
    """Amounts by unit, and at most one number without a unit, `unitless`.

    The unit of `unitless` depends on the range to which the duration is applied; see `with_unit`.
    Amounts have no limit, and are negative only in a subtraction.
    """

    amounts: Mapping[Unit, int]
    unitless: int | None = None

    def __neg__(self) -> Duration:
        unitless = None if self.unitless is None else -self.unitless
        return Duration({unit: -amount for unit, amount in self.amounts.items()}, unitless)

    def with_unit(self, unit: Unit) -> Duration:
        """Return the duration with its unitless number converted to `unit`."""
        if self.unitless is None:
            return self
        return Duration({**self.amounts, unit: self.amounts.get(unit, 0) + self.unitless})

    @property
    def months(self) -> int:
        """Years and months, in months."""
        return 12 * self.amounts.get(Unit.YEAR, 0) + self.amounts.get(Unit.MONTH, 0)

    @property
    def microseconds(self) -> int:
        """Days and shorter units, in microseconds."""
        return sum(
            amount * MICROSECONDS[unit] for unit, amount in self.amounts.items() if unit <= Unit.DAY
        )

    def calendar_part(self) -> Duration:
        """Return the years, months and days."""
        return Duration({unit: n for unit, n in self.amounts.items() if unit >= Unit.DAY})

    def clock_part(self) -> Duration:
        """Return the hours and shorter units."""
        return Duration({unit: n for unit, n in self.amounts.items() if unit < Unit.DAY})

    def is_nonzero_from(self, shortest: Unit) -> bool:
        """Return whether an amount of `shortest` or of a longer unit is not 0."""
        return any(amount for unit, amount in self.amounts.items() if unit >= shortest)

    def has_unit_from(self, shortest: Unit) -> bool:
        """Return whether `shortest` or a longer unit is present, even with the amount 0."""
        return any(unit >= shortest for unit in self.amounts)

    def replacement_problem(self) -> str | None:
        """Return why `@` cannot set these values, or None."""
        for unit, amount in self.amounts.items():
            lowest, highest = FIELD_BOUNDS[unit]
            if not lowest <= amount <= highest:
                name = unit.name.lower()
                return f"'@' sets the {name}, which is {lowest} to {highest}, not {amount}"
        return None

    def clamped_to_fields(self) -> Duration:
        """Return the duration with each amount clamped to the values allowed for `@`."""
        return Duration(
            {
                unit: min(max(amount, FIELD_BOUNDS[unit][0]), FIELD_BOUNDS[unit][1])
                for unit, amount in self.amounts.items()
            }
        )
