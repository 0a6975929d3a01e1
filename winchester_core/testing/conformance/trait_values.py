"""Values of every type that a trait may have, the awkward ones included."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from winchester_core.model.event import MAX_INT, MIN_INT

if TYPE_CHECKING:
    from winchester_core.model.event import TraitValue

TEXTS: tuple[str, ...] = (
    "",
    " ",
    "a",
    "A",
    "a ",
    "two words",
    "a\nb\r\n\tc",
    "Größe",
    "Gro\u0308ße",
    "東京",
    "\U0001f30d",
    "\u202eright to left",
    "\ufffd\uffff",
    "0",
    "-1",
    "12",
    "1.5",
    "1e999",
    "nan",
    "inf",
    "٣",
    "²",
    "1_000",
    "1" * 5_000,
    "true",
    "null",
    "2024-02-29",
    "2024-02-29T12:00:00Z",
    "9999-12-31T23:59:59.999999-14:00",
    "10.0.0.1",
    "::1",
    "::1%eth0",
    "https://example.org/",
    "order.paid",
    "*",
    "[",
    "(a+)+$",
    "\\",
    "%s{0}${a}",
    "'\";--",
    "a" * 100_000,
)
NUMBERS: tuple[int | float, ...] = (
    0,
    1,
    -1,
    12,
    2**53 + 1,
    MAX_INT,
    MIN_INT,
    0.0,
    -0.0,
    0.1,
    1.0,
    -1.5,
    5e-324,
    2.2250738585072014e-308,
    1e16,
    1.7976931348623157e308,
    -1.7976931348623157e308,
)
TIMES: tuple[datetime, ...] = (
    datetime(1000, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 12, 31, 12, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
)
TRAIT_VALUES: tuple[TraitValue, ...] = (*TEXTS, *NUMBERS, True, False, *TIMES)
"""Each is stored by every database as it is."""
