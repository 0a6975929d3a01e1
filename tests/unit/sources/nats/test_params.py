"""Parameters of the `nats` source."""

from __future__ import annotations

from typing import Any

import pytest
from voluptuous import Invalid

from winchester_core.sources.nats.params import NATS_SCHEMA

GIVEN = {"stream": "ORDERS", "consumer": "winchester"}


def test_defaults() -> None:
    params = NATS_SCHEMA(GIVEN)
    assert (params["url"], params["start"], params["subject"]) == (
        "nats://localhost:4222",
        "first",
        None,
    )


@pytest.mark.parametrize("subject", ["a", "a.b", "*", "a.*.c", "a.>", ">", "é.$x"])
def test_subjects_may_have_wildcards(subject: str) -> None:
    assert NATS_SCHEMA({**GIVEN, "subject": subject})["subject"] == subject


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"stream": "a.b"}, "expected a name without spaces"),
        ({"consumer": "a b"}, "expected a name without spaces"),
        ({"consumer": ""}, "expected a name without spaces"),
        ({"subject": "a..b"}, "expected a subject"),
        ({"subject": ">.a"}, "expected a subject"),
        ({"subject": "a b"}, "expected a subject"),
        ({"subject": "a*"}, "expected a subject"),
        ({"subject": "a\r\nPUB b 0"}, "expected a subject"),
        ({"url": "http://localhost"}, "expected a URL that begins with nats:// or tls://"),
        ({"user": "u", "token": "t"}, "token and user exclude each other"),
        ({"password": "p"}, "password needs a user"),
        ({"nkey_file": "/nonexistent"}, "expected the path of a file that exists"),
        ({"prefetch": 0}, "expected a whole number of 1 to 100000"),
        ({"ack_wait_seconds": 0.5}, "expected seconds: a number of at least 1"),
        ({"start": "0"}, "value must be one of"),
        ({"domain": "a.b"}, "expected a name without spaces"),
    ],
)
def test_invalid_parameters(params: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        NATS_SCHEMA({**GIVEN, **params})
    assert message in str(caught.value)
    assert list(params)[-1] in str(caught.value)
