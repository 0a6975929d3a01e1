"""Configuration entries of plugins: local names, loading, `params`, event sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from voluptuous import Schema

from winchester_core.config.errors import INVALID, ProblemReport, validate
from winchester_core.config.settings import SOURCE_SCHEMA, SourceEntry
from winchester_core.config.validators import alias_map
from winchester_core.config.yaml import read_yaml
from winchester_core.errors import PluginError
from winchester_core.plugins import (
    EVENT_SOURCES,
    HANDLERS,
    TRAIT_PLUGINS,
    group_noun,
    import_plugin,
    installed_plugins,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from winchester_core.config.document import Document, DocumentPath


def load_plugin(
    document: Document,
    path: DocumentPath,
    group: str,
    name: str,
    methods: tuple[str, ...],
    report: ProblemReport,
) -> Any:
    """Return the plugin `name` of `group`, or None after reporting a problem at `path`.

    It must be callable and have `methods`.
    """
    try:
        plugin = import_plugin(group, name)
    except PluginError as error:
        report.add(document, path, error.reason)
        return None
    interface_error = _interface_error(plugin, methods)
    if interface_error is None:
        return plugin
    origin = installed_plugins(group)[name].origin
    report.add(document, path, f"the {group_noun(group)} {name!r} of {origin} {interface_error}")
    return None


def check_params(document: Document, plugin: Any, label: str, report: ProblemReport) -> Any:
    """Return the params that the plugin's `config_schema` returns, or `INVALID`.

    `label` names the plugin in messages. If there is no schema, the params are returned unchanged.
    """
    try:
        return validate(document, _params_schema(plugin), report)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the schema is the plugin's code
        cause = f"{type(error).__name__}: {error}"
        report.add(document, (), f"the schema of {label} failed: {cause}")
        return INVALID


def find_repeated_params(
    entries: Iterable[tuple[Any, Mapping[str, Any]]],
) -> Iterator[tuple[int, str, int]]:
    """Find values of `unique_params` that an earlier entry of the same plugin has, too.

    `entries` are plugins with their params. Yields the index of an entry, the name of the param,
    and the index of the first entry with this value.
    """
    first: list[tuple[int, tuple[Any, str, Any]]] = []  # a list, as values may not be hashable
    for index, (plugin, params) in enumerate(entries):
        for param in getattr(plugin, "unique_params", ()):
            value = (plugin, param, params.get(param))
            earlier = next((number for number, each in first if each == value), None)
            if earlier is None:
                first.append((index, value))
            else:
                yield index, param, earlier


def _params_schema(plugin: Any) -> Schema:
    schema = getattr(plugin, "config_schema", None)
    if isinstance(schema, Schema):
        return schema
    return Schema(dict if schema is None else schema)


def _interface_error(plugin: Any, methods: tuple[str, ...]) -> str | None:
    if not callable(plugin):
        return "is not a class"
    missing = [method for method in methods if not callable(getattr(plugin, method, None))]
    if isinstance(plugin, type) and missing:
        return f"has no method {' and no method '.join(missing)}"
    return None


SOURCE_METHODS = ("open", "receive", "ack", "release", "reject", "close")


def read_event_sources(
    document: Document, batch_size: int, report: ProblemReport
) -> Mapping[str, SourceEntry]:
    """Return the sources by name, with plugins loaded and params checked.

    `document` is the mapping under `event_sources`; `batch_size` is the default of the sources.
    Invalid entries are reported and omitted.
    """
    names = document.root.children if isinstance(document.root.children, dict) else {}
    entries = (
        _read_source(document.section(name), str(name), batch_size, report) for name in names
    )
    found = [entry for entry in entries if entry is not None]
    params = [(each.source_class, each.params) for each in found]
    for index, param, first in find_repeated_params(params):
        name = found[first].name
        message = f"is also the {param} of the event source {name!r}: it must be unique"
        report.add(document, (found[index].name, "params", param), message)
    return MappingProxyType({entry.name: entry for entry in found})


def _read_source(
    document: Document, name: str, batch_size: int, report: ProblemReport
) -> SourceEntry | None:
    value = validate(document, SOURCE_SCHEMA, report)
    if value is INVALID:
        return None
    plugin_name = value["source"]
    source = load_plugin(document, ("source",), EVENT_SOURCES, plugin_name, SOURCE_METHODS, report)
    if source is None:
        return None
    params = check_params(
        document.mapping("params"), source, f"the event source {plugin_name!r}", report
    )
    if params is INVALID:
        return None
    _warn_unused_format(document, params, report)
    return SourceEntry(name, plugin_name, source, params, value.get("batch_size", batch_size))


def _warn_unused_format(document: Document, params: Any, report: ProblemReport) -> None:
    """Warn of parameters that have no effect on messages with a mapping."""
    written = document.mapping("params").root.children
    if isinstance(written, dict) and isinstance(params, Mapping) and params.get("mapping"):
        for key in ("format", "datetime_traits"):
            if key in written:
                message = "has no effect, because a mapping makes the events of the messages"
                report.warn(document, ("params", key), message, at_key=True)


# Local names of plugins: `pipeline_handlers` and `distiller_trait_plugins`.
#
# A value is the name of an entry point. The class paths of the older system's built-in plugins are
# accepted. Any other class path is an error that shows the entry point to declare.

LEGACY_HANDLER_PATHS = {
    "winchester.pipeline_handler:LoggingHandler": "logger",
    "winchester.pipeline_handler:UsageHandler": "usage",
    "winchester.pipeline_handler:NotabeneHandler": "notabene",
    "winchester.pipeline_handler:AtomPubHandler": "atompub",
}
LEGACY_TRAIT_PLUGIN_PATHS = {
    "stackdistiller.trait_plugins:SplitterTraitPlugin": "split",
    "stackdistiller.trait_plugins:BitfieldTraitPlugin": "bitfield",
}
HANDLERS_KEY, TRAIT_PLUGINS_KEY = "pipeline_handlers", "distiller_trait_plugins"
LEGACY_PATHS = {HANDLERS: LEGACY_HANDLER_PATHS, TRAIT_PLUGINS: LEGACY_TRAIT_PLUGIN_PATHS}


@dataclass(frozen=True, slots=True)
class PluginAliases:
    """Mappings from the local names in a configuration to names of entry points."""

    handlers: Mapping[str, str] = field(default_factory=dict)
    trait_plugins: Mapping[str, str] = field(default_factory=dict)


def load_plugin_aliases(path: str | Path, environ: Mapping[str, str]) -> PluginAliases:
    """Read only the local names in the configuration at `path`.

    Raises `ConfigurationError` if the file is not YAML, or one of these settings is invalid.
    """
    yaml_report, report = ProblemReport(), ProblemReport()
    document = read_yaml(Path(path), yaml_report, environ)
    if document is None:
        yaml_report.raise_problems()
        return PluginAliases()
    handlers = _read_aliases(document, HANDLERS_KEY, HANDLERS, report)
    trait_plugins = _read_aliases(document, TRAIT_PLUGINS_KEY, TRAIT_PLUGINS, report)
    report.raise_problems()
    return PluginAliases(handlers, trait_plugins)


def _read_aliases(
    document: Document, key: str, group: str, report: ProblemReport
) -> dict[str, str]:
    if document.root.child(key) is None:
        return {}
    names = validate(document.section(key), alias_map, report)
    return {} if names is INVALID else resolve_plugin_aliases(document, key, group, names, report)


def resolve_plugin_aliases(
    document: Document, key: str, group: str, aliases: Mapping[str, str], report: ProblemReport
) -> dict[str, str]:
    """Return the aliases of the setting `key` with names of entry points as values.

    The entry point must be installed only if the alias is used.
    """
    resolved = {}
    for alias, target in aliases.items():
        legacy_name = LEGACY_PATHS[group].get(target)
        if legacy_name is not None:
            resolved[alias] = legacy_name
            report.warn(
                document,
                (key, alias),
                f"{target!r} is a class path of the older system; the {group_noun(group)} "
                f"{legacy_name!r} is used instead: replace the path with {legacy_name!r}",
            )
        elif ":" in target:
            report.add(document, (key, alias), _class_path_message(alias, target, group))
            resolved[alias] = alias
        else:
            resolved[alias] = target
    return resolved


def _class_path_message(alias: str, target: str, group: str) -> str:
    return (
        f"{target!r} is the path of a class; a {group_noun(group)} is named by its entry point. "
        f"In the setup.cfg of its package, under [options.entry_points], declare "
        f"'{group} = {alias} = {target}' (name and path indented on a separate line), "
        f"install the package, and write {alias!r} here"
    )
