"""The trait plugin `lowercase`: a text in lower case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Optional, Schema

from winchester_core.interfaces import TraitPlugin

if TYPE_CHECKING:
    from collections.abc import Sequence


class LowercaseTraitPlugin(TraitPlugin):
    """Returns the first text found in lower case, so that senders who differ in case agree.

    Winchester tells "A" from "a", in conditions as in what distinguishes streams; badges, host
    names and mail addresses are written either way. With `strip` (the default), blanks around
    the text are removed, too. Nothing found, or nothing but blanks: no trait.
    """

    example: ClassVar[str] = """
        badge:
          fields: payload.badge
          plugin: lowercase
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Optional(
                "strip", default=True, description="whether blanks around the text are removed, too"
            ): bool
        }
    )

    def __init__(self, strip: bool = True) -> None:
        super().__init__(strip=strip)
        self._strip = strip

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> str | None:
        """Return the text. Raises `TypeError`, which drops the trait, for what is no text."""
        value = next((found for _path, found in match_list if found is not None), None)
        if value is None:
            return None
        if not isinstance(value, str):
            raise TypeError(f"lower case is for text, not {type(value).__name__}")
        text = value.strip() if self._strip else value
        return text.lower() or None
