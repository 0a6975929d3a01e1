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
from winchester_core.interfaces.json_schema import definition_placeholder
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
            yield from _definition_problems(definition, [index], plugins)
        else:
            message = f"must be a map of event_type and traits, not {describe_kind(definition)}"
            yield make_problem([index], message)


def _definition_problems(
    definition: Mapping[Any, Any], path: ProblemPath, plugins: Mapping[str, type]
) -> Iterator[Invalid]:
    yield from key_problems(definition, path, DEFINITION_KEYS, required=DEFINITION_KEYS)
    if "event_type" in definition:
        item_path = [*path, "event_type"]
        yield from text_or_list_problems(definition["event_type"], item_path, "an event type")
    if "traits" in definition:
        yield from _traits_problems(definition["traits"], [*path, "traits"], plugins)


def _traits_problems(
    traits: Any, path: ProblemPath, plugins: Mapping[str, type]
) -> Iterator[Invalid]:
    if not isinstance(traits, Mapping):
        yield make_problem(
            path, f"must be a map of traits ({{}} for none), not {describe_kind(traits)}"
        )
        return
    for name, setting in traits.items():
        item_path = [*path, name]
        if fault := name_problem(name):
            yield make_problem(
                item_path, f"{fault}; quote a name that YAML would read as another type"
            )
        if isinstance(setting, Mapping):
            yield from _trait_problems(setting, item_path, plugins)
        else:
            yield make_problem(
                item_path, f"must be a map with 'fields', not {describe_kind(setting)}"
            )


def _trait_problems(
    setting: Mapping[Any, Any], path: ProblemPath, plugins: Mapping[str, type]
) -> Iterator[Invalid]:
    yield from key_problems(setting, path, TRAIT_KEYS, required=("fields",))
    if "fields" in setting:
        yield from _fields_problems(setting["fields"], [*path, "fields"])
    if "type" in setting:
        name = setting["type"]
        if not isinstance(name, str) or name not in CONVERTERS:
            yield make_problem([*path, "type"], f"unknown type {with_suggestion(name, CONVERTERS)}")
    if "plugin" in setting:
        yield from plugin_problems(setting["plugin"], [*path, "plugin"], plugins)


def _fields_problems(fields: Any, path: ProblemPath) -> Iterator[Invalid]:
    yield from text_or_list_problems(fields, path, "a field path")
    for item_path, text in texts_with_paths(fields, path):
        if isinstance(text, str) and text:
            try:
                compile_path(text)
            except FieldPathError as error:
                yield make_problem(item_path, str(error))


TEXT = All(str, Length(min=1))
TEXTS = AnyOf(TEXT, All([TEXT], Length(min=1)))
NAME = All(str, Length(min=1, max=MAX_NAME_LENGTH))

TRAIT_FIELDS: dict[Any, Any] = {
    Required(
        "fields",
        description="a path into the notification, or a list of paths; the first with a value is "
        "used",
    ): TEXTS,
    Optional("type", default=DEFAULT_TYPE, description="type of the trait"): In(tuple(CONVERTERS)),
    Optional(
        "plugin", description="trait plugin that computes the value from the values found"
    ): definition_placeholder("trait_plugin"),
}
DEFINITION_FIELDS: dict[Any, Any] = {
    Required(
        "event_type",
        description="a glob, or a list of globs; `!glob` excludes. The last definition that "
        "matches is used",
    ): TEXTS,
    Required("traits", description="a map of trait names to their fields"): {NAME: TRAIT_FIELDS},
}

PLUGIN_FIELDS: dict[Any, Any] = {
    Required("name", description="name of an installed trait plugin, or an alias"): TEXT,
    Optional("parameters", description="parameters of the plugin"): AnyOf(dict, None),
}

TRAIT_KEYS = tuple(str(key.schema) for key in TRAIT_FIELDS)
DEFINITION_KEYS = tuple(str(key.schema) for key in DEFINITION_FIELDS)
PLUGIN_KEYS = tuple(str(key.schema) for key in PLUGIN_FIELDS)

MAX_MESSAGE_LENGTH = 200


def plugin_problems(
    setting: Any, path: ProblemPath, trait_plugins: Mapping[str, type]
) -> Iterator[Invalid]:
    """Require a known plugin and valid parameters, by creating the plugin."""
    if not isinstance(setting, Mapping):
        yield from _name_problems(setting, path, trait_plugins)
        if _is_known(setting, trait_plugins):
            yield from _parameter_problems(PluginEntry(setting), path, trait_plugins)
        return
    yield from key_problems(setting, path, PLUGIN_KEYS, required=("name",))
    if "name" in setting:
        yield from _name_problems(setting["name"], [*path, "name"], trait_plugins)
    yield from _parameters_problems(setting, [*path, "parameters"], trait_plugins)


def _name_problems(name: Any, path: ProblemPath, plugins: Mapping[str, type]) -> Iterator[Invalid]:
    if not _is_known(name, plugins):
        yield make_problem(path, f"unknown trait plugin {with_suggestion(name, plugins)}")


def _parameters_problems(
    setting: Mapping[Any, Any], path: ProblemPath, plugins: Mapping[str, type]
) -> Iterator[Invalid]:
    parameters = setting.get("parameters")
    if parameters is not None and not isinstance(parameters, Mapping):
        yield make_problem(path, f"must be a map, not {describe_kind(parameters)}")
    elif _is_known(setting.get("name"), plugins):
        yield from _parameter_problems(
            PluginEntry(setting["name"], parameters or {}), path, plugins
        )


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


ProblemPath: TypeAlias = list[Any]
"""Path of keys and indexes from the root of the document."""


def make_problem(path: Sequence[Any], message: str) -> Invalid:
    """Return the problem `message` at `path`."""
    return Invalid(message, path=list(path))


def key_problems(
    setting: Mapping[Any, Any],
    path: ProblemPath,
    allowed: tuple[str, ...],
    required: tuple[str, ...],
) -> Iterator[Invalid]:
    """Require all `required` keys; accept only `allowed` keys."""
    for key in setting:
        if key not in allowed:
            yield make_problem([*path, key], f"unknown key {with_suggestion(key, allowed)}")
    for key in required:
        if key not in setting:
            yield make_problem(path, f"required key {key!r} is missing")


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
