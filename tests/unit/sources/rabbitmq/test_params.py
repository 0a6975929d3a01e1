from __future__ import annotations

import ssl
import sys
from typing import Any

import pytest
from voluptuous import Invalid

from winchester_core.errors import PluginError
from winchester_core.plugins import EVENT_SOURCES, import_plugin
from winchester_core.sources.rabbitmq.broker import make_connections
from winchester_core.sources.rabbitmq.params import RABBITMQ_SCHEMA


def params(**given: Any) -> dict[str, Any]:
    found: dict[str, Any] = RABBITMQ_SCHEMA({"queues": ["q"], **given})
    return found


def test_a_name_alone_is_a_queue() -> None:
    assert params()["queues"] == [
        {
            "name": "q",
            "exchange": "",
            "exchange_type": "topic",
            "routing_keys": [],
            "durable": True,
            "auto_delete": False,
            "queue_type": None,
            "arguments": {},
        }
    ]


def test_validated_params_can_be_validated_again() -> None:
    once = params(tls=True, queues=[{"name": "q", "exchange": "e", "queue_type": "quorum"}])
    assert RABBITMQ_SCHEMA(once) == once


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"queues": []}, "length of value must be at least 1"),
        ({"queues": [""]}, "length of value must be at least 1"),
        ({"queues": [{"exchange": "e"}]}, "required key not provided"),
        ({"queues": [{"name": "q", "routing_keys": ["a"]}]}, "routing_keys need an exchange"),
        ({"queues": [{"name": "q", "queue_type": "quorum", "durable": False}]}, "always durable"),
        (
            {"queues": [{"name": "q", "queue_type": "quorum", "auto_delete": True}]},
            "never deleted automatically",
        ),
        ({"queues": [{"name": "q", "queue_type": "stream"}]}, "value must be one of"),
        (
            {"queues": [{"name": "q", "arguments": {"x-queue-type": "stream"}}]},
            "a queue of type stream is not supported",
        ),
        ({"url": "http://localhost"}, "begins with amqp:// or amqps://"),
        ({"port": 0}, "whole number of 1 to 65535"),
        ({"prefetch": 0}, "whole number of 1 to 65535"),
        ({"prefetch": True}, "whole number of 1 to 65535"),
        ({"batch_seconds": -1}, "a number of at least 0 and at most 3600"),
        ({"heartbeat_seconds": 0}, "whole number of 1 to 3600"),
        ({"tls": {"key_file": "k"}}, "key_file needs a cert_file"),
        ({"format": "xml"}, "value must be one of"),
    ],
)
def test_each_configuration_error_is_reported(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        params(**given)


def test_parameters_override_parts_of_the_url() -> None:
    [plain] = make_connections(params())
    assert plain.as_uri(include_password=True) == "amqp://guest:guest@localhost:5672//"
    [replaced] = make_connections(
        params(
            url="amqp://one:pw@here:1/there",
            host="broker",
            port=5673,
            user="two",
            password="p;:/w",
            virtual_host="/v",
        )
    )
    assert (replaced.hostname, replaced.port, replaced.userid) == ("broker", 5673, "two")
    assert (replaced.password, replaced.virtual_host) == ("p;:/w", "/v")


def test_each_url_is_one_address() -> None:
    urls = ["amqp://a:b@one//", "amqps://c:d@two//v"]
    first, second = make_connections(params(url=urls))
    assert (first.hostname, first.userid, first.ssl) == ("one", "a", False)
    assert (second.hostname, second.userid) == ("two", "c")
    assert second.ssl == {"server_hostname": None}


def test_tls_is_verified_by_default() -> None:
    [verified] = make_connections(params(tls={"ca_file": "ca.pem"}))
    assert verified.ssl == {
        "ca_certs": "ca.pem",
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": None,
    }
    [trusting] = make_connections(
        params(tls={"verify": False, "cert_file": "c.pem", "key_file": "k.pem"})
    )
    assert trusting.ssl == {
        "certfile": "c.pem",
        "keyfile": "k.pem",
        "cert_reqs": ssl.CERT_NONE,
    }


def test_a_missing_kombu_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("winchester_core.sources.rab")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "kombu", None)
    with pytest.raises(
        PluginError, match=r"needs kombu: pip install 'winchester-core\[rabbitmq\]'"
    ):
        import_plugin(EVENT_SOURCES, "rabbitmq")
