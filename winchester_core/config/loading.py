"""Loading the configuration: `winchester.yaml`, the files it names, and their plugins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from voluptuous import Invalid, Schema

from winchester_core.config.console_access import duplicate_tokens
from winchester_core.config.document import Document, Node
from winchester_core.config.errors import INVALID, ProblemReport, validate
from winchester_core.config.fingerprint import fingerprint
from winchester_core.config.mappings import (
    NO_MAPPINGS,
    mapping_names_in,
    read_mapping_definitions,
)
from winchester_core.config.misreadings import warn_misread_parameters
from winchester_core.config.pipelines import read_pipelines, warn_unused_aliases
from winchester_core.config.plugin_entries import read_event_sources, resolve_plugin_aliases
from winchester_core.config.settings import (
    SECTIONS,
    SETTING_KEYS,
    SETTINGS_SCHEMA,
    EventDefinitions,
    Settings,
)
from winchester_core.config.source_formats import warn_undefined_notifications
from winchester_core.config.trigger_circles import warn_trigger_circles
from winchester_core.config.triggers import check_pipeline_names, read_triggers
from winchester_core.config.validators import file_path
from winchester_core.config.yaml import no_duplicates, read_mapping, read_yaml
from winchester_core.errors import PluginError
from winchester_core.interfaces.mapping_names import known_mappings
from winchester_core.interfaces.params import UnexpectedValue, expected, is_file
from winchester_core.plugins import CONDITIONS, HANDLERS, TRAIT_PLUGINS, PluginRegistry
from winchester_core.suggestions import nearest_file, unknown_name_message

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from winchester_core.config.document import DocumentPath


def resolve_clock(document: Document, values: Mapping[str, Any], report: ProblemReport) -> str:
    """Return the selected clock. An endpoint without the setting `clock` selects `time_sync`."""
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


def check_limited_pipelines(
    document: Document, limits: Iterable[str], known: Collection[str], report: ProblemReport
) -> None:
    """Report names in `pipeline_concurrency` that are not names of pipelines."""
    for name in limits:
        if name not in known:
            message = unknown_name_message("pipeline", name, known)
            report.add(document, ("pipeline_concurrency", name), message, at_key=True)


def check_source_clocks(
    document: Document, values: Mapping[str, Any], report: ProblemReport
) -> None:
    """Report sources that follow the host's clock if stream time does not."""
    clock = values["clock"]
    if clock == "system":
        return
    for name, entry in values["event_sources"].items():
        if getattr(entry.source_class, "requires_system_clock", False):
            message = (
                f"the event source {entry.plugin_name!r} follows the system clock, and the clock "
                f"is {clock!r}: set clock to system, or remove the source; a replay finds its "
                "events in the recording"
            )
            report.add(document, ("event_sources", name, "source"), message)


TRAIT_DEPTH = 3
"""Length of a trait's path: the definition's index, `traits`, the name."""


def allows_duplicate_trait(path: DocumentPath) -> bool:
    """Allow duplicate traits, which files of ceilometer 5 to 9 contain; the last one counts."""
    return len(path) == TRAIT_DEPTH and path[1] == "traits"


definition_mapping = expected("a mapping of 'event_type' and 'traits'", dict)


def check_definitions(value: Any) -> list[Any]:
    """Check that the document is a list of mappings; an empty file is an empty list."""
    if value is None:
        return []
    if isinstance(value, list):
        checked: list[Any] = Schema([definition_mapping])(value)
        return checked
    raise UnexpectedValue("expected a list of event definitions")


def read_event_definitions(
    document: Document, trait_plugins: Mapping[str, Any], report: ProblemReport
) -> EventDefinitions | None:
    """Return the definitions, or None if they are invalid. `trait_plugins` has plugins by name."""
    from winchester_core.distill import validate_definitions  # needed only for definitions

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


def check_console_tokens(
    document: Document, values: Mapping[str, Any], report: ProblemReport
) -> None:
    """Report names and tokens of the console that are not unique."""
    for path, message in duplicate_tokens(values["console.tokens"]):
        report.add(document, ("console", *path), message)


Part = Literal["database", "triggers", "pipelines", "distiller", "mappings", "sources", "console"]
"""A part that a program needs or ignores. A program without `distiller` has no `mappings`."""

