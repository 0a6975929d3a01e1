"""Cached groups agree with newly computed groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import partial
from hashlib import sha256
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.time_range import TimeRange
from winchester_core.timex import parse
from winchester_core.triggers import grouping as grouping_module
from winchester_core.triggers.grouping import (
    DistinguishingTrait,
    GroupCache,
    Grouping,
    GroupingError,
)

ZONES = st.sampled_from([UTC, UTC, timezone(timedelta(hours=5, minutes=30))])
NEAR = st.datetimes(datetime(2024, 2, 27), datetime(2024, 3, 2), timezones=ZONES)
BERLIN, LORD_HOWE, ST_JOHNS, APIA = map(
    ZoneInfo, ("Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia")
)
EXPRESSION_ZONES = (UTC, BERLIN, LORD_HOWE, ST_JOHNS, APIA)
CHANGES = [  # of the clocks of these zones
    datetime(2024, 10, 27, 1),
    datetime(2024, 3, 31, 1),
    datetime(2024, 4, 6, 15),
    datetime(2024, 10, 5, 15, 30),
    datetime(2009, 11, 1, 2, 31),
    datetime(2011, 12, 30, 10),
]
AT_CHANGES = st.builds(
    lambda change, minutes, seconds: (change + timedelta(minutes=minutes, seconds=seconds)).replace(
        tzinfo=UTC
    ),
    st.sampled_from(CHANGES),
    st.integers(-130, 130),
    st.integers(0, 59),
)
ANYWHEN = st.datetimes(datetime(1000, 1, 3), datetime(9999, 12, 31, 23, 59), timezones=ZONES)
VALUES = st.one_of(
    NEAR,
    ANYWHEN,
    st.text(st.characters(codec="utf-8")),
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.none(),
)
EVENTS = st.fixed_dictionaries(
    {}, optional={"a": VALUES, "b": NEAR | ANYWHEN | AT_CHANGES, "c": NEAR | VALUES | AT_CHANGES}
)
EXPRESSIONS = st.sampled_from(
    [None, "hour", "day", "month", "year", "day + 1h", "$timestamp + 1d", "day($timestamp)"]
)
DISTINGUISHING = st.dictionaries(st.sampled_from("abc"), EXPRESSIONS, min_size=1)
TRAIT_MAPPINGS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("abc"), max_size=2)


@given(
    DISTINGUISHING,
    st.sampled_from(EXPRESSION_ZONES),
    st.lists(st.tuples(EVENTS, TRAIT_MAPPINGS), max_size=8),
    st.integers(1, 3),
)
def test_a_group_equals_the_oracles(
    distinguished_by: dict[str, str | None],
    zone: tzinfo,
    events: list[tuple[dict[str, Any], dict[str, str]]],
    most: int,
) -> None:
    expressions = {name: text and parse(text, zone) for name, text in distinguished_by.items()}
    traits = [DistinguishingTrait(*each) for each in expressions.items()]
    groupings = {name: Grouping(name, traits) for name in ("trigger", "other")}
    known = GroupCache()
    with (
        patch.object(grouping_module, "MAX_CACHED_PERIODS", most),
        patch.object(grouping_module, "MAX_CACHED_GROUPS", most),
    ):
        for event, stand_ins in events + events:
            wanted = naive_group(distinguished_by, zone, event, stand_ins)
            for name, grouping in groupings.items():
                for group_of in (grouping.group_of, partial(known.group_of, grouping)):
                    if wanted is None:
                        with pytest.raises(GroupingError):
                            group_of(event, stand_ins)
                        continue
                    group = group_of(event, stand_ins)
                    assert typed(group.values) == typed(wanted)
                    assert group.key == sha256(naive_bytes(name, wanted)).digest()


def typed(values: Any) -> dict[str, tuple[type, Any]]:
    return {name: (type(value), value) for name, value in values.items()}


def naive_group(
    distinguished_by: dict[str, str | None],
    zone: tzinfo,
    event: dict[str, Any],
    stand_ins: dict[str, str],
) -> dict[str, Any] | None:
    values = {}
    for name, text in distinguished_by.items():
        value = event.get(stand_ins.get(name, name))
        if value is None:
            return None
        if text is not None:
            if not isinstance(value, datetime):
                return None
            try:
                result = parse(text, zone).evaluate({"timestamp": value})
            except TimeEvaluationError:
                return None
            value = result if isinstance(result, TimeRange) else result.timestamp
        values[name] = value
    return values


def naive_bytes(trigger: str, values: dict[str, Any]) -> bytes:
    """Encode as documented: type, length, text."""
    pieces = [("n", trigger)]
    for name in sorted(values):
        pieces.append(("k", name))
        pieces += naive_pieces(values[name])
    return b"".join(f"{tag}{len(text.encode())}:{text}".encode() for tag, text in pieces)


def naive_pieces(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, TimeRange):
        (begin,), (end,) = naive_pieces(value.begin), naive_pieces(value.end)
        return [("r" + begin[0], begin[1]), end]
    match value:
        case bool():
            return [("b", str(int(value)))]
        case int():
            return [("i", str(value))]
        case float():
            return [("f", repr(0.0 if value == 0 else value))]
        case datetime():
            return [("t", value.isoformat(timespec="microseconds"))]
    return [("s", value)]


@given(
    st.sampled_from(["hour", "day", "month", "year"]),
    st.sampled_from(EXPRESSION_ZONES),
    st.lists(AT_CHANGES, min_size=2, max_size=30),
    st.integers(1, 3),
)
def test_two_events_have_equal_identities_if_and_only_if_their_groups_are_equal(
    text: str, zone: tzinfo, moments: list[datetime], most: int
) -> None:
    grouping = Grouping("trigger", [DistinguishingTrait("a", parse(text, zone))])
    with patch.object(grouping_module, "MAX_CACHED_PERIODS", most):
        found = [
            (grouping.identity({"a": moment}), parse(text, zone)(timestamp=moment))
            for moment in moments
        ]
    for identity, value in found:
        assert identity is not None
        assert [each == identity for each, _ in found] == [each == value for _, each in found]
