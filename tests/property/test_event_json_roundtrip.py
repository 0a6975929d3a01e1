"""Events round-trip through both JSON forms with types and values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import orjson
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.model.event import clean_event
from winchester_core.model.json import dump_traits, flat_event, load_traits, read_event

ZONES = st.none() | st.just(UTC) | st.integers(-14, 14).map(lambda h: timezone(timedelta(hours=h)))
MOMENTS = st.datetimes(datetime(1000, 1, 3), datetime(9999, 12, 29), timezones=ZONES).map(
    lambda moment: moment.replace(fold=0)  # fold means nothing in UTC, and repr shows it
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
VALUES = (
    TEXT
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | MOMENTS
)
RESERVED = st.sampled_from(["@datetime_traits", "@@datetime_traits", "a b", "%41", "\u2003", "@"])
NAMES = TEXT.filter(lambda name: 0 < len(name) <= 255) | RESERVED
TRAITS = st.dictionaries(NAMES, VALUES, max_size=8)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def typed(event: dict[str, object]) -> dict[str, tuple[type, str]]:
    """Return types and texts by name, so that 1, 1.0 and True, or 0.0 and -0.0, differ."""
    return {name: (type(value), repr(value)) for name, value in event.items()}


def event_of(traits: dict[str, object]) -> dict[str, object]:
    """Return a clean event with these traits."""
    required = {"message_id": "m", "event_type": "t", "timestamp": datetime(2015, 1, 20)}
    return clean_event(traits | required).event


@given(TRAITS)
def test_stored_traits_round_trip(traits: dict[str, object]) -> None:
    event = event_of(traits)
    assert typed(load_traits(dump_traits(event))) == typed(event)


@given(TRAITS)
def test_a_shown_event_round_trips(traits: dict[str, object]) -> None:
    event = event_of(traits)
    document = orjson.loads(orjson.dumps(flat_event(event)))
    assert all(isinstance(value, str | int | float) for value in document.values())
    read, drops = read_event(document)
    assert drops == []
    assert typed(clean_event(read).event) == typed(event)


@given(st.dictionaries(st.text() | RESERVED, ANYTHING, max_size=8), st.lists(st.text(), max_size=3))
def test_reading_any_object_never_raises(document: dict[str, object], names: list[str]) -> None:
    read, drops = read_event(document, names)
    assert len(read) + len(drops) <= len(document)
