"""The atompub handler against servers that respond, hang, reset and close connections."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from support.builders.effects import effect
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.web_service import Answer, Drip, http_endpoint
from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_handlers.atompub import AtomPubHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.web_service import Behaviour, Endpoint

EVENT = {"message_id": "m1", "event_type": "a.b", "timestamp": datetime(2026, 3, 1, tzinfo=UTC)}
UNTRIED = RetryAfter(0, "not tried: the service did not respond to an earlier effect")


@pytest.fixture
def feed() -> Iterator[Endpoint]:
    with http_endpoint() as running:
        running.answer(201)
        yield running


@pytest.fixture
def identity() -> Iterator[Endpoint]:
    """An identity service with a unique token, as each server of a test has its own port."""
    with http_endpoint() as running:
        running.answer(token("t1"), token("t2"), token("t3"))
        yield running


def token(text: str) -> Answer:
    return Answer(200, body=json.dumps({"access": {"token": {"id": text}}}).encode())


def make_handler(feed: Endpoint, identity: Endpoint | None = None, **params: Any) -> AtomPubHandler:
    auth = {"auth_server": identity.url, "auth_user": "me", "auth_key": "k3y"} if identity else {}
    return AtomPubHandler(**AtomPubHandler.config_schema({"url": feed.url, **auth, **params}))


def test_each_event_is_posted_as_an_entry(feed: Endpoint) -> None:
    handler = make_handler(feed)

    outcomes = handler.deliver([effect(EVENT, 1), effect(EVENT | {"message_id": "m2"}, 2)])

    assert outcomes == [Delivered(), Delivered()]
    ids = [ElementTree.fromstring(each.body)[0].text for each in feed.requests]
    assert ids == ["urn:uuid:m1", "urn:uuid:m2"]
    assert feed.requests[0].headers["content-type"] == "application/atom+xml"
    assert "x-auth-token" not in feed.requests[0].headers


OUTCOMES: dict[Behaviour, Delivered | Refused | RetryAfter] = {
    200: Delivered(),
    201: Delivered(),
    204: Delivered(),
    409: Delivered(),
    400: Refused("the server responded with 400: the entry is invalid"),
    401: RetryAfter(30, "the server responded with 401"),
    403: RetryAfter(30, "the server responded with 403"),
    404: RetryAfter(30, "the server responded with 404"),
    413: RetryAfter(30, "the server responded with 413"),
    302: RetryAfter(30, "the server responded with 302"),
    500: RetryAfter(30, "the server responded with 500"),
    503: RetryAfter(30, "the server responded with 503"),
}


@pytest.mark.parametrize(("behaviour", "outcome"), OUTCOMES.items())
def test_outcome_by_response(
    feed: Endpoint, behaviour: Behaviour, outcome: Delivered | Refused | RetryAfter
) -> None:
    feed.answer(behaviour, 201)

    assert make_handler(feed).deliver([effect(EVENT, 1), effect(EVENT, 2)]) == [
        outcome,
        Delivered(),
    ]
    assert len(feed.requests) == 2


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("hang", "ReadTimeout"), ("reset", "ReadError"), ("hang up", "RemoteProtocolError")],
)
def test_no_response_is_retried_and_the_rest_of_the_call_rescheduled(
    feed: Endpoint, behaviour: Behaviour, reason: str
) -> None:
    feed.answer(behaviour)
    params = {"http_timeout": 0.2} if behaviour == "hang" else {}

    first, second = make_handler(feed, **params).deliver([effect(EVENT, 1), effect(EVENT, 2)])

    assert isinstance(first, RetryAfter)
    assert first.seconds == 30
    assert (first.reason or "").startswith(reason)
    assert second == UNTRIED
    wait_until(lambda: feed.requests)  # a slow machine may read it only now
    assert len(feed.requests) == 1


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 30), (2, 60), (19, 570), (20, 600), (21, 600), (10**6, 600)]
)
def test_the_delay_grows_with_attempts_up_to_the_maximum(
    feed: Endpoint, attempt: int, seconds: float
) -> None:
    feed.answer(500)

    (outcome,) = make_handler(feed).deliver([effect(EVENT, attempt=attempt)])

    assert outcome == RetryAfter(seconds, "the server responded with 500")


def test_the_delays_follow_the_params(feed: Endpoint) -> None:
    feed.answer(500)
    handler = make_handler(feed, wait_interval=2.5, max_wait=6)

    waits = [handler.deliver([effect(EVENT, attempt=n)])[0] for n in (1, 2, 3)]

    assert [each.seconds for each in waits if isinstance(each, RetryAfter)] == [2.5, 5, 6]


def test_a_token_is_requested_once_and_cached(feed: Endpoint, identity: Endpoint) -> None:
    assert (
        make_handler(feed, identity).deliver([effect(EVENT, n) for n in (1, 2)])
        == [Delivered()] * 2
    )
    assert make_handler(feed, identity).deliver([effect(EVENT, 3)]) == [Delivered()]

    (asked,) = identity.requests
    assert asked.json == {
        "auth": {"RAX-KSKEY:apiKeyCredentials": {"username": "me", "apiKey": "k3y"}}
    }
    assert [each.headers["x-auth-token"] for each in feed.requests] == ["t1"] * 3


def test_each_account_has_its_own_token(feed: Endpoint, identity: Endpoint) -> None:
    make_handler(feed, identity).deliver([effect(EVENT, 1)])
    make_handler(feed, identity, auth_user="you").deliver([effect(EVENT, 2)])

    assert [each.headers["x-auth-token"] for each in feed.requests] == ["t1", "t2"]


def test_a_refused_token_is_renewed_and_the_entry_sent_at_once(
    feed: Endpoint, identity: Endpoint
) -> None:
    feed.answer(201, 401, 201)

    outcomes = make_handler(feed, identity).deliver([effect(EVENT, n) for n in (1, 2, 3)])

    assert outcomes == [Delivered()] * 3
    assert [each.headers["x-auth-token"] for each in feed.requests] == ["t1", "t1", "t2", "t2"]
    assert len(identity.requests) == 2


def test_the_timeout_bounds_a_token_that_never_ends(feed: Endpoint, identity: Endpoint) -> None:
    identity.answer(Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b"x"))

    (outcome,) = make_handler(feed, identity, http_timeout=1).deliver([effect(EVENT)])

    assert isinstance(outcome, RetryAfter)
    assert outcome.reason == "ReadTimeout: no complete response within 1 s"
    assert feed.requests == []


def test_a_slow_identity_service_does_not_delay_other_accounts(
    feed: Endpoint, identity: Endpoint
) -> None:
    with http_endpoint() as slow:
        slow.answer("hang")
        waiting = threading.Thread(
            target=lambda: make_handler(feed, slow).deliver([effect(EVENT, 1)])
        )
        waiting.start()
        wait_until(lambda: slow.requests)
        outcomes = make_handler(feed, identity).deliver([effect(EVENT, 2)])
        assert (outcomes, waiting.is_alive()) == ([Delivered()], True)
        slow.released.set()
        waiting.join(BOUND_SECONDS)


def test_a_refused_new_token_delays_the_effect(feed: Endpoint, identity: Endpoint) -> None:
    feed.answer(401)

    (outcome,) = make_handler(feed, identity).deliver([effect(EVENT)])

    assert outcome == RetryAfter(30, "the server responded with 401")
    assert len(feed.requests) == 2


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (401, "the identity service responded with 401"),
        (500, "the identity service responded with 500"),
        (Answer(200, body=b"no JSON"), "the identity service responded without a token"),
        (Answer(200, body=b"[1]"), "the identity service responded without a token"),
        (Answer(200, body=b'{"access": {"token": {}}}'), "the identity service responded without"),
        (
            Answer(200, body=b'{"access": {"token": {"id": "a\\r\\nb"}}}'),
            "the identity service responded without a token",
        ),
        (
            Answer(200, body=b'{"access": {"token": {"id": "blank "}}}'),
            "the identity service responded without a token",
        ),
        (Answer(200, body=b"[" * 100_000), "the identity service responded without a token"),
        (
            Answer(200, {"Content-Encoding": "gzip"}, b"no gzip"),
            "the identity service responded without a token",
        ),
        ("reset", "ReadError"),
        ("hang", "ReadTimeout"),
    ],
)
def test_nothing_is_sent_without_a_token(
    feed: Endpoint, identity: Endpoint, behaviour: Behaviour, reason: str
) -> None:
    identity.answer(behaviour, token("late"))
    params = {"http_timeout": 0.2} if behaviour == "hang" else {}

    first, second = make_handler(feed, identity, **params).deliver(
        [effect(EVENT, 1), effect(EVENT, 2)]
    )

    assert isinstance(first, RetryAfter)
    assert first.seconds == 30
    assert (first.reason or "").startswith(reason)
    assert second == UNTRIED
    assert feed.requests == []
    wait_until(lambda: identity.requests)  # a slow machine may read it only now
    assert make_handler(feed, identity).deliver([effect(EVENT, 1, attempt=2)]) == [Delivered()]


def test_no_credential_reaches_the_log_or_a_reason(
    feed: Endpoint, identity: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    feed.answer(401, 400, 500, "reset")
    identity.answer(token("s3cret1"))
    url = feed.url.replace("//", "//user:s3cret2@", 1)
    handler = make_handler(feed, identity, url=url, auth_key="s3cret3")

    outcomes = [handler.deliver([effect(EVENT, n)]) for n in (1, 2, 3)]

    assert len(feed.requests) == 4
    assert "s3cret" not in caplog.text + repr(outcomes)
