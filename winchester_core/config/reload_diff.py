"""Difference between two configurations: what a reload applies and what needs a restart."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from winchester_core.config.settings import Settings
from winchester_core.triggers.definition import compare_triggers

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_COMPARED: Final = frozenset({"name", "warnings", "config_path"})
"""Fields that are not settings, or whose change shows in the files found by them."""
_LOGGING_FIELDS: Final = frozenset({"log_level", "log_format", "log_file", "logging_config"})
_DISTILLER_FIELDS: Final = frozenset(
    {"event_definitions", "trait_plugin_aliases", "catch_all_notifications"}
)
_WORKER_FIELDS: Final = frozenset(
    {
        "pipelines",
        "pipeline_worker_batch_size",
        "pipeline_worker_delay",
        "pipeline_timeout",
        "lease_seconds",
        "max_attempts",
        "retry_delay",
        "retry_delay_max",
        "outbox_batch_size",
        "outbox_max_age",
        "purge_completed_streams",
        "trim_events",
        "trim_events_age",
        "trim_events_batch_size",
    }
)
_SOURCE_FIELDS: Final = frozenset({"event_sources", "ingest_batch_size", "ingest_batch_delay"})

SETTING_KEYS: Final[Mapping[str, str]] = {
    "database_url": "database.url",
    "transaction_pooling": "database.transaction_pooling",
    "event_definitions": "distiller_config",
    "trait_plugin_aliases": "distiller_trait_plugins",
    "pipelines": "pipeline_config",
}
"""Keys of `winchester.yaml` for fields of `Settings` with another name."""


@dataclass(frozen=True, slots=True)
class ReloadPolicy:
    """Fields of `Settings` that a running program reloads, and those that it does not use.

    Changes of all others require a restart.
    """

    reloadable: frozenset[str]
    unused: frozenset[str]


WORKER_RELOAD: Final = ReloadPolicy(
    reloadable=_WORKER_FIELDS | _LOGGING_FIELDS | {"trigger_definitions", "statistics_period"},
    unused=_NOT_COMPARED | _DISTILLER_FIELDS | _SOURCE_FIELDS,
)
INGEST_RELOAD: Final = ReloadPolicy(
    reloadable=_DISTILLER_FIELDS | _LOGGING_FIELDS | {"trigger_definitions"},
    unused=_NOT_COMPARED | _WORKER_FIELDS | {"worker_name"},
)


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """Difference between two configurations for a running program.

    `settings` are the new settings in effect. `applied` describes the changes in them;
    `pending_restart` are the keys whose changes require a restart.
    """

    settings: Settings
    applied: tuple[str, ...]
    pending_restart: tuple[str, ...]


def compare_settings(old: Settings, new: Settings, policy: ReloadPolicy) -> SettingsChange:
    """Return the changes from `old` to `new` that apply to a program with this policy."""
    differing = [
        field.name
        for field in fields(Settings)
        if field.name not in policy.unused and getattr(old, field.name) != getattr(new, field.name)
    ]
    pending_restart = [name for name in differing if name not in policy.reloadable]
    return SettingsChange(
        settings=replace(new, **{name: getattr(old, name) for name in pending_restart}),
        applied=tuple(
            _describe_change(name, old, new) for name in differing if name in policy.reloadable
        ),
        pending_restart=tuple(SETTING_KEYS.get(name, name) for name in pending_restart),
    )


def _describe_change(name: str, old: Settings, new: Settings) -> str:
    match name:
        case "trigger_definitions":
            changes = compare_triggers(old.trigger_definitions, new.trigger_definitions)
            return f"triggers: {'; '.join(map(str, changes)) or 'their order'}"
        case "pipelines":
            return f"pipelines: {', '.join(_changed_pipelines(old, new))}"
    return SETTING_KEYS.get(name, name)


def _changed_pipelines(old: Settings, new: Settings) -> list[str]:
    """Return the names of pipelines that differ, without values, which may be secret."""
    names = dict.fromkeys((*new.pipelines, *old.pipelines))
    return [name for name in names if old.pipelines.get(name) != new.pipelines.get(name)]
