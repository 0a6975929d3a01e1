"""The webhook handler against a web service that responds, hangs, resets and closes."""

from __future__ import annotations

import logging
import socket
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from voluptuous import Invalid

from support.builders.effects import effect, effect_id, queued
from support.scenes.sites import wait_until
from support.servers.certificates import make_certificates
from support.servers.web_service import Answer, Drip, http_endpoint
from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_handlers.webhook import WebhookHandler
from winchester_handlers.webhook.message import signature_headers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.web_service import Behaviour, Endpoint

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT = {"message_id": "m1", "event_type": "order.placed", "timestamp": NOON}
PAYLOAD = {"event": EVENT}
PAYLOADS = {"json": PAYLOAD, "text of a template": {"body": "{}"}}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with http_endpoint() as running:
        yield running


def make_handler(url: str, **params: Any) -> WebhookHandler:
    return WebhookHandler(**WebhookHandler.config_schema({"url": url, **params}))


def test_a_queued_message_arrives_with_its_headers(endpoint: Endpoint) -> None:
    handler = make_handler(endpoint.url + "hook?a=b", headers={"Authorization": "Bearer t0p"})

    outcomes = handler.deliver(queued(handler, [EVENT, EVENT | {"message_id": "m2"}]))

    assert outcomes == [Delivered(), Delivered()]
    first, second = endpoint.requests
    assert first.path == "/hook?a=b"
    assert first.json["message_id"] == "m1"
    assert first.headers["authorization"] == "Bearer t0p"
    assert first.headers["user-agent"] == "winchester"
    assert first.headers["idempotency-key"] == effect_id(1)
    assert second.headers["idempotency-key"] == effect_id(2)
    assert "webhook-signature" not in first.headers


def test_the_idempotency_key_is_the_same_on_a_retry(endpoint: Endpoint) -> None:
    handler = make_handler(endpoint.url, secret="correct horse")
    endpoint.answer(500, 204)

    handler.deliver([effect(PAYLOAD)])
    handler.deliver([effect(PAYLOAD, attempt=2)])

    keys = {request.headers["idempotency-key"] for request in endpoint.requests}
    bodies = {request.body for request in endpoint.requests}
    assert (len(endpoint.requests), keys, len(bodies)) == (2, {effect_id(1)}, 1)


def test_the_receiver_can_verify_the_signature(endpoint: Endpoint) -> None:
    before = int(datetime.now(UTC).timestamp())
    make_handler(endpoint.url, secret="correct horse").deliver([effect(PAYLOAD)])

    (request,) = endpoint.requests
    seconds = int(request.headers["webhook-timestamp"])
    assert before <= seconds <= datetime.now(UTC).timestamp()
    expected = signature_headers("correct horse", effect_id(1), seconds, request.body)
    assert {name.lower(): value for name, value in expected.items()}.items() <= (
        request.headers.items()
    )


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (200, Delivered()),
        (204, Delivered()),
        (409, Delivered()),
        (Answer(200, body=b"x" * 200_000), Delivered()),
        (400, Refused("the service responded with 400 Bad Request")),
        (422, Refused("the service responded with 422 Unprocessable Entity")),
        (
            Answer(308, {"Location": "http://127.0.0.1:9/"}),
            Refused(
                "the service responded with 308 Permanent Redirect: redirects are not followed"
            ),
        ),
        (401, RetryAfter(None, "the service responded with 401 Unauthorized")),
        (500, RetryAfter(None, "the service responded with 500 Internal Server Error")),
        (
            Answer(429, {"Retry-After": "7"}),
            RetryAfter(7, "the service responded with 429 Too Many Requests"),
        ),
    ],
)
def test_outcome_by_response(
    endpoint: Endpoint, behaviour: Behaviour, outcome: Delivered | Refused | RetryAfter
) -> None:
    endpoint.answer(behaviour)

    assert make_handler(endpoint.url).deliver([effect(PAYLOAD)]) == [outcome]
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("behaviour", "reason"), [("reset", "ReadError"), ("hang up", "RemoteProtocolError")]
)
def test_no_response_is_retried_and_the_rest_of_the_call_rescheduled(
    endpoint: Endpoint, behaviour: Behaviour, reason: str
) -> None:
    endpoint.answer(204, behaviour)

    outcomes = make_handler(endpoint.url).deliver([effect(PAYLOAD, n) for n in range(1, 5)])

    assert outcomes[0] == Delivered()
    assert isinstance(outcomes[1], RetryAfter)
    assert (outcomes[1].reason or "").startswith(reason)
    assert outcomes[1].seconds is None
    assert (
        outcomes[2]
        == outcomes[3]
        == RetryAfter(0, "not tried: the service did not respond to an earlier effect")
    )
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_a_response_is_waited_for_up_to_the_timeout(
    endpoint: Endpoint, payload: dict[str, Any]
) -> None:
    endpoint.answer("hang")

    first, second = make_handler(endpoint.url, timeout=0.2).deliver(
        [effect(payload, n) for n in (1, 2)]
    )

    assert isinstance(first, RetryAfter)
    assert (first.reason or "").startswith("ReadTimeout")
    assert second == RetryAfter(0, "not tried: the service did not respond to an earlier effect")
    wait_until(lambda: endpoint.requests)  # a slow machine may read it only now
    assert len(endpoint.requests) == 1


DRIPS = {
    "status": Drip(b"", b"H"),
    "interim responses": Drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "headers": Drip(b"HTTP/1.1 204 No Content\r\nX-Long: ", b"x"),
}


