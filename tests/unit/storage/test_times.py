"""The text form of times on SQLite and MariaDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from winchester_core.storage.sql.types import format_naive_utc, format_naive_utc_times


@pytest.mark.parametrize(
    "zone", [UTC, timezone(timedelta(hours=-5)), timezone(timedelta(seconds=30))]
)
def test_times_are_formatted_in_utc_with_microseconds(zone: timezone) -> None:
    times = [datetime(2015, 1, 20, 7, 0, 0, each, tzinfo=zone) for each in (0, 7, 500_000)]
    expected = [
        each.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds") for each in times
    ]
    assert format_naive_utc_times(times) == expected
    assert [format_naive_utc(each) for each in times] == expected
    assert format_naive_utc_times([]) == []
