"""Durations: numbers of calendar and clock units, as in `1d 6h`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from winchester_core.model.event import MAX_YEAR, MIN_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping


class Unit(IntEnum):
    """A unit of time; a greater member is a longer unit."""

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
"""How long the units are that always have one length."""

FIELD_BOUNDS = {
    Unit.MICROSECOND: (0, 999_999),
    Unit.SECOND: (0, 59),
    Unit.MINUTE: (0, 59),
    Unit.HOUR: (0, 23),
    Unit.DAY: (1, 31),
    Unit.MONTH: (1, 12),
    Unit.YEAR: (MIN_YEAR, MAX_YEAR),
}
"""What `@` can set each part of a date and time to."""


@dataclass(frozen=True, slots=True)
class Duration:
    """Numbers of units, as long as they are written; `unitless` is a number without a unit.

    What a number without a unit counts depends on the range that the duration is applied to:
    see `resolved`. Numbers have no bound, and are negative only where they are subtracted.
    """

    amounts: Mapping[Unit, int]
    unitless: int | None = None

    def __neg__(self) -> Duration:
        unitless = None if self.unitless is None else -self.unitless
        return Duration({unit: -amount for unit, amount in self.amounts.items()}, unitless)

    def resolved(self, unit: Unit) -> Duration:
        """The duration with `unit` for its number without one."""
        if self.unitless is None:
            return self
        return Duration({**self.amounts, unit: self.amounts.get(unit, 0) + self.unitless})

    @property
    def months(self) -> int:
        """Its years and months, in months."""
        return 12 * self.amounts.get(Unit.YEAR, 0) + self.amounts.get(Unit.MONTH, 0)

    @property
    def microseconds(self) -> int:
        """Its days and shorter units, in microseconds."""
        return sum(
            amount * MICROSECONDS[unit] for unit, amount in self.amounts.items() if unit <= Unit.DAY
        )

    def counts(self, unit: Unit) -> bool:
        """Whether it holds any number but 0 of `unit` or of a longer one."""
        return any(amount for held, amount in self.amounts.items() if held >= unit)

    def names(self, unit: Unit) -> bool:
        """Whether `unit` or a longer one is written in it, be its number 0."""
        return any(held >= unit for held in self.amounts)

    def replacement_problem(self) -> str | None:
        """Why a date and time cannot have these values, as `@` would give it, or None."""
        for unit, amount in self.amounts.items():
            lowest, highest = FIELD_BOUNDS[unit]
            if not lowest <= amount <= highest:
                name = unit.name.lower()
                return f"'@' sets the {name}, which is {lowest} to {highest}, not {amount}"
        return None

    def clamped_to_fields(self) -> Duration:
        """The duration with each number moved to the nearest that `@` can set."""
        return Duration(
            {
                unit: min(max(amount, FIELD_BOUNDS[unit][0]), FIELD_BOUNDS[unit][1])
                for unit, amount in self.amounts.items()
            }
        )
