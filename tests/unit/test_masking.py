"""Passwords and tokens reach no text of the settings and no message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.config import load_settings
from winchester_core.config.settings import HandlerEntry
from winchester_core.errors import ConfigurationError
from winchester_core.masking import is_secret_key, mask_url, masked

if TYPE_CHECKING:
    from conftest import ConfigDir


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


@pytest.mark.parametrize("key", ["password", "auth_token", "client_secret", "auth_key", "Passwd"])
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


def test_no_representation_of_the_settings_shows_a_secret(config: ConfigDir) -> None:
    url = "postgresql://winchester:hunter2@db/winchester"
    settings = load_settings({"database": {"url": url}})
    entry = HandlerEntry("h", "h", Any, {"password": "hunter2", "url": url, "host": "a"})

    assert settings.database_url == url
    assert settings.masked_database_url == "postgresql://winchester:***@db/winchester"
    for text in (repr(settings), str(settings), f"{settings}", repr(entry), repr([entry])):
        assert "hunter2" not in text
        assert "***" in text
    assert "'host': 'a'" in repr(entry)


@pytest.mark.parametrize(
    "source",
    [
        {"database": {"url": "winchester:hunter2@db"}},
        {"database": {"url": ["hunter2"]}},
        {"database": {"url": "sqlite://", "password": "hunter2"}},
        {"database": "postgresql://u:hunter2@host/db"},
        {"database": {"url": "sqlite://"}, "time_sync_endpoint": "ftp://u:hunter2@host/"},
    ],
)
def test_no_error_message_shows_a_secret(source: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(source)

    assert "hunter2" not in str(caught.value)


def test_a_secret_from_a_variable_is_masked(config: ConfigDir) -> None:
    problems = config.problems(
        "database: {url: '${URL}'}\ntime_sync_endpoint: ${URL}\n",
        environ={"URL": "ftp://u:hunter2@host/"},
    )

    assert problems
    assert "hunter2" not in "\n".join(problems)
