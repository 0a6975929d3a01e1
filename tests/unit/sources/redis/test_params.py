"""Parameters of the `redis` source."""

from __future__ import annotations

from typing import Any

import pytest
from voluptuous import Invalid

from winchester_core.sources.redis import RedisSource
from winchester_core.sources.redis.params import REDIS_SCHEMA

GIVEN = {"stream": "orders", "group": "winchester"}


def test_defaults() -> None:
    params = REDIS_SCHEMA(GIVEN)
    assert (params["url"], params["start"], params["field"]) == (
        "redis://localhost:6379/0",
        "first",
        "data",
    )


def test_each_source_has_a_consumer_of_its_own_unless_it_is_named() -> None:
    first, second = RedisSource(**GIVEN), RedisSource(**GIVEN)
    named = RedisSource(**GIVEN, consumer="one")
    assert len({first._consumer, second._consumer, named._consumer}) == 3
    assert named._consumer == "one"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"stream": []}, "length of value must be at least 1"),
        ({"stream": ["a", "a"]}, "a stream is repeated"),
        ({"group": ""}, "length of value must be at least 1"),
        ({"url": "http://localhost"}, "expected a URL that begins with redis:// or rediss://"),
        ({"url": "redis://localhost/zero"}, "expected the number of a database after the host"),
        ({"password": ""}, "length of value must be at least 1"),
        ({"user": "u"}, "user needs a password"),
        ({"claim_idle_seconds": 0}, "expected seconds: a number of at least 1"),
        ({"start": "$"}, "value must be one of"),
        ({"tls": {"key_file": __file__}}, "key_file needs a cert_file"),
    ],
)
def test_invalid_parameters(params: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        REDIS_SCHEMA({**GIVEN, **params})
    assert message in str(caught.value)
    assert list(params)[-1] in str(caught.value)
