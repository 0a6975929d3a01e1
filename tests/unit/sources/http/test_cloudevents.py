"""Conversion of CloudEvents to events: identity, names, and data of every kind."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.errors import InvalidEvent
from winchester_core.sources.http.cloudevents import (
    cloudevent_message_id,
    cloudevent_to_event,
    read_binary_mode,
)

MINIMAL = {
    "specversion": "1.0",
    "id": "1",
    "source": "/doors",
    "type": "door.opened",
    "time": "2026-03-14T10:00:00Z",
}
REQUIRED = {
    "message_id": "/doors 1",
    "event_type": "door.opened",
    "timestamp": "2026-03-14T10:00:00Z",
    "source": "/doors",
}


def traits_of(**members: Any) -> dict[str, Any]:
    """Return the traits of a CloudEvent besides the required ones."""
    event = cloudevent_to_event({**MINIMAL, **members})
    assert event.items() >= REQUIRED.items()
    return {name: value for name, value in event.items() if name not in REQUIRED}


@pytest.mark.parametrize(
    ("members", "traits"),
    [
        ({}, {}),
        ({"subject": "7", "sampled": True}, {"subject": "7", "sampled": True}),
        ({"data": {"room": 7, "open": None}}, {"room": 7, "open": None}),
        ({"data": "text"}, {"data": "text"}),
        ({"data": 0}, {"data": 0}),
        ({"data": None}, {}),
        ({"data": [1]}, {"data": [1]}),
        ({"data_base64": "AA=="}, {"data_base64": "AA=="}),
        ({"data": {"id": 3, "type": "x", "time": "y"}}, {"id": 3, "type": "x", "time": "y"}),
        (
            {"data": {"message_id": 1, "timestamp": 2, "source": 3}},
            {"data.message_id": 1, "data.timestamp": 2, "data.source": 3},
        ),
        (
            {"timestamp": "x", "message_id": 1},
            {"attribute.timestamp": "x", "attribute.message_id": 1},
        ),
        ({"subject": "a", "data": {"subject": "b"}}, {"subject": "a", "data.subject": "b"}),
        (
            {"subject": "a", "data": {"data.subject": "c", "subject": "b"}},
            {"subject": "a", "data.subject": "c", "data.data.subject": "b"},
        ),
    ],
)
def test_attributes_and_data_are_traits(members: dict[str, Any], traits: dict[str, Any]) -> None:
    assert traits_of(**members) == traits


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "time"])
@pytest.mark.parametrize("value", [None, "", 5])
def test_required_attributes_must_be_present(name: str, value: Any) -> None:
    with pytest.raises(InvalidEvent) as refused:
        cloudevent_to_event({**MINIMAL, name: value})
    assert refused.value.key == name


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(InvalidEvent, match=r"specversion: must be '1\.0'"):
        cloudevent_to_event({**MINIMAL, "specversion": "2.0"})


@given(
    st.lists(
        st.tuples(st.text("ab/", min_size=1), st.text("ab/ ", min_size=1)), min_size=2, max_size=2
    )
)
def test_different_identities_have_different_ids(pairs: list[tuple[str, str]]) -> None:
    one, other = (cloudevent_message_id(source, event_id) for source, event_id in pairs)
    assert (one == other) == (pairs[0] == pairs[1])


def test_a_source_with_a_space_is_not_a_uri() -> None:
    with pytest.raises(InvalidEvent, match="source: must be a URI reference"):
        cloudevent_message_id("a b", "1")


def test_a_long_identity_is_hashed() -> None:
    ids = {cloudevent_message_id("s" * 300, str(number)) for number in range(3)}
    assert len(ids) == 3
    assert {len(each) for each in ids} == {len("sha256:") + 64}
    assert len(cloudevent_message_id("s" * 253, "1")) == 255


@pytest.mark.parametrize(
    ("media_type", "body", "data"),
    [
        (
            "application/json",
            b'{"a": 1}',
            {"datacontenttype": "application/json", "data": {"a": 1}},
        ),
        ("text/json", b"1", {"datacontenttype": "text/json", "data": 1}),
        ("application/x+json", b"1", {"datacontenttype": "application/x+json", "data": 1}),
        ("", b"1", {"data": 1}),
        ("text/plain", b"1", {"datacontenttype": "text/plain", "data": "1"}),
        ("image/png", b"\0\1", {"datacontenttype": "image/png", "data_base64": "AAE="}),
        ("image/png", b"", {"datacontenttype": "image/png"}),
    ],
)
def test_binary_mode_gives_the_same_event_as_structured_mode(
    media_type: str, body: bytes, data: dict[str, Any]
) -> None:
    headers = {"ce-id": "50%25", "ce-subject": "%E2%82%AC", "host": "x"}
    if media_type:
        headers["content-type"] = media_type
    assert read_binary_mode(headers, body) == {"id": "50%", "subject": "€", **data}


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("1", "1"),
        ('"1"', "1"),
        ('"a b"', "a b"),
        (r'"say \"hi\" \\"', r'say "hi" \\'.replace("\\\\", "\\")),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ('"a%22b"', 'a"b'),
        ('"', '"'),
        ("  spaces  ", "spaces"),
        ("€".encode().decode("latin-1"), "€"),
    ],
)
def test_a_header_is_unquoted_and_percent_decoded(header: str, value: str) -> None:
    assert read_binary_mode({"ce-subject": header}, b"") == {"subject": value}


@pytest.mark.parametrize("header", ["%C3%28", "%ff", "\xff", "a%E2%82"])
def test_a_header_that_is_not_utf_8_makes_the_event_invalid(header: str) -> None:
    with pytest.raises(InvalidEvent, match="ce-subject: is not UTF-8"):
        read_binary_mode({"ce-subject": header}, b"")


@pytest.mark.parametrize("name", ["ce-", "ce-data", "ce-data_base64", "ce-datacontenttype"])
@pytest.mark.parametrize("body", [b"", b"1"])
def test_a_header_that_is_no_attribute_makes_the_event_invalid(name: str, body: bytes) -> None:
    with pytest.raises(InvalidEvent, match=f"^{name}: is not allowed as a header"):
        read_binary_mode({name: "x"}, body)


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("text/plain", "café".encode(), "café"),
        ("text/plain; charset=iso-8859-1", b"caf\xe9", "café"),
    ],
)
def test_text_is_decoded_by_its_charset(content_type: str, body: bytes, data: str) -> None:
    read = read_binary_mode({"content-type": content_type}, body)
    assert read == {"datacontenttype": content_type, "data": data}


def test_json_is_decoded_by_its_charset() -> None:
    headers = {"content-type": "application/json; charset=utf-16"}
    read = read_binary_mode(headers, '{"room": "é"}'.encode("utf-16"))
    assert read["data"] == {"room": "é"}
