"""Lookup of descriptions that are written by hand next to their renderer."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = TypeVar("Key")


class Undescribed(LookupError):  # noqa: N818 - an adjective
    """A name has no hand-written description."""

    def __init__(self, name: object, where: str) -> None:
        self.name, self.where = name, where
        super().__init__(f"no description of {str(name)!r}: add it to {where}")


def words_for(name: Key, words: Mapping[Key, str], where: str) -> str:
    """Return the description of `name` in `words`, called `where`. Raises `Undescribed`."""
    try:
        return words[name]
    except KeyError:
        raise Undescribed(name, f"{where} of docs/_ext/generated_reference") from None
