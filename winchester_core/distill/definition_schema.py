"""What a valid file of event definitions is.

The format is StackDistiller's: a list of definitions, each an `event_type` (a glob, `!glob` to
exclude, or a list of them) and `traits` (by name: `fields`, `type`, `plugin`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voluptuous import Invalid, MultipleInvalid

from winchester_core.distill.datatypes import CONVERTERS
from winchester_core.distill.definition_fields import DEFINITION_KEYS, TRAIT_KEYS
from winchester_core.distill.field_path import compile_path
from winchester_core.distill.plugin_schema import plugin_problems
from winchester_core.distill.problems import (
    Path,
    key_problems,
    kind,
    problem,
    text_or_list_problems,
    text_places,
    with_nearest,
)
from winchester_core.errors import FieldPathError
from winchester_core.model.event import name_problem


def validate_definitions(
    document: Any, trait_plugins: Mapping[str, type]
) -> list[Mapping[str, Any]]:
    """Return `document`, a loaded file of event definitions, when it is valid.

    Raises `voluptuous.MultipleInvalid` with every problem; the path of each leads to its place
    in the document. Raises `PluginError` when a field path needs packages that are absent.
    """
    problems = list(_document_problems(document, trait_plugins))
    if problems:
        raise MultipleInvalid(problems)
    definitions: list[Mapping[str, Any]] = document
    return definitions


def _document_problems(document: Any, plugins: Mapping[str, type]) -> Iterator[Invalid]:
    if not isinstance(document, list):
        yield problem([], f"must be a list of event definitions, not {kind(document)}")
        return
    for index, definition in enumerate(document):
        if isinstance(definition, Mapping):
            yield from _definition_problems(definition, [index], plugins)
        else:
            message = f"must be a map of event_type and traits, not {kind(definition)}"
            yield problem([index], message)


def _definition_problems(
    definition: Mapping[Any, Any], path: Path, plugins: Mapping[str, type]
) -> Iterator[Invalid]:
    yield from key_problems(definition, path, DEFINITION_KEYS, required=DEFINITION_KEYS)
    if "event_type" in definition:
        place = [*path, "event_type"]
        yield from text_or_list_problems(definition["event_type"], place, "an event type")
    if "traits" in definition:
        yield from _traits_problems(definition["traits"], [*path, "traits"], plugins)


def _traits_problems(traits: Any, path: Path, plugins: Mapping[str, type]) -> Iterator[Invalid]:
    if not isinstance(traits, Mapping):
        yield problem(path, f"must be a map of traits ({{}} for none), not {kind(traits)}")
        return
    for name, setting in traits.items():
        place = [*path, name]
        if fault := name_problem(name):
            yield problem(place, f"{fault}; a name that YAML takes for something else needs quotes")
        if isinstance(setting, Mapping):
            yield from _trait_problems(setting, place, plugins)
        else:
            yield problem(place, f"must be a map with 'fields', not {kind(setting)}")


def _trait_problems(
    setting: Mapping[Any, Any], path: Path, plugins: Mapping[str, type]
) -> Iterator[Invalid]:
    yield from key_problems(setting, path, TRAIT_KEYS, required=("fields",))
    if "fields" in setting:
        yield from _fields_problems(setting["fields"], [*path, "fields"])
    if "type" in setting:
        name = setting["type"]
        if not isinstance(name, str) or name not in CONVERTERS:
            yield problem([*path, "type"], f"unknown type {with_nearest(name, CONVERTERS)}")
    if "plugin" in setting:
        yield from plugin_problems(setting["plugin"], [*path, "plugin"], plugins)


def _fields_problems(fields: Any, path: Path) -> Iterator[Invalid]:
    yield from text_or_list_problems(fields, path, "a field path")
    for place, text in text_places(fields, path):
        if isinstance(text, str) and text:
            try:
                compile_path(text)
            except FieldPathError as error:
                yield problem(place, str(error))
