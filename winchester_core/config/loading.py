"""Loading the configuration: `winchester.yaml`, the files it names, and their plugins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from voluptuous import Invalid

from winchester_core.config.aliases import resolve_aliases
from winchester_core.config.consistency import check_clock, check_pipeline_names, check_retry
from winchester_core.config.document import Document, Node
from winchester_core.config.event_definitions import may_repeat, read_event_definitions
from winchester_core.config.event_sources import read_event_sources
from winchester_core.config.mapping_tree import read_mapping
from winchester_core.config.pipelines import read_pipelines, warn_of_unused_aliases
from winchester_core.config.report import Report
from winchester_core.config.schema import SETTINGS_SCHEMA
from winchester_core.config.search import SearchPath
from winchester_core.config.settings import Settings
from winchester_core.config.triggers import read_triggers
from winchester_core.config.validation import INVALID, validate
from winchester_core.config.yaml_file import never, read_yaml
from winchester_core.plugins import CONDITIONS, HANDLERS, TRAIT_PLUGINS, PluginRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from winchester_core.config.document import Path as TreePath
    from winchester_core.config.event_definitions import DefinitionsValidator

Part = Literal["database", "triggers", "pipelines", "distiller", "sources"]

RENAMED = {
    "name",
    "database_url",
    "config_path",
    "event_definitions",
    "trait_plugin_aliases",
    "trigger_definitions",
    "pipelines",
    "warnings",
}
SAME_NAMED = [field.name for field in fields(Settings) if field.name not in RENAMED]
"""The fields of `Settings` that hold what the file has under the same key."""

NEEDS_DATABASE: tuple[Part, ...] = ("database",)
PART_KEYS: dict[Part, str] = {
    "triggers": "trigger_definitions",
    "pipelines": "pipeline_config",
    "distiller": "distiller_config",
    "sources": "event_sources",
}
FILE_OR_CONTENT = "the name of a file, or its content"
WANTED: dict[Part, str] = {
    "triggers": FILE_OR_CONTENT,
    "pipelines": FILE_OR_CONTENT,
    "distiller": FILE_OR_CONTENT,
    "sources": "a mapping of event sources",
}
MAY_REPEAT: dict[Part, Callable[[TreePath], bool]] = {"distiller": may_repeat}


def load_settings(
    source: str | Path | Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    needs: Collection[Part] = NEEDS_DATABASE,
    ignores: Collection[Part] = (),
    validate_definitions: DefinitionsValidator | None = None,
) -> Settings:
    """Read and check a configuration: the file `source`, or a mapping with its content.

    `needs` must be configured; `ignores` is not read at all, so that its files and plugins need
    not be there; any other part is read when it is configured. `environ` (default: the
    process's) gives the values of `${NAME}`. `validate_definitions` checks event definitions
    beyond their outline.

    Raises `ConfigurationError` with every problem of every file. Warnings are logged and kept
    in `Settings.warnings`.
    """
    report = Report()
    environ = os.environ if environ is None else environ
    if isinstance(source, Mapping):
        document = read_mapping(source, report, environ)
        home = Path()
    else:
        path = Path(source)
        document, home = read_yaml(path, report, environ), path.parent
    loader = _Loader(report, environ, home, needs, ignores)
    settings = loader.load(document, validate_definitions) if document is not None else None
    report.close()
    if settings is None:
        raise AssertionError("a configuration was refused without a reason")
    return settings


class _Loader:
    """One pass over one configuration; every step goes on after a problem, to find the next."""

    def __init__(
        self,
        report: Report,
        environ: Mapping[str, str],
        home: Path,
        needs: Collection[Part],
        ignores: Collection[Part],
    ) -> None:
        self._report, self._environ, self._home = report, environ, home
        self._needs, self._ignores = frozenset(needs), frozenset(ignores)

    def load(self, document: Document, validator: DefinitionsValidator | None) -> Settings | None:
        if document.root.children is None and document.root.scalar is None:
            document = Document(document.name, Node(mark=document.root.mark, children={}))
        if not isinstance(document.root.children, dict):
            self._report.add(document, (), "expected a mapping of settings")
            return None
        values = self._values(document)
        self._require_database(document)
        search = SearchPath.of(values["config_path"], self._home)
        values |= self._distiller(document, values, search, validator)
        values |= self._triggers_and_pipelines(document, values, search)
        values |= self._sources(document, values)
        values |= self._logging(document, values, search)
        values["clock"] = check_clock(document, values, self._report)
        check_retry(document, values, self._report)
        return _settings(document.name, values, search, self._report.warnings)

    def _values(self, document: Document) -> dict[str, Any]:
        """The checked settings; a refused one counts as not given, so that checking can go on."""
        values = validate(document, SETTINGS_SCHEMA, self._report)
        if values is INVALID:
            given = document.value()
            values = SETTINGS_SCHEMA({key: given[key] for key in given if _accepted(key, given)})
        settings: dict[str, Any] = values
        return settings

    def _require_database(self, document: Document) -> None:
        if "database" in self._needs and document.root.child("database") is None:
            message = "is missing; expected a database URL, as in sqlite:///winchester.db"
            self._report.add(document, ("database", "url"), message)

    def _distiller(
        self,
        document: Document,
        values: Mapping[str, Any],
        search: SearchPath,
        validator: DefinitionsValidator | None,
    ) -> dict[str, Any]:
        key = "distiller_trait_plugins"
        if "distiller" in self._ignores:
            return {key: {}, "event_definitions": None}
        aliases = resolve_aliases(document, key, TRAIT_PLUGINS, values[key], self._report)
        plugins = PluginRegistry(TRAIT_PLUGINS, aliases)
        part = self._part("distiller", document, values, search)
        definitions = part and read_event_definitions(part, plugins, validator, self._report)
        return {key: aliases, "event_definitions": definitions}

    def _triggers_and_pipelines(
        self, document: Document, values: Mapping[str, Any], search: SearchPath
    ) -> dict[str, Any]:
        triggers = self._part("triggers", document, values, search)
        read: dict[str, Any] = {"triggers": (), "pipelines": {}}
        if triggers is not None:
            read["triggers"] = read_triggers(triggers, PluginRegistry(CONDITIONS), self._report)
        if "pipelines" not in self._ignores:
            key = "pipeline_handlers"
            aliases = resolve_aliases(document, key, HANDLERS, values[key], self._report)
            pipelines = self._part("pipelines", document, values, search)
            if pipelines is not None:
                read["pipelines"] = read_pipelines(pipelines, aliases, self._report)
                warn_of_unused_aliases(document, aliases, pipelines, self._report)
            if pipelines is not None and triggers is not None:
                check_pipeline_names(triggers, pipelines, self._report)
        return read

    def _sources(self, document: Document, values: Mapping[str, Any]) -> dict[str, Any]:
        section = self._part("sources", document, values, None)
        if section is None:
            return {"event_sources": {}}
        batch_size = values["ingest_batch_size"]
        return {"event_sources": read_event_sources(section, batch_size, self._report)}

    def _logging(
        self, document: Document, values: Mapping[str, Any], search: SearchPath
    ) -> dict[str, Any]:
        name = values["logging_config"]
        if name is None:
            return {}
        path = search.find(name)
        if path is None:
            self._report.add(document, ("logging_config",), search.missing(name))
        return {"logging_config": path}

    def _part(
        self,
        part: Part,
        document: Document,
        values: Mapping[str, Any],
        search: SearchPath | None,
    ) -> Document | None:
        """The document of one part: a file's, or what stands in place of a file's name."""
        key = PART_KEYS[part]
        if part in self._ignores:
            return None
        if _is_absent(document, key):
            if part in self._needs:
                self._report.add(document, (key,), f"is missing, and needed here: {WANTED[part]}")
            return None
        value = values[key]
        if value is None:
            return None  # refused, and reported
        if not isinstance(value, str) or search is None:
            return document.section(key)
        path = search.find(value)
        if path is None:
            self._report.add(document, (key,), search.missing(value))
            return None
        return read_yaml(path, self._report, self._environ, MAY_REPEAT.get(part, never))


def _accepted(key: str, given: Mapping[str, Any]) -> bool:
    try:
        SETTINGS_SCHEMA({key: given[key]})
    except Invalid:
        return False
    return True


def _is_absent(document: Document, key: str) -> bool:
    node = document.root.child(key)
    return node is None or (node.children is None and node.scalar is None)


def _settings(
    name: str, values: Mapping[str, Any], search: SearchPath, warnings: tuple[str, ...]
) -> Settings:
    same = {key: values[key] for key in SAME_NAMED}
    return Settings(
        name=name,
        database_url=values.get("database", {}).get("url", ""),
        config_path=search.directories,
        event_definitions=values["event_definitions"],
        trait_plugin_aliases=MappingProxyType(values["distiller_trait_plugins"]),
        trigger_definitions=values["triggers"],
        pipelines=MappingProxyType(dict(values["pipelines"])),
        warnings=warnings,
        **same,
    )
