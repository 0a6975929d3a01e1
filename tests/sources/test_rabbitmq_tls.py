"""The `rabbitmq` source over TLS, on a broker that requires a client certificate."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.servers.brokers import BrokerNamespace, private_broker
from support.servers.private_servers import require_programs
from winchester_core.errors import SourceError
from winchester_core.sources.rabbitmq import RabbitmqSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.brokers import PrivateBroker

CONFIGURATION = """\
listeners.ssl.local = 127.0.0.1:{port}
ssl_options.cacertfile = {folder}/ca.pem
ssl_options.certfile = {folder}/server.pem
ssl_options.keyfile = {folder}/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[PrivateBroker]:
    require_programs(["openssl"])
    with private_broker(with_certificates) as made:
        yield made


def test_both_ends_of_tls_are_verified(broker: PrivateBroker) -> None:
    folder = broker.folder
    source = source_on(
        broker,
        ca_file=f"{folder}/ca.pem",
        cert_file=f"{folder}/client.pem",
        key_file=f"{folder}/client.key",
    )
    source.open()
    try:
        BrokerNamespace(broker.url).publish([b"1"], "", "queue")
        [message] = source.receive(1, 30.0)
        assert message.body == b"1"
        source.ack([message])
    finally:
        source.close()


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        ({}, "certificate verify failed"),
        ({"ca_file": "{folder}/ca.pem"}, "^RabbitMQ"),
        (
            {
                "ca_file": "{folder}/ca.pem",
                "cert_file": "{folder}/client.pem",
                "key_file": "{folder}/client.key",
                "server_name": "another.example.org",
            },
            "Hostname mismatch",
        ),
    ],
)
def test_a_failed_verification_is_a_failure(
    broker: PrivateBroker, tls: dict[str, str], reason: str
) -> None:
    source = source_on(
        broker, **{key: value.format(folder=broker.folder) for key, value in tls.items()}
    )
    with pytest.raises(SourceError, match=reason):
        source.open()
    source.close()


def source_on(broker: PrivateBroker, **tls: Any) -> RabbitmqSource:
    url = f"amqps://guest:guest@localhost:{broker.tls_port}//"
    return RabbitmqSource(queues=["queue"], url=url, host="127.0.0.1", tls=tls)


def with_certificates(broker: PrivateBroker) -> str:
    """Create an authority, and certificates of the broker and of a client; return their paths."""
    folder = broker.folder
    sign(folder, "ca", "/CN=authority", "-x509")
    for name in ("server", "client"):
        by = ["-x509", "-CA", "ca.pem", "-CAkey", "ca.key"]
        sign(folder, name, f"/CN={name}", *by, "-addext", "subjectAltName=IP:127.0.0.1")
    return CONFIGURATION.format(port=broker.tls_port, folder=folder)


def sign(folder: Path, name: str, subject: str, *options: str) -> None:
    command = ["openssl", "req", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", subject]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
    subprocess.run([*command, *files, *options], cwd=folder, check=True, capture_output=True)
