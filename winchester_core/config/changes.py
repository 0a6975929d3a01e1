"""What is different between two configurations, and which of it waits for a restart."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from winchester_core.config.settings import Settings
from winchester_core.triggers.definition import compare_triggers

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOLD: Final = frozenset({"name", "warnings", "config_path"})
"""What is no setting, or shows in the files that are found by it."""
_LOGGING: Final = frozenset({"log_level", "log_format", "log_file", "logging_config"})
_DISTILLING: Final = frozenset(
    {"event_definitions", "trait_plugin_aliases", "catch_all_notifications"}
)
_WORK: Final = frozenset(
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
_SOURCES: Final = frozenset({"event_sources", "ingest_batch_size", "ingest_batch_delay"})

KEYS: Final[Mapping[str, str]] = {
    "database_url": "database.url",
    "event_definitions": "distiller_config",
    "trait_plugin_aliases": "distiller_trait_plugins",
    "pipelines": "pipeline_config",
}
"""The keys of `winchester.yaml` for fields of `Settings` that are called otherwise."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """Which fields of `Settings` a program at work takes over, and which it has no use for.

    All others wait for its restart.
    """

    taken_over: frozenset[str]
    of_no_use: frozenset[str]


WORKER: Final = Takeover(
    taken_over=_WORK | _LOGGING | {"trigger_definitions", "statistics_period"},
    of_no_use=_TOLD | _DISTILLING | _SOURCES,
)
INGEST: Final = Takeover(
    taken_over=_DISTILLING | _LOGGING | {"trigger_definitions"},
    of_no_use=_TOLD | _WORK | {"worker_name"},
)


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """A configuration that follows another, for a program at work.

    `settings` is what it goes by from now on. `taken_over` says in words what is different in
    that; `waiting` are the keys whose new values wait for a restart.
    """

    settings: Settings
    taken_over: tuple[str, ...]
    waiting: tuple[str, ...]


def compare_settings(old: Settings, new: Settings, takeover: Takeover) -> SettingsChange:
    """What a program that goes by `old` makes of `new`."""
    differing = [
        field.name
        for field in fields(Settings)
        if field.name not in takeover.of_no_use
        and getattr(old, field.name) != getattr(new, field.name)
    ]
    waiting = [name for name in differing if name not in takeover.taken_over]
    return SettingsChange(
        settings=replace(new, **{name: getattr(old, name) for name in waiting}),
        taken_over=tuple(
            _in_words(name, old, new) for name in differing if name in takeover.taken_over
        ),
        waiting=tuple(KEYS.get(name, name) for name in waiting),
    )


def _in_words(name: str, old: Settings, new: Settings) -> str:
    match name:
        case "trigger_definitions":
            changes = compare_triggers(old.trigger_definitions, new.trigger_definitions)
            return f"triggers: {'; '.join(map(str, changes)) or 'their order'}"
        case "pipelines":
            return f"pipelines: {', '.join(_pipelines(old, new))}"
    return KEYS.get(name, name)


def _pipelines(old: Settings, new: Settings) -> list[str]:
    """The pipelines that differ: no values, which may be secrets."""
    names = dict.fromkeys((*new.pipelines, *old.pipelines))
    return [name for name in names if old.pipelines.get(name) != new.pipelines.get(name)]
