from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE

from winchester_core.sources.kafka.content import read_content

PARAMS = {"key_trait": None, "header_traits": {}}


class FakeMessage:
    """A message as the client returns it."""

    def __init__(self, **parts: Any) -> None:
        self._parts = parts

    def value(self) -> Any:
        return self._parts.get("value", b"{}")

    def key(self) -> Any:
        return self._parts.get("key")

    def headers(self) -> Any:
        headers = self._parts.get("headers")
        if isinstance(headers, Exception):
            raise headers
        return headers

    def timestamp(self) -> Any:
        return self._parts.get("timestamp", (TIMESTAMP_NOT_AVAILABLE, 0))


def test_a_message_without_key_headers_and_timestamp() -> None:
    content = read_content(FakeMessage(), PARAMS)
    assert content == (b"{}", {}, None, None, None)


def test_a_header_without_a_value_is_none_and_the_last_of_a_name_counts() -> None:
    headers = [("a", b"1"), ("a", b"2"), ("b", None), ("c", b"")]
    content = read_content(FakeMessage(headers=headers), PARAMS)
    assert content.headers == {"a": "2", "b": None, "c": ""}


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (1_700_000_000_123, "2023-11-14T22:13:20.123000+00:00"),
        (-1, "1969-12-31T23:59:59.999000+00:00"),
        (2**62, None),
    ],
)
def test_the_timestamp_is_in_utc(milliseconds: int, text: str | None) -> None:
    message = FakeMessage(timestamp=(TIMESTAMP_CREATE_TIME, milliseconds))
    assert read_content(message, PARAMS).timestamp == text


def test_a_message_that_cannot_be_read_keeps_its_body() -> None:
    message = FakeMessage(value=b"body", headers=SystemError("odd"))
    content = read_content(message, PARAMS)
    assert (content.body, content.fault) == (b"body", "the headers cannot be read: SystemError")


def test_traits_are_added_only_to_an_object() -> None:
    params = {"key_trait": "k", "header_traits": {"h": "x"}}
    parts = {"key": b"1", "headers": [("x", b"2")]}
    added = read_content(FakeMessage(value=b'{"h": "own"}', **parts), params)
    other = read_content(FakeMessage(value=b"[1]", **parts), params)
    assert added.body == {"k": "1", "h": "own"}
    assert other.body == b"[1]"