@pytest.mark.parametrize(
    ("scheme", "drip"),
    [*(("http", drip) for drip in DRIPS.values()), ("https", DRIPS["headers"])],
    ids=[*DRIPS, "headers over TLS"],
)
@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "reused connection"])
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_the_timeout_bounds_a_response_that_never_ends(
    tmp_path: Path, drip: Drip, reused: bool, scheme: str, payload: dict[str, Any]
) -> None:
    mine = make_certificates(tmp_path)
    tls = mine.server_context() if scheme == "https" else None
    with http_endpoint(tls) as endpoint:
        endpoint.answer(*[204] * reused, drip)
        handler = make_handler(endpoint.url, timeout=1, tls={"ca_file": str(mine.ca_file)})

        *delivered, dripped = handler.deliver([effect(payload, n) for n in range(1, 2 + reused)])

    assert delivered == [Delivered()] * reused
    assert dripped == RetryAfter(reason="ReadTimeout: no complete response within 1 s")


def test_the_status_counts_when_the_body_never_ends(endpoint: Endpoint) -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"
    endpoint.answer(Drip(start, b"x"))

    assert make_handler(endpoint.url, timeout=1).deliver([effect(PAYLOAD)]) == [Delivered()]


def test_connecting_does_not_count_towards_the_timeout_of_the_request(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, passed = socket.getaddrinfo, []

    def resolve_slowly(*args: Any, **options: Any) -> Any:
        passed.append(threading.Event().wait(1.2))
        return resolve(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_slowly)

    assert make_handler(endpoint.url, timeout=1).deliver([effect(PAYLOAD)]) == [Delivered()]
    assert passed == [False]


@pytest.mark.parametrize("location", ["mailto:x", "http:x", "//xn--a/", "http://h:abc/"])
def test_the_target_of_a_redirect_is_not_read(endpoint: Endpoint, location: str) -> None:
    endpoint.answer(Answer(302, {"Location": location}), 204)

    first, second = make_handler(endpoint.url).deliver([effect(PAYLOAD, n) for n in (1, 2)])

    assert isinstance(first, Refused)
    assert "redirects are not followed" in first.reason
    assert second == Delivered()


def test_an_effect_that_cannot_be_sent_costs_itself_alone(endpoint: Endpoint) -> None:
    effects = [effect(PAYLOAD, 1), effect({"other": 1}, 2), effect(PAYLOAD, 3)]

    first, second, third = make_handler(endpoint.url).deliver(effects)

    assert first == third == Delivered()
    assert second == RetryAfter(reason="KeyError: 'stream'")


@pytest.mark.parametrize("url", ["https://1.2.3.999/x", "https://xn--a/", "https://h/\x01"])
def test_a_url_that_the_client_cannot_use_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="expected a URL"):
        make_handler(url)


def test_an_unreachable_service_is_retried() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        (outcome,) = make_handler(url).deliver([effect(PAYLOAD)])

    assert isinstance(outcome, RetryAfter)
    assert "refused" in (outcome.reason or "")


def test_tls_is_verified_against_the_given_authority(tmp_path: Path) -> None:
    mine = make_certificates(tmp_path)
    with http_endpoint(mine.server_context()) as endpoint:
        (refused,) = make_handler(endpoint.url).deliver([effect(PAYLOAD)])
        (taken,) = make_handler(endpoint.url, tls={"ca_file": str(mine.ca_file)}).deliver(
            [effect(PAYLOAD)]
        )

    assert isinstance(refused, RetryAfter)
    assert "CERTIFICATE_VERIFY_FAILED" in (refused.reason or "")
    assert taken == Delivered()
    assert len(endpoint.requests) == 1


def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    other = make_certificates(tmp_path, "DNS:other.example.org")
    with http_endpoint(other.server_context()) as endpoint:
        handler = make_handler(endpoint.url, tls={"ca_file": str(other.ca_file)})
        (outcome,) = handler.deliver([effect(PAYLOAD)])

    assert isinstance(outcome, RetryAfter)
    assert endpoint.requests == []


def test_the_client_certificate_is_presented(tmp_path: Path) -> None:
    mine = make_certificates(tmp_path)
    tls = {
        "ca_file": str(mine.ca_file),
        "cert_file": str(mine.cert_file),
        "key_file": str(mine.key_file),
    }
    with http_endpoint(mine.server_context(asks_for_certificate=True)) as endpoint:
        without = make_handler(endpoint.url, tls={"ca_file": tls["ca_file"]}).deliver(
            [effect(PAYLOAD)]
        )
        assert make_handler(endpoint.url, tls=tls).deliver([effect(PAYLOAD)]) == [Delivered()]

    assert isinstance(without[0], RetryAfter)


@pytest.mark.parametrize("behaviour", [204, 500, 400, "reset"])
def test_no_credential_reaches_the_log_or_a_reason(
    endpoint: Endpoint, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.answer(behaviour)
    url = endpoint.url.replace("//", "//user:s3cret1@", 1) + "?token=s3cret2"
    handler = make_handler(url, headers={"Authorization": "Bearer s3cret3"}, secret="s3cret4")
    effects = queued(handler, [EVENT])

    outcomes = handler.deliver(effects)

    assert len(endpoint.requests) == 1
    assert "authorization" in endpoint.requests[0].headers
    for record in (caplog.text, repr(outcomes), repr(effects)):
        assert "s3cret" not in record


def test_a_replaced_authority_file_is_reloaded(tmp_path: Path) -> None:
    mine = make_certificates(tmp_path)
    right = mine.ca_file.read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    mine.ca_file.write_bytes(make_certificates(other).ca_file.read_bytes())
    with http_endpoint(mine.server_context()) as endpoint:
        handler = make_handler(endpoint.url, tls={"ca_file": str(mine.ca_file)})
        (before,) = handler.deliver([effect(PAYLOAD)])
        mine.ca_file.write_bytes(right)
        (after,) = handler.deliver([effect(PAYLOAD)])

    assert isinstance(before, RetryAfter)
    assert after == Delivered()
