"""Masking of passwords and tokens in URLs and mappings."""

from __future__ import annotations

import json

import pytest

from winchester_core.masking import MASK, is_secret_key, mask_url, masked, masked_context


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:pw@host/db", "postgresql://user:***@host/db"),
        ("mysql+pymysql://user:p@w:x@host:3306/db", "mysql+pymysql://user:***@host:3306/db"),
        ("amqp://:pw@host//", "amqp://:***@host//"),
        ("postgresql://user:p/w@host/db", "postgresql://user:***@host/db"),
        ("postgresql://host/db?user=u&password=pw", "postgresql://host/db?user=u&password=***"),
        ("sqlite:///winchester.db", "sqlite:///winchester.db"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
        ("http://127.0.0.1:8001/time", "http://127.0.0.1:8001/time"),
        ("no url at all", "no url at all"),
    ],
)
def test_the_password_of_a_url_is_masked(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    "key",
    ["password", "auth_token", "client_secret", "auth_key", "Passwd", "sasl.oauthbearer.config"],
)
def test_secret_keys_are_recognized(key: str) -> None:
    assert is_secret_key(key)


def test_other_keys_are_shown() -> None:
    assert not any(is_secret_key(key) for key in ("host", "user", "url", "exchange", 5, None))


def test_lists_and_mappings_are_masked_recursively() -> None:
    data = {"a": [{"token": "t", "b": "amqp://u:p@h"}], "secret": None, "keys": {"x": 1}}

    assert masked(data) == {
        "a": [{"token": "***", "b": "amqp://u:***@h"}],
        "secret": None,
        "keys": "***",
    }


def test_public_headers_of_a_rejected_message_are_shown() -> None:
    headers = {"x-event-key": "repo:push", "x-hook-key": "a", "x-token-event-key": "b"}
    properties = {"routing_key": "c", "key": "d", "api_key": "e"}
    shown = masked_context(json.dumps({"headers": headers, "properties": properties}))
    assert shown == {
        "headers": {"x-event-key": "repo:push", "x-hook-key": MASK, "x-token-event-key": MASK},
        "properties": {"routing_key": "c", "key": "d", "api_key": MASK},
    }
