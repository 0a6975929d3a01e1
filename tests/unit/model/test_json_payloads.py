"""Effect payloads keep their types, and values that some database cannot store are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from typing import Any

import pytest

from winchester_core.errors import UnstorablePayload
from winchester_core.model.json import MAX_PAYLOAD_BYTES, dump_payload, load_payload


def test_times_come_back_in_utc() -> None:
    east = datetime(2024, 5, 17, 14, tzinfo=timezone(timedelta(hours=2)))
    naive = datetime(2024, 5, 17, 12)
    noon = datetime(2024, 5, 17, 12, tzinfo=UTC)
    assert load_payload(dump_payload([east, naive])) == [noon, noon]


def test_subclasses_are_stored_as_their_base_type() -> None:
    class Colour(StrEnum):
        RED = "red"

    class Number(IntEnum):
        ONE = 1

    stored = load_payload(dump_payload({Colour.RED: [Colour.RED, Number.ONE]}))
    assert stored == {"red": ["red", 1]}
    assert [type(each) for each in stored["red"]] == [str, int]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (
            {"items": [{"price": float("nan")}]},
            r"^payload\.items\[0\]\.price .*nan",
        ),
        ([1, float("inf")], r"^payload\[1\] cannot be stored: inf"),
        ({"n": 2**63}, r"^payload\.n cannot be stored: an integer beyond signed 64 bits"),
        ({"t": "a\0b"}, r"^payload\.t .*text with a NUL character"),
        ({"t": "\ud800"}, r"^payload\.t .*text with a lone surrogate"),
        ({"a": {"\ud800": 1}}, r"^payload\.a .*a key that is text with a lone surrogate"),
        ({"a": {1: 2}}, r"^payload\.a .*a key of type int, not str"),
        ({"a": b"x"}, r"^payload\.a .*a value of type bytes"),
        ({"a": (1,)}, r"^payload\.a .*a value of type tuple"),
        ({1, 2}, r"^payload .*a value of type set"),
        (datetime(999, 1, 1), r"^payload .*outside the years"),
    ],
)
def test_the_path_of_an_unstorable_value_is_reported(payload: Any, message: str) -> None:
    with pytest.raises(UnstorablePayload, match=message):
        dump_payload(payload)


def test_length_and_depth_are_bounded() -> None:
    assert dump_payload("x" * (MAX_PAYLOAD_BYTES - 2))
    with pytest.raises(UnstorablePayload, match=f"{MAX_PAYLOAD_BYTES + 1} bytes, over"):
        dump_payload("x" * (MAX_PAYLOAD_BYTES - 1))
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UnstorablePayload, match="more than 100 levels"):
        dump_payload(endless)
