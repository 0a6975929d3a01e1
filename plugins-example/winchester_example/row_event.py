"""From the cells of a row to an event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from winchester_core.model import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.model import TraitValue

ROW_IDS = UUID("3c1c4b6e-7e0f-4b0c-8a55-5d7f0c2f6b7a")
"""The name space of the ids of events that bring none."""

_BOOLEANS = {"true": True, "false": False}


def boolean(text: str) -> bool:
    """Read `true` or `false`. Raises `ValueError`."""
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError("neither true nor false") from None


CONVERTERS: Mapping[str, Callable[[str], TraitValue]] = {
    "text": str,
    "int": int,
    "float": float,
    "bool": boolean,
    "datetime": parse_timestamp,
}


class UnusableRow(ValueError):  # noqa: N818 - never leaves this package
    """A row that cannot become an event; the message says why, and shows no cell."""


class RowReader:
    """Turns rows into events.

    `columns` maps a trait to the column that holds it, where their names differ (a column of the
    trait's own name is then left out); `types` maps a trait to a key of `CONVERTERS`.
    """

    def __init__(self, columns: Mapping[str, str], types: Mapping[str, str]) -> None:
        self._columns = dict(columns)
        self._traits = {column: trait for trait, column in columns.items()}
        self._converters = {trait: CONVERTERS[kind] for trait, kind in types.items()}

    def event(self, cells: Mapping[str, str]) -> dict[str, Any]:
        """Return the event of a row; an empty cell is no trait. Raises `UnusableRow`.

        Where there is no `message_id`, it is derived from the cells: a row that is read again,
        from a file that was renamed or has grown, is known; of rows that are equal in every cell
        one counts.
        """
        event: dict[str, Any] = {}
        for column, text in cells.items():
            trait = self._traits.get(column, column)
            if text and self._columns.get(trait, column) == column:
                event[trait] = self._value(trait, column, text)
        event.setdefault("message_id", str(uuid5(ROW_IDS, json.dumps(cells, sort_keys=True))))
        return event

    def _value(self, trait: str, column: str, text: str) -> TraitValue:
        convert = self._converters.get(trait)
        if convert is None:
            return text
        try:
            return convert(text)
        except ValueError:
            kind = next(name for name, each in CONVERTERS.items() if each is convert)
            raise UnusableRow(f"column {column!r} is no {kind}") from None
