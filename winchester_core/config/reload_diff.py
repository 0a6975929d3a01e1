"""Difference between two configurations: changes that a reload applies, and other changes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final, Literal

from winchester_core.config.settings import DECLARATIONS, SETTING_KEYS, Settings
from winchester_core.triggers.definition import compare_triggers


@dataclass(frozen=True, slots=True)
class ReloadPolicy:
    """Fields of `Settings` that a running program reloads, and fields that it does not use.

    Changes of all other fields require a restart.
    """

    reloadable: frozenset[str]
    unused: frozenset[str]


def _policy(program: Literal["worker", "ingest", "console"]) -> ReloadPolicy:
    effects = {name: getattr(each.reload, program) for name, each in DECLARATIONS.items()}
    return ReloadPolicy(
        reloadable=frozenset(name for name, effect in effects.items() if effect == "reload"),
        unused=frozenset(
            each.name for each in fields(Settings) if effects.get(each.name, "unused") == "unused"
        ),
    )


WORKER_RELOAD: Final = _policy("worker")
INGEST_RELOAD: Final = _policy("ingest")
CONSOLE_RELOAD: Final = _policy("console")


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """Difference between two configurations for a running program.

    `settings` are the new settings in effect, and `applied` describes their changes.
    `pending_restart` lists the keys with changes that require a restart.
    """

    settings: Settings
    applied: tuple[str, ...]
    pending_restart: tuple[str, ...]


def compare_settings(old: Settings, new: Settings, policy: ReloadPolicy) -> SettingsChange:
    """Return the changes from `old` to `new` for a program with this policy."""
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
        pending_restart=tuple(SETTING_KEYS[name] for name in pending_restart),
    )


def _describe_change(name: str, old: Settings, new: Settings) -> str:
    match name:
        case "trigger_definitions":
            changes = compare_triggers(old.trigger_definitions, new.trigger_definitions)
            return f"triggers: {'; '.join(map(str, changes)) or 'their order'}"
        case "pipelines":
            return f"pipelines: {', '.join(_changed_pipelines(old, new))}"
    return SETTING_KEYS[name]


def _changed_pipelines(old: Settings, new: Settings) -> list[str]:
    """Return the names of pipelines that differ. Their values may be secret and are not shown."""
    names = dict.fromkeys((*new.pipelines, *old.pipelines))
    return [name for name in names if old.pipelines.get(name) != new.pipelines.get(name)]
