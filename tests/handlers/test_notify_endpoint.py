"""The notify handler against mail and web services that accept, refuse, limit, drip and hang."""

from __future__ import annotations

import json
import logging
import socket
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.effects import effect
from support.scenes.sites import wait_until
from support.servers.certificates import make_certificates
from support.servers.mail_server import mail_server
from support.servers.web_service import Answer, Drip, http_endpoint
from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_core.testing import make_env, make_event
from winchester_handlers.notify import NotifyHandler, attempts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.mail_server import MailServer
    from support.servers.web_service import Behaviour, Endpoint
    from winchester_core.interfaces import DeliveryOutcome

CANARY = "c4n4ryS3cr3t"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAYLOAD = {"target": "it", "title": "Disk", "body": "full", "type": "warning", "format": "text"}
ATTEMPT_SECONDS = 60
"""Limit of an attempt that succeeds, generous for a slow machine."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with http_endpoint() as running:
        yield running


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


def make_handler(url: str, **params: Any) -> NotifyHandler:
    given = {"targets": {"it": url}, "body": "b", "timeout": ATTEMPT_SECONDS} | params
    return NotifyHandler(**NotifyHandler.config_schema(given))


def json_url(endpoint: Endpoint, path: str = "") -> str:
    """Return the URL of Apprise for a POST of JSON to the endpoint."""
    return endpoint.url.replace("http://", "json://") + path


def payloads(handler: NotifyHandler, **env: Any) -> list[Any]:
    """Return the payloads that the handler queues for a stream of two events."""
    events = [
        make_event("disk.full", message_id=f"m{n}", timestamp=NOON + n * timedelta(hours=1), n=n)
        for n in (1, 2)
    ]
    whole = make_env(stream_id=7, stream_name="disks", **env)
    assert handler.handle_events(events, whole) == events
    return whole["outbox"].payloads


def deliver(handler: NotifyHandler, *contents: Any) -> list[DeliveryOutcome]:
    return handler.deliver([effect(each, n) for n, each in enumerate(contents or (PAYLOAD,), 1)])


def test_a_message_arrives_as_rendered(endpoint: Endpoint) -> None:
    handler = make_handler(
        json_url(endpoint, "hook"),
        title="{{ stream.name }}\n{{ reason }}",
        body="{{ stream.count }} events, last {{ last.timestamp | local('Europe/Berlin') }}",
        type={"expire": "failure"},
    )

    assert deliver(handler, *payloads(handler, reason="expire")) == [Delivered()]

    (request,) = endpoint.requests
    assert request.path == "/hook"
    assert request.json["title"] == "disks expire"
    assert request.json["message"] == "2 events, last 2026-03-01 15:00 CET"
    assert request.json["type"] == "failure"
    assert request.json["attachments"] == []


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (500, "error=500"),
        (400, "error=400"),
        (Answer(429, {"Retry-After": "7"}), "error=429"),
        (Answer(302, {"Location": "http://127.0.0.1:9/"}), "error=302"),
        ("reset", "Connection error occurred"),
        ("hang up", "Connection error occurred"),
    ],
)
def test_one_attempt_is_made_and_its_reason_kept(
    endpoint: Endpoint, behaviour: Behaviour, reason: str
) -> None:
    endpoint.answer(behaviour)

    (outcome,) = deliver(make_handler(json_url(endpoint, f"{CANARY}?retry=5&redirect=yes")))

    assert isinstance(outcome, RetryAfter)
    assert outcome.seconds is None
    assert (outcome.reason or "").startswith("target 'it': ")
    assert reason in (outcome.reason or "")
    assert CANARY not in (outcome.reason or "")
    assert len(endpoint.requests) == 1


def test_a_failure_is_not_made_a_success_by_the_url(endpoint: Endpoint) -> None:
    endpoint.answer(500)

    (outcome,) = deliver(make_handler(json_url(endpoint, "?optional=yes")))

    assert isinstance(outcome, RetryAfter)


def test_after_a_failure_the_others_are_not_tried_now(endpoint: Endpoint) -> None:
    endpoint.answer(200, 503, 200)

    outcomes = deliver(make_handler(json_url(endpoint)), *[PAYLOAD] * 4)

    untried = RetryAfter(0, "not tried: an earlier message was not accepted")
    assert outcomes[0] == Delivered()
    assert isinstance(outcomes[1], RetryAfter)
    assert outcomes[2:] == [untried, untried]
    assert len(endpoint.requests) == 2


def test_an_unreachable_service_is_retried() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"json://user:{CANARY}@127.0.0.1:{taken.getsockname()[1]}/{CANARY}"
        (outcome,) = deliver(make_handler(url))

    assert isinstance(outcome, RetryAfter)
    assert "Connection error occurred" in (outcome.reason or "")
    assert CANARY not in (outcome.reason or "")


@pytest.mark.parametrize("behaviour", ["hang", Drip(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x")])
def test_a_service_that_never_responds_costs_one_thread(
    endpoint: Endpoint, behaviour: Behaviour
) -> None:
    endpoint.answer(behaviour, 200)
    url = json_url(endpoint, f"{CANARY}?rto=600")

    (first,) = deliver(make_handler(url, timeout=0.5))
    wait_until(lambda: endpoint.requests)  # a slow machine may read it only now
    (second,) = deliver(make_handler(url, timeout=0.5))

    assert first == RetryAfter(reason="target 'it': no result within 0.5 s")
    assert second == RetryAfter(reason="target 'it': an earlier attempt has not ended")
    assert len(endpoint.requests) == 1
    endpoint.released.set()
    wait_until(lambda: not any(each.is_alive() for each in attempts.running()))
    assert deliver(make_handler(url)) == [Delivered()]


def test_a_target_that_was_removed_is_refused(endpoint: Endpoint) -> None:
    outcomes = deliver(make_handler(json_url(endpoint)), PAYLOAD | {"target": "gone"}, PAYLOAD)

    assert outcomes == [Refused("no target is named 'gone'"), Delivered()]


# Slack


def test_slack_gets_the_message_of_an_incoming_webhook(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack = pytest.importorskip("apprise.plugins.slack")
    monkeypatch.setattr(slack.NotifySlack, "webhook_url", endpoint.url + "services")
    endpoint.answer(Answer(200, body=b"ok"), Answer(429, {"Retry-After": "30"}, b"limited"))
    tokens = ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ")
    handler = make_handler(f"slack://{'/'.join(tokens)}/%23operations?image=no")

    first, second = deliver(handler, PAYLOAD, PAYLOAD)

    assert first == Delivered()
    request = endpoint.requests[0]
    assert request.path == "/services/" + "/".join(tokens)
    assert request.json["channel"] == "#operations"
    (attachment,) = request.json["attachments"]
    assert (attachment["title"], attachment["text"]) == ("Disk", "full")
    assert isinstance(second, RetryAfter)
    assert "429" in (second.reason or "")
    assert not any(token in (second.reason or "") for token in tokens)


# Mail


def mail_url(mail: MailServer, more: str = "") -> str:
    return (
        f"mailto://127.0.0.1:{mail.port}?user=winchester&pass={CANARY}"
        f"&from=winchester@example.org&to=oncall@example.org{more}"
    )


def test_mail_arrives_with_subject_and_text(mail: MailServer) -> None:
    handler = make_handler(mail_url(mail), title="Größe {{ reason }}", body="naïve\n.dot")

    assert deliver(handler, *payloads(handler)) == [Delivered()]

    assert mail.recipients == ["oncall@example.org"]
    (message,) = mail.messages
    assert message["Subject"] == "Größe fire"
    assert "winchester@example.org" in message["From"]
    assert message.get_content_type() == "text/plain"
    assert message.get_content().split() == ["naïve", ".dot"]


def test_values_in_html_mail_are_escaped(mail: MailServer) -> None:
    handler = make_handler(
        mail_url(mail, "&format=html"), format="html", body="<b>{{ first.note }}</b>"
    )
    event = make_event("disk.full", timestamp=NOON, note="<script>")
    env = make_env()
    handler.handle_events([event], env)

    assert deliver(handler, *env["outbox"].payloads) == [Delivered()]
    body = mail.messages[0].get_body(("html",))
    assert body is not None
    assert "<b>&lt;script&gt;</b>" in body.get_content()


def test_a_title_cannot_add_headers(mail: MailServer) -> None:
    handler = make_handler(mail_url(mail), title="{{ first.note }}")
    env = make_env()
    note = "a\r\nBcc: other@example.org\r\n\r\nb"
    handler.handle_events([make_event("disk.full", timestamp=NOON, note=note)], env)

    assert deliver(handler, *env["outbox"].payloads) == [Delivered()]
    assert mail.recipients == ["oncall@example.org"]
    assert mail.messages[0]["Subject"] == "a Bcc: other@example.org b"


def test_certificates_of_mail_servers_are_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = make_certificates(tmp_path)
    with mail_server(mine.server_context()) as mail:
        handler = make_handler(mail_url(mail, "&mode=ssl").replace("mailto://", "mailtos://"))
        (refused,) = deliver(handler)
        monkeypatch.setenv("SSL_CERT_FILE", str(mine.ca_file))
        (accepted,) = deliver(handler)

    assert isinstance(refused, RetryAfter)
    assert "Connection error" in (refused.reason or "")
    assert accepted == Delivered()
    assert len(mail.messages) == 1


@pytest.mark.parametrize("reply", ["550 5.1.1 unknown", "451 4.7.1 greylisted"])
def test_mail_that_is_refused_is_retried(mail: MailServer, reply: str) -> None:
    mail.behaviour = reply

    (outcome,) = deliver(make_handler(mail_url(mail)))

    assert isinstance(outcome, RetryAfter)
    assert "oncall@example.org" in (outcome.reason or "")
    assert CANARY not in (outcome.reason or "")
    assert mail.messages == []


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_a_mail_server_that_never_responds_is_left(mail: MailServer, behaviour: str) -> None:
    mail.behaviour = behaviour

    (outcome,) = deliver(make_handler(mail_url(mail, "&cto=600"), timeout=0.5))

    assert outcome == RetryAfter(reason="target 'it': no result within 0.5 s")


# Secrets


def test_no_secret_is_logged(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.answer(500, 200)
    handler = make_handler(json_url(endpoint, f"{CANARY}?-token={CANARY}"))

    deliver(handler)
    deliver(handler)

    assert len(endpoint.requests) == 2
    assert CANARY not in caplog.text
    assert CANARY not in repr(handler.params)


def test_no_secret_is_queued(endpoint: Endpoint) -> None:
    handler = make_handler(json_url(endpoint, CANARY))

    assert CANARY not in json.dumps(payloads(handler))


def test_deliveries_of_several_threads_are_independent(endpoint: Endpoint) -> None:
    outcomes: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda n=n: outcomes.extend(deliver(make_handler(json_url(endpoint, str(n)))))
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == [Delivered()] * 4
    assert {request.path for request in endpoint.requests} == {"/0", "/1", "/2", "/3"}
