"""Schema and validation of event definitions.

The format is StackDistiller's: a list of definitions, each an `event_type` (a glob, `!glob` to
exclude, or a list of them) and `traits` (by name: `fields`, `type`, `plugin`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from voluptuous import All, In, Invalid, Length, MultipleInvalid, Optional, Required
from voluptuous import Any as AnyOf

from winchester_core.distill.field_path import compile_path
from winchester_core.distill.trait import CONVERTERS, DEFAULT_TYPE, PluginEntry
from winchester_core.errors import FieldPathError
from winchester_core.interfaces.json_schema import definition_placeholder, json_schema
from winchester_core.model.event import MAX_NAME_LENGTH, name_problem
from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def validate_definitions(
    document: Any, trait_plugins: Mapping[str, type]
) -> list[Mapping[str, Any]]:
    """Return `document`, the loaded event definitions, if it is valid.

    Raises `voluptuous.MultipleInvalid` with all problems and their paths in the document, or
    `PluginError` if a field path needs packages that are not installed.
    """
    problems = list(_document_problems(document, trait_plugins))
    if problems:
        raise MultipleInvalid(problems)
    definitions: list[Mapping[str, Any]] = document
    return definitions


def _document_problems(document: Any, plugins: Mapping[str, type]) -> Iterator[Invalid]:
    if not isinstance(document, list):
        yield make_problem(
            [], f"must be a list of event definitions, not {describe_kind(document)}"
        )
        return
    for index, definition in enumerate(document):
        if isinstance(definition, Mapping):
            yield from mapping_problems(definition, DEFINITION_FIELDS, [index], plugins)
        else:
            message = f"must be a map of event_type and traits, not {describe_kind(definition)}"
            yield make_problem([index], message)


# Each field is declared once: its key, description and check. A check is a function of a value, its
# path and the trait plugins that yields problems; its annotation is the JSON Schema of the value.

TEXT = All(str, Length(min=1))
TEXTS = AnyOf(TEXT, All([TEXT], Length(min=1)))
NAME = All(str, Length(min=1, max=MAX_NAME_LENGTH))
MAX_MESSAGE_LENGTH = 200

Plugins: TypeAlias = Mapping[str, type]
ProblemPath: TypeAlias = list[Any]
"""Path of keys and indexes from the root of the document."""


@json_schema(TEXTS)
def event_type_problems(value: Any, path: ProblemPath, _plugins: Plugins) -> Iterator[Invalid]:
    """Require an event type, or a list of them."""
    return text_or_list_problems(value, path, "an event type")


@json_schema(TEXTS)
def fields_problems(value: Any, path: ProblemPath, _plugins: Plugins) -> Iterator[Invalid]:
    """Require a field path that can be compiled, or a list of them."""
    yield from text_or_list_problems(value, path, "a field path")
    for item_path, text in texts_with_paths(value, path):
        if isinstance(text, str) and text:
            try:
                compile_path(text)
            except FieldPathError as error:
                yield make_problem(item_path, str(error))


@json_schema(In(tuple(CONVERTERS)))
def type_problems(name: Any, path: ProblemPath, _plugins: Plugins) -> Iterator[Invalid]:
    """Require the type of a trait."""
    if not isinstance(name, str) or name not in CONVERTERS:
        yield make_problem(path, f"unknown type {with_suggestion(name, CONVERTERS)}")


@json_schema(TEXT)
def plugin_name_problems(name: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require the name of an installed trait plugin."""
    if not _is_known(name, plugins):
        yield make_problem(path, f"unknown trait plugin {with_suggestion(name, plugins)}")


@json_schema(AnyOf(dict, None))
def parameters_problems(value: Any, path: ProblemPath, _plugins: Plugins) -> Iterator[Invalid]:
    """Require a mapping, or nothing; the plugin validates its content."""
    if value is not None and not isinstance(value, Mapping):
        yield make_problem(path, f"must be a map, not {describe_kind(value)}")


PLUGIN_FIELDS: dict[Any, Any] = {
    Required(
        "name", description="name of an installed trait plugin, or an alias"
    ): plugin_name_problems,
    Optional("parameters", description="parameters of the plugin"): parameters_problems,
}


