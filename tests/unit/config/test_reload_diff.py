"""Changed settings are reloaded by a running program, or reported as needing a restart."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from winchester_core.config import Settings, compare_settings, load_settings
from winchester_core.config.reload_diff import INGEST_RELOAD, WORKER_RELOAD

if TYPE_CHECKING:
    from conftest import ConfigDir
    from winchester_core.config import ReloadPolicy

TRIGGER = """\
trigger_definitions:
  - name: vm
    distinguished_by: [instance]
    match_criteria: [{event_type: vm.*}]
    fire_criteria: [{event_type: vm.end}]
    expiration: $last + 1h
    fire_pipeline: done
"""


def test_equal_settings_have_no_changes(config: ConfigDir) -> None:
    old, new = config.settings(TRIGGER), config.settings(TRIGGER)
    change = compare_settings(old, new, WORKER_RELOAD)
    assert (change.applied, change.pending_restart) == ((), ())
    assert change.settings == new


def test_changed_triggers_and_pipelines_are_listed_by_name(config: ConfigDir) -> None:
    old = config.settings(
        TRIGGER + "pipeline_config:\n  done: [{name: logger, params: {level: debug}}]\n  b: []\n"
    )
    new = config.settings(TRIGGER.replace("1h", "2h") + "pipeline_config:\n  done: []\n  c: []\n")
    change = compare_settings(old, new, WORKER_RELOAD)
    assert change.applied == (
        "triggers: vm changed in expiration",
        "pipelines: done, c, b",
    )
    assert change.pending_restart == ()


def test_changed_keys_of_order_and_silence_are_named(config: ConfigDir) -> None:
    keys = "    fire_within: 5m\n    suppress: 1h\n    cancel_criteria: [{event_type: vm.ok}]\n"
    change = compare_settings(
        config.settings(TRIGGER), config.settings(TRIGGER + keys), INGEST_RELOAD
    )
    assert change.applied == ("triggers: vm changed in fire_within, cancel_criteria, suppress",)


@pytest.mark.parametrize(
    ("text", "policy", "waiting"),
    [
        ("worker_name: other", WORKER_RELOAD, "worker_name"),
        ("shutdown_timeout: 7", WORKER_RELOAD, "shutdown_timeout"),
        ("clock: event", INGEST_RELOAD, "clock"),
        ("metrics_listen: 9100", WORKER_RELOAD, "metrics_listen"),
        ("ingest_batch_size: 7", INGEST_RELOAD, "ingest_batch_size"),
        (
            "event_sources: {a: {source: jsonl, params: {path: x, format: event}}}",
            INGEST_RELOAD,
            "event_sources",
        ),
    ],
)
def test_settings_that_need_a_restart_keep_their_value_and_are_reported_each_time(
    config: ConfigDir, text: str, policy: ReloadPolicy, waiting: str
) -> None:
    old, new = config.settings(), config.settings(f"{text}\nlog_level: debug\n")
    for _ in range(2):
        change = compare_settings(old, new, policy)
        assert change.pending_restart == (waiting,)
        assert getattr(change.settings, waiting) == getattr(old, waiting)
        assert change.settings.log_level == "DEBUG"
        old = change.settings


def test_a_changed_database_needs_a_restart(config: ConfigDir) -> None:
    old = config.settings()
    path = config.write("winchester.yaml", "database: {url: 'sqlite:///other.db'}\n")
    change = compare_settings(old, load_settings(path, environ={}), WORKER_RELOAD)
    assert change.pending_restart == ("database.url",)
    assert change.settings.database_url == "sqlite://"


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("ingest_batch_size: 7", WORKER_RELOAD),
        ("max_attempts: 7", INGEST_RELOAD),
        ("worker_name: x", INGEST_RELOAD),
    ],
)
def test_settings_a_program_does_not_use_are_not_reported(
    config: ConfigDir, text: str, policy: ReloadPolicy
) -> None:
    change = compare_settings(config.settings(), config.settings(text), policy)
    assert (change.applied, change.pending_restart) == ((), ())


@pytest.mark.parametrize("policy", [WORKER_RELOAD, INGEST_RELOAD])
def test_every_listed_field_is_a_setting(policy: ReloadPolicy) -> None:
    known = {field.name for field in fields(Settings)}
    assert policy.reloadable | policy.unused <= known
    assert not policy.reloadable & policy.unused
