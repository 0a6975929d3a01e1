"""The four types of traits in StackDistiller's definition files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.distill.timestamps import read_datetime

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_TYPE = "text"


def as_text(value: Any) -> str:
    """Return `value` as StackDistiller writes it: an object or a list as Python shows it."""
    return value if type(value) is str else str(value)


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "text": as_text,
    "int": int,
    "float": float,
    "datetime": read_datetime,
}
"""By name. Each may raise for a value that it cannot convert; `int` cuts off fractions."""

TYPE_PHRASES = {
    "text": "no text",
    "int": "no int",
    "float": "no float",
    "datetime": "no date and time of ISO 8601",
}
"""What a value is that one of them could not convert."""
