"""Any notification becomes an event, is dropped, or is invalid with a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stackdistiller.distiller import Datatype

from winchester_core.distill import Distiller, open_envelope
from winchester_core.distill.builtin_trait_plugins import (
    BitfieldTraitPlugin,
    MapTraitPlugin,
    SplitTraitPlugin,
    TimedeltaTraitPlugin,
)
from winchester_core.distill.notification import read_datetime
from winchester_core.errors import InvalidEvent

NAMES = ["a", "b", "payload", "timestamp", "_context_timestamp", "event_type", "message_id"]
PATHS = [
    "payload.a",
    "payload.a.b",
    "payload.a[0].b",
    "payload.*",
    "payload..a",
    "payload.a[*].b",
    "payload.a[0:2]",
    "payload.a[?b=1].a",
    "payload.a[?b>a].b",
    "payload.a[/b]",
    "payload.a.`split(a, 1, 1)`",
    "payload.a.`sub(/a/, b)`",
    "payload.a.`len`",
    "payload.a.`parent`.b",
    "payload.a + payload.b",
    "payload.(a|b)",
    "`parent`",
]


class RaisingPlugin:
    """A plugin that raises on most inputs."""

    def trait_value(self, match_list):
        return {}[match_list[0][1]]


PLUGINS = {
    "split": SplitTraitPlugin,
    "bitfield": BitfieldTraitPlugin,
    "timedelta": TimedeltaTraitPlugin,
    "map": MapTraitPlugin,
    "explosive": RaisingPlugin,
}
PLUGIN_SETTINGS = {
    "split": "split",
    "map": {"name": "map", "parameters": {"values": {"a": 1}, "case_sensitive": False}},
    "timedelta": "timedelta",
    "bitfield": {"name": "bitfield", "parameters": {"flags": [{"path": "payload.a", "bit": 1}]}},
    "explosive": "explosive",
}
TRAITS = {
    f"{type_name}{number}": {"fields": path, "type": type_name}
    for number, path in enumerate(PATHS)
    for type_name in ("text", "int", "float", "datetime")
} | {
    f"{name}{number}": {"fields": [path, "payload.b"], "plugin": setting}
    for number, path in enumerate(PATHS)
    for name, setting in PLUGIN_SETTINGS.items()
}

texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["a", "compute.x", "2015-01-22 10:00:00", "12", "nan", "1e999", "\ud800"]),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=4),
    ),
    max_leaves=15,
)
identified = st.fixed_dictionaries(
    {"message_id": st.just("m"), "event_type": st.just("compute.x"), "payload": values},
    optional={"timestamp": st.just("2015-01-22T10:00:00") | values},
)


@pytest.fixture(scope="module")
def distiller():
    return Distiller([{"event_type": "compute.*", "traits": TRAITS}], PLUGINS)


def outcome(function, body):
    """Return (result, None) or (None, the `InvalidEvent` raised)."""
    try:
        return function(body), None
    except InvalidEvent as invalid:
        return None, invalid


@given(body=st.one_of(values, identified))
def test_only_invalid_event_is_raised(distiller, body):
    result, invalid = outcome(distiller.distill, body)
    if invalid is not None:
        assert invalid.key in ("body", "message_id", "event_type", "timestamp")
    elif result.event is None:
        assert not body["event_type"].startswith("compute.")
    else:
        assert not {drop.trait for drop in result.drops} & set(result.event)
        assert all(drop.reason for drop in result.drops)


@given(body=values)
def test_json_passes_the_envelope_unchanged(body):
    text = json.dumps(body, allow_nan=True)
    envelope = json.dumps({"oslo.version": "2.0", "oslo.message": text}).encode()
    found, invalid = outcome(open_envelope, envelope)
    if invalid is None:
        assert json.dumps(found) == text
    else:
        assert not isinstance(body, dict)


@given(body=st.binary(max_size=40))
def test_arbitrary_bytes_do_not_break_the_envelope(body):
    found, invalid = outcome(open_envelope, body)
    assert isinstance(found, dict) if invalid is None else invalid.key == "body"


date_texts = st.one_of(
    st.datetimes(min_value=datetime(1000, 1, 1)).map(str),
    st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)).map(
        lambda moment: moment.isoformat()
    ),
    st.from_regex(
        r"20\d\d(-[01]\d(-[0-3]\d([ Tx][012]\d(:[0-6]\d(:[0-6]\d([.,]\d{1,9})?)?)?"
        r"(Z|[+-]\d\d(:?\d\d(:\d\d)?)?)?)?)?)?",
        fullmatch=True,
    ),
    st.from_regex(r"20\d\d-?[01]\d-?[0-3]\d[ T][012]\d:?[0-6]\d:?[0-6]\d[Z+-]?", fullmatch=True),
)


@given(text=date_texts)
def test_times_are_parsed_as_in_stackdistiller(text):
    try:
        expected = Datatype.datetime.convert(text)
    except (ValueError, OverflowError):
        with pytest.raises((ValueError, OverflowError)):
            read_datetime(text)
    else:
        assert read_datetime(text) == expected
