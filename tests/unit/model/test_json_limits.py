"""A limit of the JSON parsers costs the trait that exceeds it, never its event."""

from __future__ import annotations

import pytest

from winchester_core.errors import InvalidEvent
from winchester_core.model.event import clean_event
from winchester_core.model.json import _STRING_OR_BRACKET, MAX_DEPTH, read_event, read_object

EVENT = '{"message_id": "m", "event_type": "x", "timestamp": "2026-01-01T00:00:00Z", "a": %s}'


def reasons(value: str) -> list[str]:
    """Return the reasons for which traits of an event with this value are dropped."""
    event, drops = read_event(read_object(EVENT % value))
    clean = clean_event(event)
    assert clean.event["message_id"] == "m"
    return [drop.reason for drop in (*drops, *clean.drops)]


@pytest.mark.parametrize("value", ["9" * 20, "9" * 4_301, "-" + "9" * 50_000, str(2**63)])
def test_an_integer_beyond_64_bits_is_dropped_whatever_its_length(value: str) -> None:
    assert reasons(value) == ["an integer beyond signed 64 bits"]


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1, 2_000, 200_000])
def test_a_nested_value_is_dropped_whatever_its_depth(depth: int) -> None:
    assert reasons("[" * depth + "]" * depth) == ["a trait cannot be of type list"]
    assert reasons('{"a":' * depth + "1" + "}" * depth) == ["a trait cannot be of type dict"]


def test_brackets_within_strings_do_not_nest() -> None:
    assert reasons('"' + "[" * 5_000 + '\\" ]"') == []


def test_a_key_with_a_long_integer_makes_the_event_invalid() -> None:
    document = read_object('{"message_id": %s}' % ("9" * 5_000))
    with pytest.raises(InvalidEvent, match="message_id: must be text, not LongInteger"):
        clean_event(document)


@pytest.mark.parametrize("body", ["[" * 5_000, '{"a":' * 5_000, "[" * 300 + "]" * 299])
def test_a_body_that_ends_too_early_is_not_json(body: str) -> None:
    with pytest.raises(InvalidEvent, match="is not JSON"):
        read_object(body)


@pytest.mark.parametrize("end", [b"", b"\\"])
def test_an_unclosed_string_is_read_once(end: bytes) -> None:
    body = b"[" * (MAX_DEPTH + 1) + b'"' + b'\\"' * 200_000 + end

    with pytest.raises(InvalidEvent, match="is not JSON"):
        read_object(body)
    assert len(_STRING_OR_BRACKET.findall(body.decode())) <= MAX_DEPTH + 3


@pytest.mark.parametrize("inner", [b"[}", b"{", b'["]"'])
def test_brackets_that_do_not_match_stay_invalid(inner: bytes) -> None:
    with pytest.raises(InvalidEvent, match="is not JSON"):
        read_object(b"[" * (MAX_DEPTH + 1) + inner + b"]" * MAX_DEPTH)
