"""The stored form of a rejected message."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from winchester_core.ingest.decoding import MAX_BODY_BYTES, make_rejection
from winchester_core.model.message import Message, MessageKind


def test_a_long_body_is_truncated_with_length_and_digest_of_the_whole() -> None:
    body = b"x" * (MAX_BODY_BYTES + 7)
    kept = make_rejection("web", Message(body, MessageKind.EVENT, received_from="queue q"), "bad")
    assert (kept.source, kept.kind, kept.reason) == ("web", "event", "queue q: bad")
    assert (len(kept.body), kept.body_length) == (MAX_BODY_BYTES, len(body))
    assert kept.digest == hashlib.sha256(body).digest()


@pytest.mark.parametrize("value", [1, "é", 2**80, "\ud800", [{"deep": -(2**64)}]])
def test_a_parsed_body_is_kept_as_json(value: Any) -> None:
    body = {"a": value}
    kept = make_rejection("web", Message(body, MessageKind.EVENT), "bad")
    assert json.loads(kept.body) == body


class Unshowable:
    """A value whose `repr` raises."""

    def __repr__(self) -> str:
        raise RuntimeError("cannot be shown")


def _nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "kept_value"),
    [
        pytest.param(10**5000, hex(10**5000), id="many digits"),
        ({(1, 2): 3}, {"[1, 2]": 3}),
        (Unshowable(), "(Unshowable that cannot be shown)"),
        ([{1, 2}, b"x"], ["{1, 2}", "b'x'"]),
    ],
)
def test_a_parsed_body_of_any_values_is_kept(value: Any, kept_value: Any) -> None:
    body = {"a": value, "surrogate": "\ud800"}
    kept = make_rejection("web", Message(body, MessageKind.EVENT), "bad")
    assert json.loads(kept.body)["a"] == kept_value


def test_a_nested_or_circular_body_is_kept() -> None:
    circular: dict[str, Any] = {"id": 1}
    circular["self"] = circular
    for body in ({"a": _nested(5000)}, circular):
        kept = make_rejection("web", Message(body, MessageKind.EVENT), "bad")
        assert json.loads(kept.body)
