"""Loading the configuration: `winchester.yaml`, the files it names, and their plugins."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from voluptuous import Invalid, Schema

from winchester_core.config.document import Document, Node
from winchester_core.config.errors import INVALID, ProblemReport, UnexpectedValue, validate
from winchester_core.config.misreadings import warn_misread_parameters
from winchester_core.config.pipelines import read_pipelines, warn_unused_aliases
from winchester_core.config.plugin_entries import read_event_sources, resolve_plugin_aliases
from winchester_core.config.schema import SETTINGS_SCHEMA
from winchester_core.config.settings import EventDefinitions, Settings
from winchester_core.config.triggers import check_pipeline_names, read_triggers
from winchester_core.config.values import file_path
from winchester_core.config.yaml import no_duplicates, read_mapping, read_yaml
from winchester_core.errors import PluginError
from winchester_core.interfaces.params import is_file
from winchester_core.plugins import CONDITIONS, HANDLERS, TRAIT_PLUGINS, PluginRegistry
from winchester_core.suggestions import nearest_file

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from winchester_core.config.document import DocumentPath


def resolve_clock(document: Document, values: Mapping[str, Any], report: ProblemReport) -> str:
    """Return the clock that the settings select: an endpoint alone selects `time_sync`."""
    clock, endpoint = values["clock"], values["time_sync_endpoint"]
    if clock is None:
        return "time_sync" if endpoint else "system"
    if clock == "time_sync" and not endpoint:
        message = "the time_sync clock needs a time service: set time_sync_endpoint to its URL"
        report.add(document, ("clock",), message)
    elif clock != "time_sync" and endpoint:
        message = f"has no effect, because the clock is {clock!r}"
        report.warn(document, ("time_sync_endpoint",), message, at_key=True)
    return str(clock)


def check_retry_delays(
    document: Document, values: Mapping[str, Any], report: ProblemReport
) -> None:
    """Report a `retry_delay_max` shorter than `retry_delay`."""
    first, maximum = values["retry_delay"], values["retry_delay_max"]
    if maximum < first:
        message = f"expected at least retry_delay, which is {first:g} s, not {maximum:g} s"
        report.add(document, ("retry_delay_max",), message)


TRAIT_DEPTH = 3
"""Length of a trait's path: the definition's index, `traits`, the name."""


def allows_duplicate_trait(path: DocumentPath) -> bool:
    """Allow duplicate traits, as in files of ceilometer 5 to 9; the last one counts."""
    return len(path) == TRAIT_DEPTH and path[1] == "traits"


def check_definition(value: Any) -> dict[str, Any]:
    """Check that an event definition is a mapping."""
    if isinstance(value, dict):
        return value
    raise UnexpectedValue("expected a mapping of 'event_type' and 'traits'")


def check_definitions(value: Any) -> list[Any]:
    """Check that the document is a list of mappings; an empty file is an empty list."""
    if value is None:
        return []
    if isinstance(value, list):
        checked: list[Any] = Schema([check_definition])(value)
        return checked
    raise UnexpectedValue("expected a list of event definitions")


def read_event_definitions(
    document: Document, trait_plugins: Mapping[str, Any], report: ProblemReport
) -> EventDefinitions | None:
    """Return the definitions, or None if they are invalid; `trait_plugins` are those by name."""
    from winchester_core.distill import validate_definitions  # not needed without definitions

    def check(value: Any) -> Any:
        return validate_definitions(check_definitions(value), trait_plugins)

    try:
        definitions = validate(document, check, report)
    except PluginError as error:
        report.add(document, (), error.reason)
        return None
    if definitions is INVALID:
        return None
    warn_misread_parameters(document, trait_plugins, report)
    return EventDefinitions(document.name, tuple(definitions))


Part = Literal["database", "triggers", "pipelines", "distiller", "sources"]

RENAMED_FIELDS = {
    "name",
    "database_url",
    "transaction_pooling",
    "config_path",
    "event_definitions",
    "trait_plugin_aliases",
    "trigger_definitions",
    "pipelines",
    "warnings",
}
SAME_NAMED_FIELDS = [field.name for field in fields(Settings) if field.name not in RENAMED_FIELDS]
"""Fields of `Settings` with the same name as their key in the file."""

NEEDS_DATABASE: tuple[Part, ...] = ("database",)
PART_KEYS: dict[Part, str] = {
    "triggers": "trigger_definitions",
    "pipelines": "pipeline_config",
    "distiller": "distiller_config",
    "sources": "event_sources",
}
FILE_OR_CONTENT = "the name of a file, or its content"
EXPECTED_CONTENT: dict[Part, str] = {
    "triggers": FILE_OR_CONTENT,
    "pipelines": FILE_OR_CONTENT,
    "distiller": FILE_OR_CONTENT,
    "sources": "a mapping of event sources",
}
DUPLICATES_ALLOWED: dict[Part, Callable[[DocumentPath], bool]] = {
    "distiller": allows_duplicate_trait
}


def load_settings(
    source: str | Path | Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    needs: Collection[Part] = NEEDS_DATABASE,
    ignores: Collection[Part] = (),
    pipeline_handlers: Mapping[str, Any] = MappingProxyType({}),
) -> Settings:
    """Read and validate a configuration: the file `source`, or a mapping with its content.

    Parts in `needs` are required; parts in `ignores` are not read, so that their files and plugins
    need not exist; other parts are read if configured. `environ` (default: the process's) has the
    values of `${NAME}`. `pipeline_handlers` are handlers of the program by the name that pipelines
    use, which take precedence over installed ones: classes (or functions that return a handler),
    called with `params` for each run, or objects, used for every run and without params.

    Raises `ConfigurationError` with every problem of every file. Warnings are logged, and stored in
    `Settings.warnings`.
    """
    report = ProblemReport()
    environ = os.environ if environ is None else environ
    if isinstance(source, Mapping):
        document = read_mapping(source, report, environ)
        base_directory = Path()
    else:
        path = Path(source)
        document, base_directory = read_yaml(path, report, environ), path.parent
    loader = _Loader(report, environ, base_directory, needs, ignores, pipeline_handlers)
    settings = loader.load(document) if document is not None else None
    report.raise_problems()
    if settings is None:
        raise AssertionError("the configuration was rejected without a problem in the report")
    return settings


class _Loader:
    """Loads one configuration; every step continues after a problem, to report all of them."""

    def __init__(
        self,
        report: ProblemReport,
        environ: Mapping[str, str],
        base_directory: Path,
        needs: Collection[Part],
        ignores: Collection[Part],
        handlers: Mapping[str, Any],
    ) -> None:
        self._report, self._environ, self._base_directory = report, environ, base_directory
        self._handlers = handlers
        self._needs, self._ignores = frozenset(needs), frozenset(ignores)

    def load(self, document: Document) -> Settings | None:
        if document.root.children is None and document.root.scalar is None:
            document = Document(document.name, Node(mark=document.root.mark, children={}))
        if not isinstance(document.root.children, dict):
            self._report.add(document, (), "expected a mapping of settings")
            return None
        values = self._setting_values(document)
        self._require_database(document)
        search = SearchPath.of(values["config_path"], self._base_directory)
        values |= self._distiller(document, values, search)
        values |= self._triggers_and_pipelines(document, values, search)
        values |= self._sources(document, values)
        values |= self._logging(document, values, search)
        values["clock"] = resolve_clock(document, values, self._report)
        check_retry_delays(document, values, self._report)
        return _make_settings(document.name, values, search, self._report.warnings)

    def _setting_values(self, document: Document) -> dict[str, Any]:
        """Return the validated settings, with defaults for invalid ones, to go on validating."""
        values = validate(document, SETTINGS_SCHEMA, self._report)
        if values is INVALID:
            raw = document.value()
            values = SETTINGS_SCHEMA({key: raw[key] for key in raw if _is_valid(key, raw)})
        settings: dict[str, Any] = values
        return settings

    def _require_database(self, document: Document) -> None:
        if "database" in self._needs and document.root.child("database") is None:
            message = "is missing; expected a database URL, as in sqlite:///winchester.db"
            self._report.add(document, ("database", "url"), message)

    def _distiller(
        self, document: Document, values: Mapping[str, Any], search: SearchPath
    ) -> dict[str, Any]:
        key = "distiller_trait_plugins"
        if "distiller" in self._ignores:
            return {key: {}, "event_definitions": None}
        aliases = resolve_plugin_aliases(document, key, TRAIT_PLUGINS, values[key], self._report)
        plugins = PluginRegistry(TRAIT_PLUGINS, aliases)
        part = self._part("distiller", document, values, search)
        definitions = part and read_event_definitions(part, plugins, self._report)
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
            aliases = resolve_plugin_aliases(document, key, HANDLERS, values[key], self._report)
            pipelines = self._part("pipelines", document, values, search)
            if pipelines is not None:
                read["pipelines"] = read_pipelines(pipelines, aliases, self._handlers, self._report)
                warn_unused_aliases(document, aliases, pipelines, self._report)
            if pipelines is not None and triggers is not None:
                defined = pipelines.value()
                known = defined if isinstance(defined, dict) else ()
                check_pipeline_names(triggers, known, pipelines.name, self._report)
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
            self._report.add(document, ("logging_config",), search.not_found_message(name))
        return {"logging_config": path}

    def _part(
        self,
        part: Part,
        document: Document,
        values: Mapping[str, Any],
        search: SearchPath | None,
    ) -> Document | None:
        """Return the document of a part: a file, or the content in place of a file's name."""
        key = PART_KEYS[part]
        if part in self._ignores:
            return None
        if _is_absent(document, key):
            if part in self._needs:
                self._report.add(
                    document, (key,), f"is missing, and needed here: {EXPECTED_CONTENT[part]}"
                )
            return None
        value = values[key]
        if value is None:
            return None  # invalid, and reported
        if not isinstance(value, str) or search is None:
            return document.section(key)
        path = search.find(value)
        if path is None:
            self._report.add(document, (key,), search.not_found_message(value))
            return None
        return read_yaml(
            path, self._report, self._environ, DUPLICATES_ALLOWED.get(part, no_duplicates)
        )


def _is_valid(key: str, raw: Mapping[str, Any]) -> bool:
    try:
        SETTINGS_SCHEMA({key: raw[key]})
    except Invalid:
        return False
    return True


def _is_absent(document: Document, key: str) -> bool:
    node = document.root.child(key)
    return node is None or (node.children is None and node.scalar is None)


def _make_settings(
    name: str, values: Mapping[str, Any], search: SearchPath, warnings: tuple[str, ...]
) -> Settings:
    same_named = {key: values[key] for key in SAME_NAMED_FIELDS}
    return Settings(
        name=name,
        database_url=values.get("database", {}).get("url", ""),
        transaction_pooling=values.get("database", {}).get("transaction_pooling", False),
        config_path=search.directories,
        event_definitions=values["event_definitions"],
        trait_plugin_aliases=MappingProxyType(values["distiller_trait_plugins"]),
        trigger_definitions=values["triggers"],
        pipelines=MappingProxyType(dict(values["pipelines"])),
        warnings=warnings,
        **same_named,
    )


@dataclass(frozen=True, slots=True)
class SearchPath:
    """Directories in the order in which files are searched."""

    directories: tuple[Path, ...]

    @classmethod
    def of(cls, config_path: Sequence[str], base_directory: Path) -> SearchPath:
        """Return the directories of `config_path`, relative to `base_directory`, which comes last.

        `base_directory` is that of `winchester.yaml`, or the working directory if the
        configuration is not a file.
        """
        directories = [base_directory / file_path(directory) for directory in config_path]
        return cls(tuple(dict.fromkeys([*directories, base_directory])))

    def find(self, name: str) -> Path | None:
        """Return the first file called `name`, which may be absolute; None if there is none."""
        candidates = (directory / file_path(name) for directory in self.directories)
        return next((path for path in candidates if is_file(path)), None)

    def not_found_message(self, name: str) -> str:
        """Return a message with the directories searched for `name`, and the most similar file."""
        if file_path(name).is_absolute():
            return f"there is no file {name!r}"
        places = ", ".join(str(directory) for directory in self.directories)
        close = nearest_file(name, self._file_names())
        hint = f"; did you mean {close!r}?" if close else "; config_path adds directories"
        return f"there is no file {name!r} in {places}{hint}"

    def _file_names(self) -> list[str]:
        return [name for directory in self.directories for name in _files(directory)]


def _files(directory: Path) -> list[str]:
    try:
        return [path.name for path in directory.iterdir() if path.is_file()]
    except OSError:
        return []  # a missing directory
