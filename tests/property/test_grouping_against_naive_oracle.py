"""Cached groups agree with newly computed groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from hashlib import sha256
from typing import Any
from unittest.mock import patch

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
EVENTS = st.fixed_dictionaries({}, optional={"a": VALUES, "b": NEAR | ANYWHEN, "c": NEAR | VALUES})
EXPRESSIONS = st.sampled_from(
    [None, "hour", "day", "month", "year", "day + 1h", "$timestamp + 1d", "day($timestamp)"]
)
DISTINGUISHING = st.dictionaries(st.sampled_from("abc"), EXPRESSIONS, min_size=1)
TRAIT_MAPPINGS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("abc"), max_size=2)


@given(DISTINGUISHING, st.lists(st.tuples(EVENTS, TRAIT_MAPPINGS), max_size=8), st.integers(1, 3))
def test_a_group_equals_the_oracles(
    distinguished_by: dict[str, str | None],
    events: list[tuple[dict[str, Any], dict[str, str]]],
    most: int,
) -> None:
    traits = [DistinguishingTrait(n, text and parse(text)) for n, text in distinguished_by.items()]
    groupings = {name: Grouping(name, traits) for name in ("trigger", "other")}
    known = GroupCache()
    with (
        patch.object(grouping_module, "MAX_CACHED_PERIODS", most),
        patch.object(grouping_module, "MAX_CACHED_GROUPS", most),
    ):
        for event, stand_ins in events + events:
            wanted = naive_group(distinguished_by, event, stand_ins)
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
    distinguished_by: dict[str, str | None], event: dict[str, Any], stand_ins: dict[str, str]
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
                result = parse(text).evaluate({"timestamp": value})
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
