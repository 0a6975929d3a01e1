"""The trait plugin `timedelta`: the time between two moments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Schema

from winchester_core.interfaces.trait_plugin import TraitPlugin
from winchester_core.model import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence


class TimedeltaTraitPlugin(TraitPlugin):
    """Returns the seconds between the two times that the trait's fields find, never negative.

    It is ceilometer's plugin of that name; fields that do not find exactly two: no trait.
    """

    example: ClassVar[str] = """
        seconds:
          type: float
          fields: [payload.start, payload.end]
          plugin: timedelta
    """
    config_schema: ClassVar[Schema] = Schema({})

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> float | None:
        """Return the seconds. Raises `ValueError` when what was found is no time of ISO 8601."""
        if len(match_list) != 2:
            return None
        start, end = (parse_timestamp(_text(value)) for _, value in match_list)
        return abs((end - start).total_seconds())


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"a time must be text, not {type(value).__name__}")