NO_PIPELINES: Mapping[str, Any] = MappingProxyType({})
FILE_OR_CONTENT = "the name of a file, or its content"
NEEDS_DATABASE: tuple[Part, ...] = ("database",)
PART_KEYS: dict[Part, str] = {
    "triggers": "trigger_definitions",
    "pipelines": "pipeline_config",
    "distiller": "distiller_config",
    "mappings": "mapping_definitions",
    "sources": "event_sources",
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

    Parts in `needs` are required. Parts in `ignores` are not read, so their files and plugins need
    not exist; `console.public_url` is still read for pipelines. Other parts are read if they are
    configured. `environ` (default: the environment of the process) has the values of `${NAME}`.
    `pipeline_handlers` maps names used in pipelines to handlers of the program; they take
    precedence over installed handlers. A handler is a class (or a function that returns a handler),
    which is called with `params` for each run, or an object, which is used for every run and has no
    params.

    Raises `ConfigurationError` with all problems in all files. Warnings are logged and stored in
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
    """Loads one configuration. All steps continue after a problem, so that all are reported."""

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
        self._needs, self._ignores = frozenset(needs), frozenset(ignores)
        self._handlers = handlers
        self._triggers_fingerprint: str | None = None
        self._pipelines_fingerprint: str | None = None

    def load(self, document: Document) -> Settings | None:
        if document.root.children is None and document.root.scalar is None:
            document = replace(document, root=Node(mark=document.root.mark, children={}))
        if "console" in self._ignores:
            kept = () if "pipelines" in self._ignores else ("public_url",)
            document = self._without_section(document, "console", kept)
        if "sources" in self._ignores:
            document = self._without_section(document, PART_KEYS["sources"])
        if not isinstance(document.root.children, dict):
            self._report.add(document, (), "expected a mapping of settings")
            return None
        self._document, self._values = document, self._setting_values(document)
        self._search = SearchPath.of(self._values["config_path"], self._base_directory)
        self._read_sections()
        values = self._values | self._distiller() | self._triggers() | self._pipelines()
        values |= self._mappings()
        values |= self._sources() | self._logging()
        values["config_path"] = self._search.directories
        values["clock"] = resolve_clock(document, values, self._report)
        check_retry_delays(document, values, self._report)
        check_source_clocks(document, values, self._report)
        if values["distiller_config"] is None and "distiller" not in self._ignores:
            warn_undefined_notifications(document, values["event_sources"], self._report)
        check_console_tokens(document, values, self._report)
        read = {name: values[key] for name, key in SETTING_KEYS.items()}
        return Settings(
            name=document.name,
            warnings=self._report.warnings,
            triggers_fingerprint=self._triggers_fingerprint,
            pipelines_fingerprint=self._pipelines_fingerprint,
            **read,
        )

    def _without_section(
        self, document: Document, section: str, kept: Collection[str] = ()
    ) -> Document:
        """Return the document without a section, except its keys `kept`; discard its problems.

        So a program needs no environment variables of a section that it does not use.
        """
        self._report.discard(document.name, section, kept)
        children = document.root.children
        if not isinstance(children, dict) or section not in children:
            return document
        changed = {key: node for key, node in children.items() if key != section}
        inner = children[section].children
        if isinstance(inner, dict):
            nodes = {key: node for key, node in inner.items() if key in kept}
            changed[section] = replace(children[section], children=nodes)
        return replace(document, root=replace(document.root, children=changed))

    def _setting_values(self, document: Document) -> dict[str, Any]:
        """Return the validated settings, with defaults for invalid ones."""
        values = validate(document, SETTINGS_SCHEMA, self._report)
        if values is INVALID:
            raw = document.value()
            values = SETTINGS_SCHEMA({key: raw[key] for key in raw if _is_valid(key, raw)})
        settings: dict[str, Any] = values
        return settings

    def _read_sections(self) -> None:
        """Add the settings of each section to the values, named as in `database.url`."""
        if "database" in self._needs and self._document.root.child("database") is None:
            message = "is missing; expected a database URL, as in sqlite:///winchester.db"
            self._report.add(self._document, ("database", "url"), message)
        self._values.setdefault("database", {"url": "", "transaction_pooling": False})
        for section in SECTIONS:
            values = self._values[section]
            self._values |= {f"{section}.{key}": value for key, value in values.items()}

    def _aliases(self, key: str, group: str) -> Mapping[str, str]:
        aliases = self._values[key]
        return MappingProxyType(
            resolve_plugin_aliases(self._document, key, group, aliases, self._report)
        )

    def _distiller(self) -> dict[str, Any]:
        key = "distiller_trait_plugins"
        if "distiller" in self._ignores:
            return {key: {}, "distiller_config": None}
        self._trait_plugin_aliases = aliases = self._aliases(key, TRAIT_PLUGINS)
        part = self._part("distiller")
        plugins = PluginRegistry(TRAIT_PLUGINS, aliases)
        definitions = part and read_event_definitions(part, plugins, self._report)
        return {key: aliases, "distiller_config": definitions}

    def _mappings(self) -> dict[str, Any]:
        key = "mapping_definitions"
        part = None if "distiller" in self._ignores else self._part("mappings")
        self._mapping_document = part
        if part is None:
            return {key: NO_MAPPINGS}
        plugins = PluginRegistry(TRAIT_PLUGINS, self._trait_plugin_aliases)
        return {key: read_mapping_definitions(part, plugins, self._report)}

    def _triggers(self) -> dict[str, Any]:
        self._trigger_document = part = self._part("triggers")
        conditions = PluginRegistry(CONDITIONS)
        triggers = () if part is None else read_triggers(part, conditions, self._report)
        self._trigger_configs = triggers
        if "triggers" not in self._ignores:
            self._triggers_fingerprint = fingerprint(part)
        return {"trigger_definitions": triggers}

    def _pipelines(self) -> dict[str, Any]:
        key = "pipeline_handlers"
        if "pipelines" in self._ignores:
            return {key: {}, "pipeline_config": NO_PIPELINES}
        aliases = self._aliases(key, HANDLERS)
        part = self._part("pipelines")
        self._pipelines_fingerprint = fingerprint(part, self._document.root.child(key))
        if part is None:
            return {key: aliases, "pipeline_config": NO_PIPELINES}
        pipelines = read_pipelines(part, aliases, self._handlers, self._report)
        warn_unused_aliases(self._document, aliases, part, self._report)
        defined = part.value()
        known = defined if isinstance(defined, dict) else ()
        limits = self._values["pipeline_concurrency"]
        check_limited_pipelines(self._document, limits, known, self._report)
        if self._trigger_document is not None:
            check_pipeline_names(self._trigger_document, known, part.name, self._report)
            triggers = self._trigger_configs
            warn_trigger_circles(self._trigger_document, triggers, pipelines, self._report)
        return {key: aliases, "pipeline_config": pipelines}

    def _sources(self) -> dict[str, Any]:
        part = self._part("sources")
        if part is None:
            return {"event_sources": {}}
        with known_mappings(mapping_names_in(self._mapping_document)):
            sources = read_event_sources(part, self._values["ingest_batch_size"], self._report)
        return {"event_sources": sources}

    def _logging(self) -> dict[str, Any]:
        name = self._values["logging_config"]
        return {"logging_config": name and self._find("logging_config", name)}

    def _part(self, part: Part) -> Document | None:
        """Return the document of a part: a file, or the content in place of a file's name."""
        key = PART_KEYS[part]
        if part in self._ignores:
            return None
        node = self._document.root.child(key)
        if node is None or (node.children is None and node.scalar is None):
            if part in self._needs:
                is_file = part != "sources"
                content = FILE_OR_CONTENT if is_file else "a mapping of event sources"
                self._report.add(self._document, (key,), f"is missing, and needed here: {content}")
            return None
        value = self._values[key]
        if value is None:
            return None  # invalid, and reported
        if not isinstance(value, str):
            return self._document.section(key)
        path = self._find(key, value)
        allows_duplicate = allows_duplicate_trait if part == "distiller" else no_duplicates
        if path is None:
            return None
        return read_yaml(path, self._report, self._environ, allows_duplicate)

    def _find(self, key: str, name: str) -> Path | None:
        path = self._search.find(name)
        if path is None:
            self._report.add(self._document, (key,), self._search.not_found_message(name))
        return path


def _is_valid(key: str, raw: Mapping[str, Any]) -> bool:
    try:
        SETTINGS_SCHEMA({key: raw[key]})
    except Invalid:
        return False
    return True


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
        """Return the first file called `name` (it may be absolute), or None if there is none."""
        candidates = (directory / file_path(name) for directory in self.directories)
        return next((path for path in candidates if is_file(path)), None)

    def not_found_message(self, name: str) -> str:
        """Return a message with the directories searched for `name`, and the most similar file."""
        if file_path(name).is_absolute():
            return f"there is no file {name!r}"
        places = ", ".join(str(directory) for directory in self.directories)
        names = [name for directory in self.directories for name in _files(directory)]
        close = nearest_file(name, names)
        hint = f"; did you mean {close!r}?" if close else "; config_path adds directories"
        return f"there is no file {name!r} in {places}{hint}"


def _files(directory: Path) -> list[str]:
    try:
        return [path.name for path in directory.iterdir() if path.is_file()]
    except (OSError, ValueError):  # missing, or a name that no directory can have
        return []
