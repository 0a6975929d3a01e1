"""The `kafka` source and brokers that are unavailable, refuse it, or require TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import wait_until
from support.servers.certificates import make_certificates
from support.servers.kafka import MIN_SESSION, tansu_broker
from support.servers.private_servers import free_port
from support.servers.tcp_proxy import proxied
from winchester_core.errors import SourceError
from winchester_core.sources.kafka import KafkaSource

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers.kafka import TansuBroker
    from winchester_core.model import Message


def make_source(address: str, topic: str = "events", **params: Any) -> KafkaSource:
    where = {"bootstrap_servers": address, "topics": [topic], "group": "group"}
    return KafkaSource(**{**where, "timeout_seconds": 5, **params})


def test_no_broker_is_an_error_with_the_cause() -> None:
    address = f"127.0.0.1:{free_port()}"
    source = make_source(address)
    with pytest.raises(SourceError, match="Connection refused") as caught:
        source.open()
    source.close()
    assert str(caught.value).startswith(f"Kafka at {address}: ")


def test_an_outage_fails_the_source_until_the_broker_is_back() -> None:
    with tansu_broker() as broker:
        start(broker)
        source = make_source(broker.address, session_timeout_seconds=MIN_SESSION)
        source.open()
        held = receive(source)
        broker.stop()
        with pytest.raises(SourceError, match="Connection refused"):
            receive(source)
        source.ack(held)
        source.close()
        with pytest.raises(SourceError, match="Connection refused"):
            source.open()
        source.close()
        start(broker)
        source.open()
        assert [message.body for message in receive(source)] == [b"{}"]
        source.close()


def test_leaving_the_group_waits_no_longer_than_the_timeout(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with tansu_broker() as broker:
        start(broker)
        source = make_source(broker.address, session_timeout_seconds=MIN_SESSION, timeout_seconds=1)
        source.open()
        source.ack(receive(source))
        broker.stop()
        source.close()  # librdkafka would wait as long as the session timeout
    assert "consumer group not left" in caplog.text


def test_a_failed_authentication_is_an_error_without_the_password() -> None:
    with tansu_broker(options=["--authentication"]) as broker:
        sasl = {"mechanism": "SCRAM-SHA-256", "user": "winchester", "password": "correct horse"}
        source = make_source(broker.address, sasl=sasl)
        with pytest.raises(SourceError, match="SASL SCRAM authentication failed") as caught:
            source.open()
        source.close()
    assert "horse" not in str(caught.value)
    assert "horse" not in repr(source)


def test_tls_is_verified(tmp_path: Path) -> None:
    certificates, port = make_certificates(tmp_path), free_port()
    with proxied(port, tls=certificates.server_context()) as proxy, tansu_broker(port) as inner:
        inner.publish(inner.create_topic(name="events"), [b"{}"])
        address = f"127.0.0.1:{proxy.port}"
        strict = make_source(address, tls=True)
        with pytest.raises(SourceError, match="certificate verify failed"):
            strict.open()
        strict.close()


def test_messages_arrive_over_tls(tmp_path: Path) -> None:
    certificates, port = make_certificates(tmp_path), free_port()
    with (
        proxied(port, tls=certificates.server_context()) as proxy,
        tansu_broker(port, advertised_port=proxy.port) as broker,
    ):
        broker.more_settings = {
            "security.protocol": "SSL",
            "ssl.ca.location": str(certificates.ca_file),
        }
        broker.publish(broker.create_topic(name="events"), [b"{}"])
        tls = {"ca_file": str(certificates.ca_file)}
        source = make_source(broker.address, tls=tls, session_timeout_seconds=MIN_SESSION)
        source.open()
        assert [message.body for message in receive(source)] == [b"{}"]
        source.close()


def start(broker: TansuBroker) -> None:
    """Start it, or start it again without its messages, and publish one."""
    broker.stop()
    broker.start()
    broker.publish(broker.create_topic(name="events"), [b"{}"])


def receive(source: KafkaSource) -> list[Message]:
    messages: list[Message] = []
    wait_until(lambda: messages.extend(source.receive(1, 0.2)) or messages)
    return messages
