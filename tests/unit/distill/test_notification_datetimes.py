from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from stackdistiller.distiller import Datatype

from winchester_core.distill.notification import notification_time, read_datetime
from winchester_core.errors import InvalidEvent

ACCEPTED = [
    "2015-01-22 10:00:00",
    "2015-01-22T10:00:00",
    "2015-01-22T10:00:00Z",
    "2015-01-22 10:00:00Z",
    "2015-01-22T10:00:00.123456Z",
    "2015-01-22T10:00:00.5+0000",
    "2015-01-22 10:00:00+00:00",
    "2015-01-22 10:00:00-00:00",
    "2015-01-22T10:00:00+05:30",
    "2015-01-22T10:00:00-0530",
    "2015-01-22T10:00:00-03",
    "2015-01-22 10:00",
    "2015-01-22 10",
    "2015-01-22",
    "2015-01",
    "2015",
    "2015-1-2",
    "20150122",
    "20150122T100000",
    "20150122T100000Z",
    "2015-01-22 10:00:00,250",
    "2015-01-22T10:00:00.123456789",
    "2015-01-22T10:00:00.1",
    "2015-01-22T10:00:00\n",
    "2016-02-29T23:59:59.999999",
]
REFUSED = [
    " ",
    "2015-01-22 10:00:00 UTC",
    "2015-01-22 10:00:00.123456   ",
    "2015-01-22x10:00:00",
    "2015-01-22T24:00:00",
    "2016-12-31T23:59:60Z",
    "2015-W04-4T10:00:00",
    "2015-01-22T10:00:00+05:30:15",
    "2015-01-22T10:00:00+00:00:00",
    "2015-01-22t10:00:00",
    "2015-02-29 10:00:00",
    "2015-01-22T10:00:00z",
    "201501",
    "now",
    "2015-01-22T10:00:00+99:00",
    1421920800,
    1.5,
    True,
    ["2015-01-22"],
    {},
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_datetime_forms_parse_to_the_same_time_as_in_stackdistiller(text):
    ours = read_datetime(text)
    assert ours == Datatype.datetime.convert(text)
    assert ours.utcoffset() == timedelta(0)


@pytest.mark.parametrize("value", REFUSED)
def test_forms_stackdistiller_refuses_are_refused(value):
    with pytest.raises(ValueError):
        Datatype.datetime.convert(value)
    with pytest.raises(ValueError):
        read_datetime(value)


def test_a_datetime_is_accepted_unchanged():
    moment = datetime(2015, 1, 22, 12, tzinfo=timezone(timedelta(hours=2)))
    assert read_datetime(moment) == datetime(2015, 1, 22, 10, tzinfo=UTC)
    assert read_datetime(datetime(2015, 1, 22, 10)) == datetime(2015, 1, 22, 10, tzinfo=UTC)


T1, T2 = "2015-01-22 10:00:00", "2015-01-22 09:00:00"


@pytest.mark.parametrize(
    ("notification", "hour"),
    [
        ({"timestamp": T1, "_context_timestamp": T2}, 10),
        ({"_context_timestamp": T2}, 9),
        ({"timestamp": None, "_context_timestamp": T2}, None),
        ({"timestamp": "", "_context_timestamp": T2}, None),
        ({}, None),
    ],
)
def test_the_context_timestamp_is_used_only_when_the_key_is_missing(notification, hour):
    expected = None if hour is None else datetime(2015, 1, 22, hour, tzinfo=UTC)
    assert notification_time(notification) == expected


@pytest.mark.parametrize(
    "value", ["yesterday", 1421920800, ["x"], "0999-12-31 10:00:00", "0001-01-01T00:00:00+05:00"]
)
def test_an_unusable_time_makes_the_notification_invalid(value):
    with pytest.raises(InvalidEvent) as caught:
        notification_time({"timestamp": value})
    assert caught.value.key == "timestamp"
