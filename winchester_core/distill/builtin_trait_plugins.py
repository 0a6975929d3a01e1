"""Built-in trait plugins: split, bitfield, map, timedelta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, Coerce, Length, Maybe, Optional, Range, Required, Schema

from winchester_core.interfaces.trait_plugin import TraitPlugin
from winchester_core.model import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SplitTraitPlugin(TraitPlugin):
    """Splits the first value found at `separator`, and returns the piece with index `segment`.

    If there is no such piece, the event does not get the trait.
    """

    example: ClassVar[str] = """
        host:
          fields: publisher_id
          plugin:
            name: split
            parameters: {segment: 1, max_split: 1}
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Optional("separator", default=".", description="separator of the pieces"): All(
                str, Length(min=1)
            ),
            Optional(
                "segment",
                default=0,
                description="index of the piece, from 0; a negative index counts from the end",
            ): int,
            Optional(
                "max_split",
                default=None,
                description="maximum number of splits (default: no limit)",
            ): Maybe(int),
        }
    )

    def __init__(
        self, separator: str = ".", segment: int = 0, max_split: int | None = None
    ) -> None:
        super().__init__(separator=separator, segment=segment, max_split=max_split)
        self._separator = separator
        self._segment = segment
        self._max_split = -1 if max_split is None else max_split

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> str | None:
        """Return the piece. Values that are not text are converted as in StackDistiller."""
        if not match_list:
            return None
        pieces = str(match_list[0][1]).split(self._separator, self._max_split)
        try:
            return pieces[self._segment]
        except IndexError:
            return None


class BitfieldTraitPlugin(TraitPlugin):
    """Sets bits in `initial_bitfield` according to `flags`.

    A flag sets its `bit` if a value was found at its `path`. If the flag has a `value`, the value
    found must be equal to it.
    """

    example: ClassVar[str] = """
        flags:
          type: int
          fields: payload.deleted_at
          plugin:
            name: bitfield
            parameters: {flags: [{path: payload.deleted_at, bit: 0}]}
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Optional("initial_bitfield", default=0, description="initial value"): int,
            Optional("flags", default=None, description="bits to set"): Maybe(
                [
                    {
                        Required("path", description="a path as in the trait's `fields`"): str,
                        Required("bit", description="bit to set; 0 is the lowest"): All(
                            Coerce(int), Range(min=0)
                        ),
                        Optional(
                            "value", description="set the bit only if the value found equals this"
                        ): object,
                    }
                ]
            ),
        }
    )

    def __init__(
        self, initial_bitfield: int = 0, flags: Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        super().__init__(initial_bitfield=initial_bitfield, flags=flags or [])
        self._initial_bitfield = initial_bitfield
        self._flags = tuple(flags or ())

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> int:
        """Return the bits. If there are several values at a path, the last one is used."""
        found = dict(match_list)
        bits = self._initial_bitfield
        for flag in self._flags:
            if _is_set(flag, found):
                bits |= 1 << int(flag["bit"])
        return bits


def _is_set(flag: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    path = flag["path"]
    return path in found and ("value" not in flag or bool(found[path] == flag["value"]))


class MapTraitPlugin(TraitPlugin):
    """Maps the first value found to the trait's value.

    Compatible with ceilometer's plugin of the same name.
    """

    example: ClassVar[str] = """
        power:
          fields: payload.state
          plugin:
            name: map
            parameters: {values: {active: up, stopped: down}, default: unknown}
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Required("values", description="map of values found to values of the trait"): All(
                {object: object}, Length(min=1)
            ),
            Optional(
                "default",
                default=None,
                description="trait's value for any other value found (default: no trait)",
            ): object,
            Optional(
                "case_sensitive",
                default=True,
                description="whether keys of `values` are case-sensitive",
            ): bool,
        }
    )

    def __init__(
        self, values: Mapping[Any, Any], default: Any = None, case_sensitive: bool = True
    ) -> None:
        super().__init__(values=values, default=default, case_sensitive=case_sensitive)
        self._default = default
        self._case_sensitive = case_sensitive
        self._values = {self._key(key): value for key, value in values.items()}

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> Any:
        """Return the mapped value of the first value found, or None if no value was found."""
        if not match_list:
            return None
        found = match_list[0][1]
        if isinstance(found, list | dict):
            return self._default
        return self._values.get(self._key(found), self._default)

    def _key(self, value: Any) -> Any:
        return value.casefold() if isinstance(value, str) and not self._case_sensitive else value


class TimedeltaTraitPlugin(TraitPlugin):
    """Computes the seconds between the two times found, as an absolute value.

    Compatible with ceilometer's plugin of the same name. If there are not exactly two values, the
    event does not get the trait.
    """

    example: ClassVar[str] = """
        seconds:
          type: float
          fields: [payload.start, payload.end]
          plugin: timedelta
    """
    config_schema: ClassVar[Schema] = Schema({})

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> float | None:
        """Return the seconds. Raises `ValueError` for a value that is not an ISO 8601 time."""
        if len(match_list) != 2:
            return None
        start, end = (parse_timestamp(_text(value)) for _, value in match_list)
        return abs((end - start).total_seconds())


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"a time must be text, not {type(value).__name__}")
