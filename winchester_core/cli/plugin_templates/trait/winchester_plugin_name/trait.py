"""The trait plugin `plugin_name`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, Optional, Range, Schema
from winchester_core.interfaces import TraitPlugin

if TYPE_CHECKING:
    from collections.abc import Sequence


class PluginNameTraitPlugin(TraitPlugin):
    """Converts the first value found to text without surrounding spaces, truncated if long.

    Parameters:

    - `max_length`: the maximum number of characters (default 255).

    If there is no value, or it contains only spaces, there is no trait.
    """

    example: ClassVar[str] = """
        customer:
          fields: payload.customer
          plugin: {name: plugin_name, parameters: {max_length: 40}}
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Optional("max_length", default=255, description="maximum length of the text"): All(
                int, Range(min=1)
            )
        }
    )

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length=max_length)
        self._max_length = max_length

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> str | None:
        """Return the text. For a list or a mapping, raise `TypeError`, which drops the trait."""
        value = next((each for _path, each in match_list if each is not None), None)
        if isinstance(value, list | dict):
            raise TypeError(f"a {type(value).__name__} is not a trait value")
        return None if value is None else str(value).strip()[: self._max_length] or None
