"""The trait plugin `plugin_name`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, Optional, Range, Schema
from winchester_core.interfaces import TraitPlugin

if TYPE_CHECKING:
    from collections.abc import Sequence


class PluginNameTraitPlugin(TraitPlugin):
    """Makes a text without blanks around it of the first value found, cut where it is long.

    Parameters:

    - `max_length`: how many characters are kept (default 255).

    Nothing found, or nothing but blanks: no trait.
    """

    example: ClassVar[str] = """
        customer:
          fields: payload.customer
          plugin: {name: plugin_name, parameters: {max_length: 40}}
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Optional("max_length", default=255, description="how many characters are kept"): All(
                int, Range(min=1)
            )
        }
    )

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length=max_length)
        self._max_length = max_length

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> str | None:
        """Return the text. Raises `TypeError`, which drops the trait, for a list or a mapping."""
        value = next((found for _path, found in match_list if found is not None), None)
        if isinstance(value, list | dict):
            raise TypeError(f"a {type(value).__name__} is no value for a trait")
        return None if value is None else str(value).strip()[: self._max_length] or None
