"""Pages of lists that are read with a bounded effort: plain values, no SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

Item = TypeVar("Item")

Key: TypeAlias = tuple[Any, ...]
"""Values by which a list is ordered: integers and aware datetimes. The last one is unique."""

MAX_SEARCHED_ROWS: Final = 10_000
"""Default number of rows that a page searches, and up to which it counts matches."""

ROWS_PER_CANDIDATE: Final = 3
"""Rows that are read for each row that is found through others, or weighed before it is compared.

It is found, weighed and compared, or counted, found and compared.
"""

ROWS_PER_MEMBER: Final = 2
"""Rows that are read for each member of a row that is compared: a link and an event."""

MAX_LISTED_CHARACTERS: Final = 2_048
"""Length to which a page cuts bodies, payloads, reasons and errors."""


@dataclass(frozen=True, slots=True)
class ListPage(Generic[Item]):
    """A page of a list.

    `keys` are those of `items`, for pages after or, in the other order, before each of them. If the
    search ended at its bound before the page was full, `searched_to` is the key of the last
    searched row, after which the next page begins. `total` is the number of all matches, if it is
    known; of an empty page after a key, it is not.
    """

    items: list[Item]
    keys: list[Key]
    searched_to: Key | None = None
    total: int | None = None
