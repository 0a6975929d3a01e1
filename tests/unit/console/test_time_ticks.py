"""Ticks of time axes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.console.time_ticks import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    microseconds,
    ticks,
    time_at,
    time_text,
)

NOON = microseconds(datetime(2026, 12, 1, 12, tzinfo=UTC))


def labels(begin: int, end: int, most: int) -> list[tuple[str, str]]:
    return [(each.label, each.context) for each in ticks(begin, end, most)]


@pytest.mark.parametrize(
    ("begin", "end", "most", "expected"),
    [
        (
            NOON + 1,
            NOON + HOUR,
            5,
            [("12:15", "1 Dec 2026"), ("12:30", ""), ("12:45", ""), ("13:00", "")],
        ),
        (
            NOON,
            NOON + DAY,
            3,
            [("12:00", "1 Dec 2026"), ("00:00", "2 Dec 2026"), ("12:00", "")],
        ),
        (NOON, NOON + 3 * SECOND, 4, [(f"12:00:0{n}", "1 Dec 2026" * (n == 0)) for n in range(4)]),
        (NOON, NOON + 100, 3, [("12:00:00.00000", "1 Dec 2026"), ("12:00:00.00005", ""),
                               ("12:00:00.00010", "")]),
        (NOON, NOON + 40 * DAY, 3, [("Jan", "2027")]),
        (NOON, NOON + 800 * DAY, 4, [("2027", ""), ("2028", ""), ("2029", "")]),
    ],
)  # fmt: skip
def test_ticks_are_at_round_times(
    begin: int, end: int, most: int, expected: list[tuple[str, str]]
) -> None:
    assert labels(begin, end, most) == expected


@given(
    st.integers(microseconds(datetime(1000, 1, 1, tzinfo=UTC)), NOON + 2_000_000 * DAY),
    st.one_of(st.integers(0, 100), st.integers(0, DAY), st.integers(0, 900_000 * DAY)),
    st.integers(2, 12),
)
def test_ticks_are_few_in_order_and_inside(begin: int, length: int, most: int) -> None:
    end = begin + length
    found = [each.at for each in ticks(begin, end, most)]
    assert len(found) <= most
    assert found == sorted(set(found))
    assert all(begin <= at <= end for at in found)


@given(st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)))
def test_microseconds_are_exact(time: datetime) -> None:
    assert time_at(microseconds(time)) == time


def test_texts_have_the_precision_of_the_step() -> None:
    at = NOON + 1_234_567
    assert time_text(at, MINUTE) == "12:00"
    assert time_text(at, SECOND) == "12:00:01"
    assert time_text(at, 1000) == "12:00:01.234"
    assert time_text(at, 1) == "12:00:01.234567"
