from __future__ import annotations

import json
import math
from types import MappingProxyType

import pytest

from winchester_core.distill import open_envelope
from winchester_core.errors import InvalidEvent

BARE = {"message_id": "m-1", "payload": {"größe": 1}}
SECRET = "hunter2"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(BARE).encode(),
        json.dumps(BARE, ensure_ascii=False).encode(),
        json.dumps(BARE),
        b"\xef\xbb\xbf" + json.dumps(BARE).encode(),
        BARE,
        json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(BARE)}).encode(),
        json.dumps({"oslo.version": "2.0", "oslo.message": BARE}).encode(),
        {"oslo.version": "2.0", "oslo.message": json.dumps(BARE)},
        {"oslo.version": "2.1", "oslo.message": BARE},
    ],
)
def test_a_notification_is_accepted_bare_or_in_an_envelope(body):
    assert open_envelope(body) == BARE


def test_any_mapping_is_accepted():
    assert open_envelope(MappingProxyType(BARE)) == BARE


@pytest.mark.parametrize(
    ("body", "key", "reason"),
    [
        (b"", "body", "is not JSON"),
        (b'{"password": "hunter2"', "body", "is not JSON"),
        (b'{"password": "hunter2\xff"}', "body", "is not UTF-8 at byte 22"),
        (b'["hunter2"]', "body", "must be a JSON object, not an array"),
        (b"null", "body", "must be a JSON object, not null"),
        (b"[" * 100_000, "body", "is not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "body", "must be a JSON object, not an array"),
        (b'{"oslo.message": "hunter2"}', "oslo.message", "is not JSON"),
        (b'{"oslo.message": 7}', "oslo.message", "must be a JSON object, not a number"),
        ({"oslo.version": "9.0", "oslo.message": BARE}, "oslo.version", "must be 2.x"),
        ({"oslo.version": 2.0, "oslo.message": BARE}, "oslo.version", "must be 2.x"),
        ({"oslo.message": None}, "oslo.message", "must be a JSON object, not null"),
    ],
)
def test_a_body_without_a_notification_is_refused_without_quoting_it(body, key, reason):
    with pytest.raises(InvalidEvent) as caught:
        open_envelope(body)
    assert caught.value.key == key
    assert reason in caught.value.reason
    assert SECRET not in str(caught.value)
    # the parsers' exceptions carry the body
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "number", [2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30, 1234567890123456789]
)
def test_integers_keep_every_digit(number):
    assert open_envelope(f'{{"n": {number}}}'.encode()) == {"n": number}


def test_a_lone_surrogate_drops_only_its_trait():
    assert open_envelope(b'{"name": "a\\ud800", "id": "x"}') == {"name": "a\ud800", "id": "x"}


def test_nan_and_infinity_drop_only_their_traits():
    found = open_envelope(b'{"ratio": NaN, "peak": -Infinity, "top": 1e999, "id": "x"}')
    assert math.isnan(found["ratio"])
    assert (found["peak"], found["top"], found["id"]) == (-math.inf, math.inf, "x")


def test_only_one_envelope_level_is_opened():
    inner = {"oslo.message": "text"}
    assert open_envelope({"oslo.message": inner}) == inner