@json_schema(definition_placeholder("trait_plugin"))
def plugin_problems(value: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a known plugin and valid parameters, by creating the plugin."""
    if not isinstance(value, Mapping):
        yield from plugin_name_problems(value, path, plugins)
        name, parameters = value, None
    else:
        yield from mapping_problems(value, PLUGIN_FIELDS, path, plugins)
        name, parameters = value.get("name"), value.get("parameters")
        path = [*path, "parameters"]
    if _is_known(name, plugins) and (parameters is None or isinstance(parameters, Mapping)):
        yield from _parameter_problems(PluginEntry(name, parameters or {}), path, plugins)


TRAIT_FIELDS: dict[Any, Any] = {
    Required(
        "fields",
        description="a path into the notification, or a list of paths; the first with a value is "
        "used",
    ): fields_problems,
    Optional("type", default=DEFAULT_TYPE, description="type of the trait"): type_problems,
    Optional(
        "plugin", description="trait plugin that computes the value from the values found"
    ): plugin_problems,
}


@json_schema({NAME: TRAIT_FIELDS})
def traits_problems(traits: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a mapping of names to traits."""
    if not isinstance(traits, Mapping):
        yield make_problem(
            path, f"must be a map of traits ({{}} for none), not {describe_kind(traits)}"
        )
        return
    for name, trait in traits.items():
        item_path = [*path, name]
        if fault := name_problem(name):
            yield make_problem(
                item_path, f"{fault}; quote a name that YAML would read as another type"
            )
        if isinstance(trait, Mapping):
            yield from mapping_problems(trait, TRAIT_FIELDS, item_path, plugins)
        else:
            yield make_problem(
                item_path, f"must be a map with 'fields', not {describe_kind(trait)}"
            )


DEFINITION_FIELDS: dict[Any, Any] = {
    Required(
        "event_type",
        description="a glob, or a list of globs; `!glob` excludes. The last definition that "
        "matches is used",
    ): event_type_problems,
    Required("traits", description="a map of trait names to their fields"): traits_problems,
}


def _parameter_problems(
    entry: PluginEntry, path: ProblemPath, plugins: Mapping[str, type]
) -> Iterator[Invalid]:
    try:
        entry.make_plugin(plugins)
    except MultipleInvalid as problems:
        for invalid in problems.errors:
            yield make_problem([*path, *invalid.path], _parameter_message(entry, invalid, plugins))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's code
        cause = f"{type(error).__name__}: {error}"[:MAX_MESSAGE_LENGTH]
        yield make_problem(path, f"plugin {entry.name!r} refuses its parameters: {cause}")


def _parameter_message(entry: PluginEntry, invalid: Invalid, plugins: Mapping[str, type]) -> str:
    message = f"plugin {entry.name!r}: {invalid.msg}"
    parameter = invalid.path[0] if len(invalid.path) == 1 else None
    schema = getattr(plugins[entry.name], "config_schema", None)
    allowed = getattr(schema, "schema", None)
    if parameter in entry.parameters and isinstance(allowed, dict):
        names = [str(key) for key in allowed]
        if parameter not in names:
            message += f": {with_suggestion(parameter, names)}"
    return message


def _is_known(name: Any, plugins: Mapping[str, type]) -> bool:
    return isinstance(name, str) and name in plugins


def make_problem(path: Sequence[Any], message: str) -> Invalid:
    """Return the problem `message` at `path`."""
    return Invalid(message, path=list(path))


def mapping_problems(
    value: Mapping[Any, Any], fields: Mapping[Any, Any], path: ProblemPath, plugins: Plugins
) -> Iterator[Invalid]:
    """Require the required `fields`, no keys but `fields`, and what their checks require."""
    checks = {str(marker.schema): check for marker, check in fields.items()}
    for key in value:
        if key not in checks:
            yield make_problem([*path, key], f"unknown key {with_suggestion(key, checks)}")
    for marker in fields:
        if isinstance(marker, Required) and marker.schema not in value:
            yield make_problem(path, f"required key {marker.schema!r} is missing")
    for key, check in checks.items():
        if key in value:
            yield from check(value[key], [*path, key], plugins)


def text_or_list_problems(setting: Any, path: ProblemPath, noun: str) -> Iterator[Invalid]:
    """Require a non-empty string, or a non-empty list of them."""
    if setting == []:
        yield make_problem(path, f"must be {noun} or a list of one or more, not an empty list")
    for item_path, text in texts_with_paths(setting, path):
        if not isinstance(text, str) or not text:
            yield make_problem(
                item_path, f"must be {noun} or a list of one or more, not {describe_kind(text)}"
            )


def texts_with_paths(setting: Any, path: ProblemPath) -> list[tuple[ProblemPath, Any]]:
    """Return `setting`, or its items if it is a list, each with its path."""
    if isinstance(setting, list):
        return [([*path, index], item) for index, item in enumerate(setting)]
    return [(path, setting)]


def with_suggestion(name: Any, known: Iterable[str]) -> str:
    """Return a message text: an unknown name, the most similar known name, and all known names."""
    names = sorted(known)
    close = nearest(name, names)
    hint = f"did you mean {close!r}? " if close else ""
    return f"{name!r}; {hint}allowed: {', '.join(names) or 'none'}"


def format_problem(fault: Invalid) -> str:
    """Return a problem as text, for definitions without a file."""
    item_path = ".".join(str(step) for step in fault.path)
    return f"{item_path}: {fault.msg}" if item_path else str(fault.msg)


def describe_kind(value: Any) -> str:
    """Return a description of an invalid value, for a message."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return f"{value!r} ({type(value).__name__})"
