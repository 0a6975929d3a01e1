"""The trait plugin `split`: a piece of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, Length, Maybe, Optional, Schema

from winchester_core.interfaces.trait_plugin import TraitPlugin

if TYPE_CHECKING:
    from collections.abc import Sequence


class SplitTraitPlugin(TraitPlugin):
    """Splits the first value found at `separator` and returns the piece numbered `segment`.

    No such piece: no trait.
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
            Optional("separator", default=".", description="what stands between the pieces"): All(
                str, Length(min=1)
            ),
            Optional(
                "segment", default=0, description="counts from 0, a negative one from the end"
            ): int,
            Optional(
                "max_split",
                default=None,
                description="how often it is split, at most (default: as often as possible)",
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
        """Return the piece; what is no text is split as StackDistiller would write it."""
        if not match_list:
            return None
        pieces = str(match_list[0][1]).split(self._separator, self._max_split)
        try:
            return pieces[self._segment]
        except IndexError:
            return None
