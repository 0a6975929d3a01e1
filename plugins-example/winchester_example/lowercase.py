"""The trait plugin `lowercase`: a text in lower case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Optional, Schema

from winchester_core.interfaces import TraitPlugin

if TYPE_CHECKING:
    from collections.abc import Sequence


class LowercaseTraitPlugin(TraitPlugin):
    """Returns the first text found, in lower case.

    Winchester compares text case-sensitively, in conditions and in distinguishing traits, but
    senders write badges, host names and mail addresses in any case. If `strip` is true (the
    default), leading and trailing white space is removed too. If the result is empty, there is no
    trait.
    """

    example: ClassVar[str] = """
        badge:
          fields: payload.badge
          plugin: lowercase
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Optional(
                "strip", default=True, description="remove leading and trailing white space"
            ): bool
        }
    )

    def __init__(self, strip: bool = True) -> None:
        super().__init__(strip=strip)
        self._strip = strip

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> str | None:
        """Return the text. If the value is not text, raise `TypeError`, which drops the trait."""
        value = next((found for _path, found in match_list if found is not None), None)
        if value is None:
            return None
        if not isinstance(value, str):
            raise TypeError(f"expected text, not {type(value).__name__}")
        text = value.strip() if self._strip else value
        return text.lower() or None
