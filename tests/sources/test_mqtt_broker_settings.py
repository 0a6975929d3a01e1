"""The `mqtt` source on private brokers with TLS, WebSockets, passwords and limits."""

from __future__ import annotations

import gc
import hashlib
import logging
from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.servers.certificates import make_certificates
from support.servers.mosquitto import mqtt_publisher, private_mosquitto
from support.servers.private_servers import free_port
from winchester_core.errors import SourceError
from winchester_core.sources.mqtt import MqttSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.certificates import Certificates
    from support.servers.mosquitto import Mosquitto

PROTOCOLS = pytest.mark.parametrize("protocol", [5, "3.1.1"])


@contextmanager
def opened(url: str, **params: Any) -> Iterator[MqttSource]:
    defaults = {"client_id": "ingest", "subscriptions": ["a/#"], "timeout_seconds": BOUND_SECONDS}
    source = MqttSource(url=url, **{**defaults, **params})
    try:
        source.open()
        yield source
    finally:
        source.close()


def check_delivery(broker: Mosquitto, source: MqttSource) -> None:
    """Check that the source receives a message that is published on the port without TLS."""
    with mqtt_publisher("127.0.0.1", broker.port) as publisher:
        publisher.publish("a/b", b"1")
    [message] = source.receive(1, BOUND_SECONDS)
    assert message.body == b"1"
    source.ack([message])


class SecureBroker:
    """A broker with further ports for TLS and WebSockets; clients need a certificate."""

    def __init__(self, certificates: Certificates) -> None:
        self.certificates = certificates
        self.port, self.websocket_port, self.secure_websocket_port = (
            free_port(),
            free_port(),
            free_port(),
        )

    def configuration(self, broker: Mosquitto) -> str:
        for file in ("ca_file", "cert_file", "key_file"):
            copy = broker.folder / file
            copy.write_bytes(getattr(self.certificates, file).read_bytes())
            copy.chmod(0o644)
        tls = (
            f"cafile {broker.folder}/ca_file\ncertfile {broker.folder}/cert_file\n"
            f"keyfile {broker.folder}/key_file\nrequire_certificate true\n"
        )
        return (
            f"listener {self.port} 127.0.0.1\n{tls}"
            f"listener {self.websocket_port} 127.0.0.1\nprotocol websockets\n"
            f"listener {self.secure_websocket_port} 127.0.0.1\nprotocol websockets\n{tls}"
        )

    def tls(self, **more: Any) -> dict[str, Any]:
        made = self.certificates
        files = {"ca_file": made.ca_file, "cert_file": made.cert_file, "key_file": made.key_file}
        return {**{name: str(path) for name, path in files.items()}, **more}


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> SecureBroker:
    return SecureBroker(make_certificates(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(scope="module")
def broker(secure: SecureBroker) -> Iterator[Mosquitto]:
    with private_mosquitto(secure.configuration) as made:
        yield made


@PROTOCOLS
def test_both_ends_of_tls_are_verified(
    broker: Mosquitto, secure: SecureBroker, protocol: Any
) -> None:
    url = f"mqtts://127.0.0.1:{secure.port}"
    with opened(url, tls=secure.tls(), protocol=protocol) as source:
        check_delivery(broker, source)


# paho leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(
    ("host", "changed", "reason"),
    [
        ("127.0.0.1", {"ca_file": None}, "certificate verify failed"),
        ("localhost", {}, "certificate verify failed: Hostname mismatch"),
        ("127.0.0.1", {"cert_file": None, "key_file": None}, "MQTT broker at 127.0.0.1"),
        ("127.0.0.1", {"ca_file": "/absent.pem"}, "FileNotFoundError"),
    ],
)
def test_a_failed_verification_is_a_failure(
    secure: SecureBroker, host: str, changed: dict[str, Any], reason: str
) -> None:
    url = f"mqtts://{host}:{secure.port}"
    with pytest.raises(SourceError, match=reason), opened(url, tls=secure.tls(**changed)):
        pass
    gc.collect()


def test_the_certificate_of_the_broker_need_not_be_verified(
    broker: Mosquitto, secure: SecureBroker
) -> None:
    tls = secure.tls(ca_file=None, verify=False)
    with opened(f"mqtts://localhost:{secure.port}", tls=tls) as source:
        check_delivery(broker, source)


def test_websockets(broker: Mosquitto, secure: SecureBroker) -> None:
    with opened(f"ws://127.0.0.1:{secure.websocket_port}/mqtt") as source:
        check_delivery(broker, source)
    url = f"wss://127.0.0.1:{secure.secure_websocket_port}/mqtt"
    with opened(url, tls=secure.tls()) as source:
        check_delivery(broker, source)


@PROTOCOLS
def test_a_subscription_without_acknowledgements_is_refused(protocol: Any) -> None:
    with private_mosquitto(lambda _: "max_qos 0\n") as broker:
        reason = "the subscription 'a/#' was granted QoS 0, with which messages may be lost"
        with pytest.raises(SourceError, match=reason), opened(broker.url, protocol=protocol):
            pass


@PROTOCOLS
def test_a_wrong_password_is_reported_without_showing_it(protocol: Any) -> None:
    with private_mosquitto(with_users) as broker:
        url = broker.url
        allowed = {"user": "winchester", "password": "right", "protocol": protocol}
        with opened(url, **allowed):
            pass
        for user in ({"user": "winchester", "password": "sesame"}, {}):
            with (
                pytest.raises(
                    SourceError, match="the connection was refused: Not authorized"
                ) as at,
                opened(url, **{**allowed, "user": None, "password": None, **user}),
            ):
                pass
            assert "sesame" not in str(at.value)


def with_users(broker: Mosquitto) -> str:
    """Allow only the user `winchester` with the password `right`."""
    salt, iterations = b"twelve bytes", 101
    digest = hashlib.pbkdf2_hmac("sha512", b"right", salt, iterations)
    parts = (b64encode(part).decode() for part in (salt, digest))
    passwords = broker.folder / "passwords"
    passwords.write_text(f"winchester:$7${iterations}${'$'.join(parts)}\n")
    passwords.chmod(0o644)
    return f"allow_anonymous false\npassword_file {passwords}\n"


@PROTOCOLS
def test_a_restarted_broker_keeps_the_messages(protocol: Any) -> None:
    with private_mosquitto() as broker, opened(broker.url, protocol=protocol) as source:
        with mqtt_publisher("127.0.0.1", broker.port) as publisher:
            for number in range(3):
                publisher.publish("a/b", b"%d" % number)
        received: list[Any] = []
        while len(received) < 3:
            received += source.receive(3, BOUND_SECONDS)
        source.ack(received[:1])
        source.close()
        assert broker.count_unacknowledged() == 2
        source.open()
        broker.restart()
        assert len(source.receive(3, BOUND_SECONDS)) > 0
        with pytest.raises(SourceError, match="connection"):
            receive_all(source)
        source.close()
        source.open()
        again: list[Any] = []
        while len(again) < 2:
            again += source.receive(3, BOUND_SECONDS)
        assert [each.body for each in again] == [b"1", b"2"]


def receive_all(source: MqttSource) -> None:
    """Receive until the connection ends."""
    while True:
        source.receive(3, BOUND_SECONDS)


def test_a_broker_that_forgets_the_session_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    with (
        private_mosquitto(lambda _: "persistence false\n") as broker,
        opened(broker.url) as source,
        caplog.at_level(logging.WARNING),
    ):
        source.close()
        broker.restart()
        source.open()
        assert (
            "broker has no session, messages since the last connection may be lost" in caplog.text
        )
