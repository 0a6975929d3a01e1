from __future__ import annotations

from typing import Any

import pytest
from voluptuous import Invalid

from winchester_core.sources.kafka import KafkaSource
from winchester_core.sources.kafka.params import KAFKA_SCHEMA, consumer_settings

REQUIRED = {"bootstrap_servers": ["kafka:9092"], "topics": ["orders"], "group": "winchester"}


def params(**given: Any) -> dict[str, Any]:
    found: dict[str, Any] = KAFKA_SCHEMA({**REQUIRED, **given})
    return found


def test_validated_params_can_be_validated_again() -> None:
    sasl = {"mechanism": "PLAIN", "user": "u", "password": "p"}
    once = params(bootstrap_servers="a", tls=True, sasl=sasl, options={"fetch.min.bytes": 2})
    assert once["bootstrap_servers"] == ["a"]
    assert KAFKA_SCHEMA(once) == once


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"bootstrap_servers": []}, "length of value must be at least 1"),
        ({"bootstrap_servers": "kafka://u:hidden@host"}, "expected a broker as host:port"),
        ({"bootstrap_servers": "a:1,b:2"}, "expected a broker as host:port"),
        ({"topics": []}, "length of value must be at least 1"),
        ({"topics": ["a b"]}, "expected the name of a topic"),
        ({"topics": [".."]}, "expected the name of a topic"),
        ({"topics": ["^(orders"]}, "expected a regular expression"),
        ({"group": ""}, "length of value must be at least 1"),
        ({"start": "now"}, "value must be one of"),
        ({"tombstones": "keep"}, "value must be one of"),
        ({"sasl": {"mechanism": "OAUTHBEARER", "user": "u"}}, "value must be one of"),
        ({"sasl": {"mechanism": "PLAIN", "user": "u"}}, "required key not provided"),
        ({"tls": {"ca_file": "/no/such/file"}}, "path of a file that exists"),
        ({"session_timeout_seconds": 60, "max_poll_interval_seconds": 30}, "expected at least"),
        ({"prefetch": 0}, "whole number of 1 to 1000000"),
        ({"key_trait": "k"}, "requires format: event"),
        ({"key_trait": "timestamp", "format": "event"}, "expected a trait other than message_id"),
        ({"key_trait": "k", "format": "event", "mapping": "m"}, "expected no mapping"),
        ({"header_traits": {"k": "x"}, "key_trait": "k", "format": "event"}, "header_traits does"),
        ({"options": {"group.id": "g"}}, "the plugin itself determines"),
        ({"options": {"sasl.password": "p"}}, "the plugin itself determines"),
        ({"options": {"fetch.min.byte": 1}}, "librdkafka has no setting of this name"),
        ({"options": {"fetch.min.bytes": "hidden"}}, "librdkafka does not accept this value"),
        ({"options": {"logger": "hidden"}}, "the plugin itself determines"),
        ({"options": {"stats_cb": "hidden"}}, "librdkafka does not accept this value"),
        ({"options": {"fetch.min.bytes": None}}, "expected"),
    ],
)
def test_each_configuration_error_is_reported(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as caught:
        params(**given)
    assert "hidden" not in str(caught.value)


def test_offsets_are_committed_only_after_the_source_has_stored_them() -> None:
    settings = consumer_settings(params())
    assert settings["enable.auto.offset.store"] is False
    assert settings["auto.offset.reset"] == "earliest"
    assert consumer_settings(params(start="latest"))["auto.offset.reset"] == "earliest"


@pytest.mark.parametrize("value", [True, "true", 0.5, 7])
def test_options_have_values_of_each_type(value: Any) -> None:
    name = "socket.keepalive.enable" if value in (True, "true") else "fetch.wait.max.ms"
    number = int(value) if isinstance(value, float) else value
    assert params(options={name: number})["options"] == {name: number}


def test_options_replace_defaults() -> None:
    settings = consumer_settings(params(options={"client.id": "x", "auto.commit.interval.ms": 5}))
    assert (settings["client.id"], settings["auto.commit.interval.ms"]) == ("x", 5)


def test_security_settings(tmp_path: Any) -> None:
    (tmp_path / "ca.pem").touch()
    sasl = {"mechanism": "SCRAM-SHA-512", "user": "u", "password": "p"}
    tls = {"ca_file": str(tmp_path / "ca.pem"), "key_password": "k"}
    plain, secure = consumer_settings(params()), consumer_settings(params(tls=tls, sasl=sasl))
    assert plain["security.protocol"] == "PLAINTEXT"
    assert consumer_settings(params(tls=True))["security.protocol"] == "SSL"
    assert consumer_settings(params(sasl=sasl))["security.protocol"] == "SASL_PLAINTEXT"
    prefixes = ("sasl.", "security.", "ssl.")
    assert {name: value for name, value in secure.items() if name.startswith(prefixes)} == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "p",
        "ssl.ca.location": tls["ca_file"],
        "ssl.key.password": "k",
    }


def test_the_schema_is_that_of_the_source() -> None:
    assert KafkaSource(**REQUIRED).params == params()
