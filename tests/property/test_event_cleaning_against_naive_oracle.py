"""Event cleaning with its fast path agrees with the slow path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.model.event import (
    REQUIRED_KEYS,
    Event,
    TraitDrop,
    clean_event,
    name_problem,
    printable,
    storable,
)
from winchester_core.model.json import dump_traits

REQUIRED = {"message_id": "m", "event_type": "t", "timestamp": datetime(2015, 1, 20, tzinfo=UTC)}


class Text(str):
    __slots__ = ()


class Number(int):
    __slots__ = ()


ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=-5))])
MOMENTS = st.datetimes(datetime(998, 1, 1), datetime(9999, 12, 31, 23, 59), timezones=ZONES)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63) - 2, -(2**63) + 2) | st.integers() | st.integers(2**63 - 2, 2**63 + 2),
    st.floats(),
    st.text() | st.sampled_from(["\0", "a\0", "\ud800", "é", "é\0"]),
    MOMENTS,
    st.text().map(Text) | st.integers().map(Number),
    st.sampled_from([[1], {"a": 1}, b"x", object(), datetime(2015, 1, 20).date()]),
)
NAMES = st.one_of(
    st.sampled_from(["x", "y", Text("x"), "timestamps", "", "a\0", "\ud800", "n" * 256]),
    st.text(max_size=3),
    st.integers(0, 2),
)


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.booleans())
def test_the_fast_path_accepts_and_drops_what_the_slow_path_does(
    traits: dict[Any, Any], is_dict: bool
) -> None:
    raw = REQUIRED | traits
    for _ in range(2):  # when a name is new, and when it is known
        clean = clean_event(raw if is_dict else MappingProxyType(raw))
        event, drops = cleaned_slowly(raw)
        assert typed(clean.event) == typed(event)
        assert clean.drops == drops
        assert all(type(name) is str for name in clean.event)


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_a_stored_datetime_is_iso_with_microseconds(moment: datetime) -> None:
    for each in (moment, moment.replace(microsecond=0)):
        text = each.isoformat(timespec="microseconds")
        assert dump_traits({"t": each}) == f'{{"t":{{"datetime":"{text}"}}}}'


def typed(event: Event) -> list[tuple[str, type, str]]:
    """Return names, types and texts in order, so that 1, 1.0 and True differ."""
    return [(name, type(value), repr(value)) for name, value in event.items()]


def cleaned_slowly(raw: dict[Any, Any]) -> tuple[Event, tuple[TraitDrop, ...]]:
    """Clean by section 1 of the behaviour, trait by trait."""
    event: Event = {name: raw[name] for name in REQUIRED_KEYS}
    drops = []
    for name, value in raw.items():
        if value is None or name in REQUIRED_KEYS:
            continue
        stored, fault = storable(value)
        fault = name_problem(name) or fault
        if fault:
            drops.append(TraitDrop(printable(name), fault))
        else:
            event[str(name)] = stored
    return event, tuple(drops)
