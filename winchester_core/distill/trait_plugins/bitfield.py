"""The trait plugin `bitfield`: flags for what a notification holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, Coerce, Maybe, Optional, Range, Required, Schema

from winchester_core.interfaces.trait_plugin import TraitPlugin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class BitfieldTraitPlugin(TraitPlugin):
    """Sets bits of `initial_bitfield` by `flags`.

    Each flag sets a `bit` when something was found at its `path`; with `value`, when what was
    found equals that.
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
            Optional("initial_bitfield", default=0, description="where to begin"): int,
            Optional("flags", default=None, description="which bits to set"): Maybe(
                [
                    {
                        Required("path", description="as it stands in the trait's fields"): str,
                        Required("bit", description="the bit to set; 0 is the lowest"): All(
                            Coerce(int), Range(min=0)
                        ),
                        Optional(
                            "value", description="set it only when what was found equals this"
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
        """Return the bits; where a path found several values, the last counts."""
        found = dict(match_list)
        bits = self._initial_bitfield
        for flag in self._flags:
            if _is_set(flag, found):
                bits |= 1 << int(flag["bit"])
        return bits


def _is_set(flag: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    path = flag["path"]
    return path in found and ("value" not in flag or bool(found[path] == flag["value"]))
