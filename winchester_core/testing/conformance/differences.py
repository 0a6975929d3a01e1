"""Where two results differ that ought to be equal."""

from __future__ import annotations

from typing import Any

from winchester_core.testing.conformance.nonconformance import shown


def difference(first: Any, second: Any, place: str) -> str | None:
    """Say where `second` differs from `first`, in value or type; None where it does not."""
    if type(first) is not type(second):
        return f"{place} is {shown(first)} and then {shown(second)}"
    if isinstance(first, dict):
        return _of_mappings(first, second, place)
    if isinstance(first, list | tuple):
        return _of_sequences(first, second, place)
    return None if first == second else f"{place} is {shown(first)} and then {shown(second)}"


def _of_mappings(first: dict[Any, Any], second: dict[Any, Any], place: str) -> str | None:
    for key in [*first, *(key for key in second if key not in first)]:
        if key not in first or key not in second:
            return (
                f"{place} has {shown(key)} only {'the first' if key in first else 'a later'} time"
            )
        found = difference(first[key], second[key], f"{place}[{shown(key)}]")
        if found is not None:
            return found
    return None


def _of_sequences(first: Any, second: Any, place: str) -> str | None:
    if len(first) != len(second):
        return f"{place} has {len(first)} items and then {len(second)}"
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        found = difference(one, other, f"{place}[{number}]")
        if found is not None:
            return found
    return None
