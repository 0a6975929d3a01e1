from __future__ import annotations

import ssl
import sys
from typing import Any

import pytest
from voluptuous import Invalid

from winchester_core.errors import PluginError
from winchester_core.plugins import EVENT_SOURCES, import_plugin
from winchester_core.sources.mqtt.client import broker_address, make_client
from winchester_core.sources.mqtt.params import MAX_FILTER_BYTES, MQTT_SCHEMA


def params(**given: Any) -> dict[str, Any]:
    found: dict[str, Any] = MQTT_SCHEMA({"client_id": "c", "subscriptions": ["a"], **given})
    return found


def test_validated_params_can_be_validated_again() -> None:
    once = params(url="mqtts://b", tls=True, session_expiry_seconds=60, user="u", password="p")
    assert MQTT_SCHEMA(once) == once


@pytest.mark.parametrize(
    "topic_filter",
    ["a", "a/+/b", "+", "#", "a/#", "/", "$SYS/#", "$share/group/a/#", "$share/group//a", "ü"],
)
def test_valid_subscriptions(topic_filter: str) -> None:
    assert params(subscriptions=[topic_filter])["subscriptions"] == [topic_filter]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"client_id": ""}, "length of value must be at least 1"),
        ({"subscriptions": []}, "length of value must be at least 1"),
        ({"subscriptions": [1]}, "expected a topic filter"),
        ({"subscriptions": [""]}, f"has 1 to {MAX_FILTER_BYTES} bytes"),
        ({"subscriptions": ["ü" * MAX_FILTER_BYTES]}, f"has 1 to {MAX_FILTER_BYTES} bytes"),
        ({"subscriptions": ["a\0"]}, "without NUL"),
        ({"subscriptions": ["a/#/b"]}, "'#' must be the whole last level"),
        ({"subscriptions": ["a#"]}, "'#' must be the whole last level"),
        ({"subscriptions": ["a+/b"]}, "'+' must be a whole level"),
        ({"subscriptions": ["$share/group"]}, "has the form $share/GROUP/FILTER"),
        ({"subscriptions": ["$share//a"]}, "has the form $share/GROUP/FILTER"),
        ({"subscriptions": ["$share/g+/a"]}, "has the form $share/GROUP/FILTER"),
        ({"subscriptions": ["$share/g/"]}, f"has 1 to {MAX_FILTER_BYTES} bytes"),
        ({"subscriptions": ["$share/g/a"], "protocol": "3.1.1"}, "needs protocol: 5"),
        ({"unsubscribe": ["a#"]}, "'#' must be the whole last level"),
        ({"unsubscribe": ["b", "a"]}, "this is also in subscriptions"),
        ({"protocol": "3.1"}, "value must be one of"),
        ({"url": "http://localhost"}, "begins with mqtt:// or mqtts:// or ws:// or wss://"),
        ({"tls": True}, "tls needs a url that begins with mqtts:// or wss://"),
        ({"url": "mqtts://b", "tls": {"key_file": "k"}}, "key_file needs a cert_file"),
        ({"password": "sesame"}, "password needs a user"),
        ({"prefetch": 0}, "whole number of 1 to 65535"),
        ({"session_expiry_seconds": 60, "protocol": "3.1.1"}, "needs protocol: 5"),
        ({"session_expiry_seconds": 0}, "whole number of 1 to 4294967295"),
        ({"keepalive_seconds": 0}, "whole number of 1 to 3600"),
    ],
)
def test_invalid_params_are_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        params(**given)
    assert reason in str(caught.value)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker", ("broker", 1883)),
        ("mqtts://broker", ("broker", 8883)),
        ("ws://broker/mqtt", ("broker", 80)),
        ("wss://broker/mqtt", ("broker", 443)),
        ("mqtt://user:password@[::1]:77", ("::1", 77)),
    ],
)
def test_the_address_of_the_broker(url: str, address: tuple[str, int]) -> None:
    assert broker_address(params(url=url)) == address


@pytest.mark.parametrize(
    ("given", "user", "password"),
    [
        ({}, None, None),
        ({"url": "mqtt://a%40b:c%2Fd@broker"}, "a@b", "c/d"),
        ({"url": "mqtt://a:b@broker", "user": "c", "password": "d"}, "c", "d"),
        ({"url": "mqtt://a@broker", "password": "d"}, "a", "d"),
        ({"user": "c"}, "c", None),
    ],
)
def test_user_and_password(given: dict[str, Any], user: str | None, password: str | None) -> None:
    client = make_client(params(**given))
    assert (client.username, client.password) == (user, password)


@pytest.mark.parametrize("verify", [True, False])
def test_certificates_are_verified_unless_configured(
    verify: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts: list[ssl.SSLContext] = []
    create = ssl.create_default_context

    def create_context(**options: Any) -> ssl.SSLContext:
        contexts.append(create(**options))
        return contexts[-1]

    monkeypatch.setattr(ssl, "create_default_context", create_context)
    make_client(params(url="mqtts://broker", tls={"verify": verify}))
    assert [each.check_hostname for each in contexts] == [verify]
    assert [each.verify_mode is ssl.CERT_REQUIRED for each in contexts] == [verify]


def test_a_missing_paho_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("winchester_core.sources.mqtt")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(
        PluginError, match=r"needs paho.mqtt.client: pip install 'winchester-core\[mqtt\]'"
    ):
        import_plugin(EVENT_SOURCES, "mqtt")
