"""Words that no program can make of the code: they are written beside what renders them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = TypeVar("Key")


class Undescribed(LookupError):  # noqa: N818 - what it is
    """Something new, for which the reference has no words yet."""

    def __init__(self, name: object, where: str) -> None:
        self.name, self.where = name, where
        super().__init__(f"the reference has no words for {str(name)!r}: add them to {where}")


def words_for(name: Key, words: Mapping[Key, str], where: str) -> str:
    """The words for `name`; `where` says which mapping to add them to. Raises `Undescribed`."""
    try:
        return words[name]
    except KeyError:
        raise Undescribed(name, f"{where} of docs/_ext/generated_reference") from None
