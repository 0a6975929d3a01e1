"""Conversion of a row to an event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from winchester_core.model import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.model import TraitValue

ROW_IDS = UUID("3c1c4b6e-7e0f-4b0c-8a55-5d7f0c2f6b7a")
"""UUID namespace of derived message ids."""

_BOOLEANS = {"true": True, "false": False}


def parse_boolean(text: str) -> bool:
    """Parse `true` or `false` ignoring case. Raises `ValueError`."""
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError("neither true nor false") from None


CONVERTERS: Mapping[str, Callable[[str], TraitValue]] = {
    "text": str,
    "int": int,
    "float": float,
    "bool": parse_boolean,
    "datetime": parse_timestamp,
}


class InvalidRow(ValueError):  # noqa: N818 - never leaves this package
    """A row cannot be converted to an event; the message is the reason, without cell values."""


class RowConverter:
    """Converts rows to events.

    `columns` maps a trait to its column if their names differ; a column that has the name of such a
    trait is ignored. `types` maps a trait to a key of `CONVERTERS`.
    """

    def __init__(self, columns: Mapping[str, str], types: Mapping[str, str]) -> None:
        self._columns = dict(columns)
        self._traits = {column: trait for trait, column in columns.items()}
        self._converters = {trait: CONVERTERS[kind] for trait, kind in types.items()}

    def to_event(self, cells: Mapping[str, str]) -> dict[str, Any]:
        """Return the event of a row; an empty cell gives no trait. Raises `InvalidRow`.

        A missing `message_id` is derived from the cells. So a row that is read again, even from a
        renamed or extended file, is a duplicate; an equal row is a duplicate too.
        """
        event: dict[str, Any] = {}
        for column, text in cells.items():
            trait = self._traits.get(column, column)
            if text and self._columns.get(trait, column) == column:
                event[trait] = self._convert(trait, column, text)
        event.setdefault("message_id", str(uuid5(ROW_IDS, json.dumps(cells, sort_keys=True))))
        return event

    def _convert(self, trait: str, column: str, text: str) -> TraitValue:
        convert = self._converters.get(trait)
        if convert is None:
            return text
        try:
            return convert(text)
        except ValueError:
            type_name = next(name for name, each in CONVERTERS.items() if each is convert)
            raise InvalidRow(f"column {column!r} is not of type {type_name}") from None
