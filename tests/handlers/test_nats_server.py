"""The nats handler against NATS: its messages are read back by another client."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.effects import effect, effect_id, queued
from support.scenes.sites import Site, end, task_events, wait_until
from support.servers.certificates import make_certificates
from support.servers.nats_servers import TLS, JetStream, jetstream, private_nats
from support.servers.private_servers import free_port
from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_handlers.nats import NatsHandler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENT = {"message_id": "m1", "event_type": "a.b", "timestamp": datetime(2026, 3, 1, tzinfo=UTC)}


@pytest.fixture
def stream() -> Iterator[JetStream]:
    with jetstream() as made:
        yield made


def make_handler(stream: JetStream, **params: Any) -> NatsHandler:
    where = {"url": stream.url, "subject": stream.subject}
    return NatsHandler(**NatsHandler.config_schema({**where, **params}))


def test_a_message_is_json_with_the_effect_id(stream: JetStream) -> None:
    handler = make_handler(stream, event_types="a.*")
    other = {**EVENT, "message_id": "m2", "event_type": "b"}

    assert handler.deliver(queued(handler, [EVENT, other])) == [Delivered()]

    message = stream.message(1)
    assert message.subject == stream.subject
    assert json.loads(message.data) == {
        "message_id": "m1",
        "event_type": "a.b",
        "timestamp": "2026-03-01T00:00:00+00:00",
    }
    assert message.headers == {"Nats-Msg-Id": effect_id(1), "Content-Type": "application/json"}


def test_a_cloudevent_is_structured_or_binary(stream: JetStream) -> None:
    structured = make_handler(stream, format="cloudevent", send="stream")
    binary = make_handler(stream, format="cloudevent_binary", source="/")
    first = queued(structured, [EVENT])
    second = [effect({"event": {**EVENT, "event_type": "a b"}}, 2)]

    assert structured.deliver(first) + binary.deliver(second) == [Delivered(), Delivered()]

    message = stream.message(1)
    assert message.headers["Content-Type"] == "application/cloudevents+json"
    document = json.loads(message.data)
    assert (document["type"], document["id"]) == ("winchester.stream.fire", effect_id(1))
    assert document["data"]["events"][0]["message_id"] == "m1"
    message = stream.message(2)
    assert json.loads(message.data)["message_id"] == "m1"
    assert message.headers == {
        "Nats-Msg-Id": effect_id(2),
        "ce-specversion": "1.0",
        "ce-source": "/",
        "ce-id": "m1",
        "ce-type": "a%20b",
        "ce-time": "2026-03-01T00:00:00+00:00",
        "ce-datacontenttype": "application/json",
    }


def test_a_repeated_effect_is_stored_once(stream: JetStream) -> None:
    handler = make_handler(stream)
    effects = [effect({"event": EVENT}, number) for number in (1, 2)]

    assert handler.deliver(effects) + handler.deliver(effects) == [Delivered()] * 4

    assert stream.stored() == 2


def test_an_effect_of_another_handler_is_delayed_alone(stream: JetStream) -> None:
    effects = [effect({"body": "text"}, 1), effect({"event": EVENT}, 2)]
    first, second = make_handler(stream).deliver(effects)
    assert second == Delivered()
    assert isinstance(first, RetryAfter)
    assert first.reason is not None
    assert "no message can be made" in first.reason


def test_a_message_beyond_a_limit_is_refused_alone(stream: JetStream) -> None:
    stream.run(
        lambda js: js.update_stream(
            name=stream.stream, subjects=[f"{stream.stream}.>"], max_msg_size=1000
        )
    )
    handler = make_handler(stream)
    sizes = (10, 2000, 2 * 1024 * 1024, 10)
    effects = [effect({"event": {**EVENT, "text": "x" * n}}, k) for k, n in enumerate(sizes, 1)]

    first, of_stream, of_server, last = handler.deliver(effects)

    assert first == last == Delivered()
    assert isinstance(of_stream, Refused)
    assert "10054" in of_stream.reason
    assert isinstance(of_server, Refused)
    assert "1048576" in of_server.reason


def test_a_subject_without_a_stream_is_tried_again(stream: JetStream) -> None:
    handler = make_handler(stream, subject="winchester-test-nobody.stores")
    (outcome,) = handler.deliver([effect({"event": EVENT})])
    assert outcome == RetryAfter(
        reason="no stream stores the subject 'winchester-test-nobody.stores'"
    )


def test_an_unavailable_server_costs_one_attempt(stream: JetStream) -> None:
    handler = make_handler(
        stream, url=f"nats://127.0.0.1:{free_port()}", user="u", password="sesame"
    )
    first, second = handler.deliver([effect({"event": EVENT}, number) for number in (1, 2)])
    assert isinstance(first, RetryAfter)
    assert "ConnectionRefusedError" in (first.reason or "")
    assert "sesame" not in (first.reason or "")
    assert second == RetryAfter(0, "not tried: the server did not take an effect before it")


def test_a_denied_subject_is_reported_before_the_timeout() -> None:
    users = '{user: u, password: p, permissions: {publish: {deny: ["secret.>"]}}}'
    with private_nats(f"authorization {{ users: [{users}] }}\n") as server:
        handler = NatsHandler(
            url=server.url, user="u", password="p", subject="secret.one", timeout=3600
        )
        (outcome,) = handler.deliver([effect({"event": EVENT})])
    assert isinstance(outcome, RetryAfter)
    assert "permissions violation" in (outcome.reason or "").lower()


@pytest.mark.slow
def test_a_worker_publishes_everything_once_across_a_server_restart(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.migrate()
    site.add_settings("retry_delay: 0.2\nretry_delay_max: 1\npipeline_worker_delay: 0.2\n")
    hosts = [f"h{number:02}" for number in range(20)]
    with private_nats() as server:
        stream = JetStream(server.url)
        stream.create()
        params = f"{{url: '{server.url}', subject: {stream.subject}, timeout: 60}}"
        site.write("pipelines.yaml", f"report: [{{name: nats, params: {params}}}]\n")
        worker = site.start("winchester-worker", "-c", site.config)
        with site.store() as store:
            ingest(site, hosts[:10])
            wait_until(lambda: store.count_effects() == 0 and stream.stored() == 20)
            server.stop()
            ingest(site, hosts[10:])
            wait_until(lambda: max((e.attempts for e in store.find_effects()), default=0) >= 2)
            server.start()
            wait_until(lambda: store.count_effects() == 0)
        end(worker)
        messages = [stream.message(number) for number in range(1, stream.stored() + 1)]
    expected = {f"{host}-{what}" for host in hosts for what in ("begin", "end")}
    assert {json.loads(each.data)["message_id"] for each in messages} == expected
    assert len({each.headers["Nats-Msg-Id"] for each in messages}) == len(messages) == 40


def test_tls_with_a_client_certificate(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    with private_nats(TLS, [files.ca_file, files.cert_file, files.key_file]) as server:
        params = {"url": server.url, "subject": "orders.one", "timeout": 60}
        whole = {"ca_file": str(files.ca_file), "cert_file": str(files.cert_file)}
        whole["key_file"] = str(files.key_file)
        trusted = NatsHandler(**params, tls=whole)
        (outcome,) = trusted.deliver([effect({"event": EVENT})])
        assert outcome == RetryAfter(reason="no stream stores the subject 'orders.one'")
        (outcome,) = NatsHandler(**params, tls=True).deliver([effect({"event": EVENT})])
        assert isinstance(outcome, RetryAfter)
        assert "certificate verify failed" in (outcome.reason or "").lower()


def test_no_password_is_sent_to_a_server_without_tls(stream: JetStream) -> None:
    handler = make_handler(stream, user="u", password="sesame", tls=True)
    (outcome,) = handler.deliver([effect({"event": EVENT})])
    assert isinstance(outcome, RetryAfter)
    assert "SecureConnRequiredError" in (outcome.reason or "")


def ingest(site: Site, hosts: list[str]) -> None:
    events = [event for host in hosts for event in task_events(host)]
    path = site.write_events("events.jsonl", events)
    done = site.run("winchester", "ingest", "-c", site.config, "--file", path)
    assert done.returncode == 0, done.stderr
