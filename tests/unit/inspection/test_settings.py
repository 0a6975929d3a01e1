"""Settings as text: masked; settings that differ from their defaults come first."""

from __future__ import annotations

from typing import Any

from winchester_core.config import load_settings
from winchester_core.config.settings import DECLARATIONS
from winchester_core.inspection.settings import SettingRow, setting_rows

URL = "postgresql+psycopg://user:hunter2@db/winchester"


def rows(**settings: Any) -> dict[str, SettingRow]:
    loaded = load_settings({"database": {"url": URL}, **settings})
    return {row.key: row for row in setting_rows(loaded)}


def test_every_setting_is_listed() -> None:
    assert set(rows()) == {each.key for each in DECLARATIONS.values()}


def test_only_the_required_setting_has_no_default() -> None:
    assert [row.key for row in rows().values() if not row.is_default] == ["database.url"]


def test_changed_settings_come_first() -> None:
    found = rows(max_attempts=3, trim_events=True)
    assert list(found)[:3] == ["database.url", "max_attempts", "trim_events"]
    assert (found["max_attempts"].value, found["trim_events"].value) == ("3", "true")


def test_values_are_texts_with_units() -> None:
    found = rows(
        retry_delay=0, outbox_max_age="36h", metrics_listen="127.0.0.1:9000", pipeline_timeout=90
    )
    texts = {key: row.value for key, row in found.items()}
    assert texts["retry_delay"] == "0 s"
    assert texts["outbox_max_age"] == "1d 12h"
    assert texts["metrics_listen"] == "127.0.0.1:9000"
    assert texts["pipeline_timeout"] == "90 s"
    assert texts["log_file"] is None
    assert texts["event_sources"] is None


def test_secrets_are_masked() -> None:
    found = rows(
        pipeline_config={
            "notify": [
                {"name": "webhook", "params": {"url": "https://a:hunter2@b/", "secret": "hunter2"}}
            ]
        },
        event_sources={"in": {"source": "http", "params": {"port": 9000, "token": "hunter2" * 5}}},
        console={"tokens": [{"name": "anna", "role": "viewer", "token": "hunter2" * 5}]},
    )
    assert "hunter2" not in repr(found)
    assert found["console.tokens"].value == "anna (viewer)"
    assert found["pipeline_config"].value == "notify"
    assert "secret: '***'" in (found["pipeline_config"].content or "")
    assert "token: '***'" in (found["event_sources"].content or "")
