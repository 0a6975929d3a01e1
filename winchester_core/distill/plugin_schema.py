"""What a valid `plugin` of a trait is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voluptuous import Invalid, MultipleInvalid

from winchester_core.distill.definition_fields import PLUGIN_KEYS
from winchester_core.distill.plugin_entry import PluginEntry
from winchester_core.distill.problems import Path, key_problems, kind, problem, with_nearest

MAX_MESSAGE_LENGTH = 200


def plugin_problems(
    setting: Any, path: Path, trait_plugins: Mapping[str, type]
) -> Iterator[Invalid]:
    """Demand a known plugin and parameters that it accepts; it is made to find out."""
    if not isinstance(setting, Mapping):
        yield from _name_problems(setting, path, trait_plugins)
        if _is_known(setting, trait_plugins):
            yield from _refusals(PluginEntry(setting), path, trait_plugins)
        return
    yield from key_problems(setting, path, PLUGIN_KEYS, required=("name",))
    if "name" in setting:
        yield from _name_problems(setting["name"], [*path, "name"], trait_plugins)
    yield from _parameters_problems(setting, [*path, "parameters"], trait_plugins)


def _name_problems(name: Any, path: Path, plugins: Mapping[str, type]) -> Iterator[Invalid]:
    if not _is_known(name, plugins):
        yield problem(path, f"unknown trait plugin {with_nearest(name, plugins)}")


def _parameters_problems(
    setting: Mapping[Any, Any], path: Path, plugins: Mapping[str, type]
) -> Iterator[Invalid]:
    parameters = setting.get("parameters")
    if parameters is not None and not isinstance(parameters, Mapping):
        yield problem(path, f"must be a map, not {kind(parameters)}")
    elif _is_known(setting.get("name"), plugins):
        yield from _refusals(PluginEntry(setting["name"], parameters or {}), path, plugins)


def _refusals(entry: PluginEntry, path: Path, plugins: Mapping[str, type]) -> Iterator[Invalid]:
    try:
        entry.instance(plugins)
    except MultipleInvalid as fault:
        for refusal in fault.errors:
            yield problem([*path, *refusal.path], _refusal_message(entry, refusal, plugins))
    except Exception as error:  # noqa: BLE001 - a plugin's code
        cause = f"{type(error).__name__}: {error}"[:MAX_MESSAGE_LENGTH]
        yield problem(path, f"plugin {entry.name!r} refuses its parameters: {cause}")


def _refusal_message(entry: PluginEntry, refusal: Invalid, plugins: Mapping[str, type]) -> str:
    message = f"plugin {entry.name!r}: {refusal.msg}"
    parameter = refusal.path[0] if len(refusal.path) == 1 else None
    schema = getattr(plugins[entry.name], "config_schema", None)
    allowed = getattr(schema, "schema", None)
    if parameter in entry.parameters and isinstance(allowed, dict):
        names = [str(key) for key in allowed]
        if parameter not in names:
            message += f": {with_nearest(parameter, names)}"
    return message


def _is_known(name: Any, plugins: Mapping[str, type]) -> bool:
    return isinstance(name, str) and name in plugins
