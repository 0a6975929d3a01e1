"""Neither settings nor their error messages show a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.config import load_settings
from winchester_core.config.settings import HandlerEntry
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from conftest import ConfigDir


def test_no_representation_of_the_settings_shows_a_secret() -> None:
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


def test_a_part_of_a_secret_from_a_variable_is_masked(config: ConfigDir) -> None:
    problems = config.problems("trim_events_age: $timestamp ${AGE}", environ={"AGE": "hunter2"})

    assert problems == [
        (
            "winchester.yaml:2:18: trim_events_age: time expression '***', character 12: '***': "
            "expected an operator (+ - @ to) or the end"
        )
    ]
