"""Schema and validation of mappings: a map of names to rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from voluptuous import All, In, Invalid, Length, MultipleInvalid, Optional
from voluptuous import Any as AnyOf

from winchester_core.distill.definition_schema import (
    NAME,
    TEXT,
    TEXTS,
    describe_kind,
    make_problem,
    mapping_problems,
    plugin_problems,
    text_or_list_problems,
    texts_with_paths,
    with_suggestion,
)
from winchester_core.distill.optional_import import INSTALL_COMMAND
from winchester_core.errors import FieldPathError, PluginError
from winchester_core.interfaces.json_schema import definition_placeholder, json_schema
from winchester_core.mapping.conditions import EXISTS
from winchester_core.mapping.paths import ROOTS, compile_scoped_path
from winchester_core.mapping.rule_checks import (
    event_key_problems,
    unreachable_problems,
    value_reads_traits,
    value_type_problems,
)
from winchester_core.mapping.templates import Template, TemplateError
from winchester_core.mapping.value_types import CONVERTERS
from winchester_core.model.event import REQUIRED_KEYS, name_problem, storable
from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from winchester_core.distill.definition_schema import Plugins, ProblemPath

BOOLEAN_SCHEMA = bool
SCALAR = AnyOf(str, bool, int, float)


NEEDS_EXTRA = f"a path with wildcards, filters or functions needs: {INSTALL_COMMAND}"


def validate_mappings(document: Any, trait_plugins: Plugins) -> Mapping[str, Any]:
    """Return `document`, the loaded mappings by name, if it is valid.

    Raises `voluptuous.MultipleInvalid` with all problems and their paths in the document.
    """
    problems = list(_document_problems(document, trait_plugins))
    if problems:
        raise MultipleInvalid(problems)
    mappings: Mapping[str, Any] = document
    return mappings


def _document_problems(document: Any, plugins: Plugins) -> Iterator[Invalid]:
    if not isinstance(document, Mapping):
        yield make_problem([], f"must be a map of names to rules, not {describe_kind(document)}")
        return
    for name, rules in document.items():
        if not isinstance(name, str) or not name:
            yield make_problem([name], "the name of a mapping must be text; quote it")
        yield from rules_problems(rules, [name], plugins)


def rules_problems(rules: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a rule or a list of rules."""
    if isinstance(rules, Mapping):
        yield from rule_problems(rules, path, plugins)
        return
    if not isinstance(rules, list) or not rules:
        kind = "an empty list" if rules == [] else describe_kind(rules)
        yield make_problem(path, f"must be a rule or a list of rules, not {kind}")
        return
    for index, rule in enumerate(rules):
        if isinstance(rule, Mapping):
            yield from rule_problems(rule, [*path, index], plugins)
        else:
            allowed = ", ".join(str(key) for key in RULE_FIELDS)
            message = f"must be a map of {allowed}, not {describe_kind(rule)}"
            yield make_problem([*path, index], message)
    yield from unreachable_problems(rules, path)


def rule_problems(
    rule: Mapping[Any, Any], path: ProblemPath, plugins: Plugins
) -> Iterator[Invalid]:
    """Require the keys of a rule: only `when` besides `drop`, else `event_type` and `timestamp`."""
    yield from mapping_problems(rule, RULE_FIELDS, path, plugins)
    if "rules" in rule:
        yield from _problems_besides_rules(rule, path)
        return
    if rule.get("drop"):
        for key in rule:
            if key in RULE_FIELDS and key not in ("drop", "when"):
                yield make_problem([*path, key], "has no effect, because the rule drops messages")
        return
    yield from event_key_problems(rule, path)
    for key in ("event_type", "timestamp"):
        if key not in rule:
            hint = "; for the time of arrival: {now: true}" if key == "timestamp" else ""
            yield make_problem(path, f"required key {key!r} is missing{hint}")


def _problems_besides_rules(rule: Mapping[Any, Any], path: ProblemPath) -> Iterator[Invalid]:
    if "split" not in rule:
        yield make_problem([*path, "rules"], "needs 'split', because it has the rules of elements")
    for key in rule:
        if key in RULE_FIELDS and key not in ("when", "split", "rules"):
            yield make_problem([*path, key], "has no effect besides 'rules': write it in them")


# Each key is declared once: its description and check. A check is a function of a value, its path
# and the trait plugins that yields problems; its annotation is the JSON Schema of the value.


@json_schema(BOOLEAN_SCHEMA)
def boolean_problems(value: Any, path: ProblemPath, _plugins: Plugins) -> Iterator[Invalid]:
    """Require true or false."""
    if not isinstance(value, bool):
        yield make_problem(path, f"must be true or false, not {describe_kind(value)}")


@json_schema(AnyOf(bool))
def true_problems(value: Any, path: ProblemPath, _plugins: Plugins) -> Iterator[Invalid]:
    """Require true."""
    if value is not True:
        yield make_problem(path, f"must be true, or be left out, not {describe_kind(value)}")


@json_schema(TEXT)
def path_problems(value: Any, path: ProblemPath, _plugins: Plugins) -> Iterator[Invalid]:
    """Require a path that can be compiled."""
    if not isinstance(value, str) or not value:
        hint = "" if value in ("", None) else "; quote a path that YAML reads as another type"
        yield make_problem(path, f"must be a path, not {describe_kind(value)}{hint}")
        return
    try:
        compiled = compile_scoped_path(value)
    except FieldPathError as error:
        yield make_problem(path, str(error))
        return
    except PluginError:
        yield make_problem(path, NEEDS_EXTRA)
        return
    first = value.removeprefix("$.").partition(".")[0].partition("[")[0]
    # keys in upper case, such as those of journald, are no misspelt roots
    if compiled.is_plain and first.startswith("_") and first.islower() and first not in ROOTS:
        close = nearest(first, ROOTS)
        if close is not None:
            yield make_problem(path, f"unknown {first!r}; did you mean {close!r}?")


@json_schema(TEXTS)
def fields_problems(value: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a path that can be compiled, or a list of them."""
    yield from text_or_list_problems(value, path, "a path")
    for item_path, text in texts_with_paths(value, path):
        if isinstance(text, str) and text:
            yield from path_problems(text, item_path, plugins)


@json_schema(TEXT)
def template_problems(value: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a template: text with paths in braces."""
    if not isinstance(value, str) or not value:
        yield make_problem(path, f"must be text with paths in braces, not {describe_kind(value)}")
        return
    try:
        template = Template(value)
    except (TemplateError, FieldPathError) as error:
        yield make_problem(path, str(error))
        return
    except PluginError:
        yield make_problem(path, NEEDS_EXTRA)
        return
    for each in template.paths:
        yield from path_problems(each.text, path, plugins)


@json_schema(In(tuple(CONVERTERS)))
def type_problems(name: Any, path: ProblemPath, _plugins: Plugins) -> Iterator[Invalid]:
    """Require the type of a value."""
    if not isinstance(name, str) or name not in CONVERTERS:
        yield make_problem(path, f"unknown type {with_suggestion(name, CONVERTERS)}")


@json_schema(SCALAR)
def constant_problems(value: Any, path: ProblemPath, _plugins: Plugins) -> Iterator[Invalid]:
    """Require a text, number, boolean or datetime that can be stored."""
    if type(value) is date:
        yield make_problem(path, "must not be a date; quote it if text is meant")
        return
    problem = "nothing" if value is None else storable(value)[1]
    if value is None or isinstance(value, list | dict):
        kind = describe_kind(value)
        yield make_problem(path, f"must be a text, number, true or false, not {kind}")
    elif problem is not None:
        yield make_problem(path, problem)


VALUE_FIELDS: dict[Any, Any] = {
    Optional(
        "fields", description="a path, or a list of paths; the first with a value is used"
    ): fields_problems,
    Optional(
        "template",
        description="text with paths in braces, as in `{owner.name}/{name}`; if one "
        "has no value, neither has the template; `{{` and `}}` are braces",
    ): template_problems,
    Optional("constant", description="the value itself"): constant_problems,
    Optional(
        "type",
        description="type of the value (default: that of the JSON value; an object or list needs "
        "the type text)",
    ): type_problems,
    Optional(
        "plugin", description="trait plugin that computes the value from the values found"
    ): plugin_problems,
    Optional("default", description="value if none is found"): constant_problems,
    Optional("lower", description="true: a text is converted to lower case"): true_problems,
}

ID_FIELDS: dict[Any, Any] = {
    **VALUE_FIELDS,
    Optional(
        "derived", description="true: the id is derived from the content if there is no value"
    ): true_problems,
}

TIMESTAMP_FIELDS: dict[Any, Any] = {
    **VALUE_FIELDS,
    Optional(
        "now", description="true: the time of arrival, if there is no `fields` or no value there"
    ): true_problems,
}

SOURCES = ("fields", "template", "constant")


def _value_problems(
    value: Any, fields: Mapping[Any, Any], path: ProblemPath, plugins: Plugins
) -> Iterator[Invalid]:
    if isinstance(value, str):
        yield from path_problems(value, path, plugins)
        return
    if not isinstance(value, Mapping):
        yield make_problem(
            path,
            f"must be a path or a map of {', '.join(map(str, fields))}, not {describe_kind(value)}",
        )
        return
    yield from mapping_problems(value, fields, path, plugins)
    given = [key for key in SOURCES if key in value]
    if len(given) > 1:
        yield make_problem([*path, given[1]], f"must not be combined with {given[0]!r}")
    if not given and "now" not in value:
        yield make_problem(path, f"one of the keys {', '.join(SOURCES)} is missing")
    if "plugin" in value and "fields" not in value:
        yield make_problem([*path, "plugin"], "needs 'fields' with the paths of its values")
    for key in ("type", "default", "lower", "derived"):
        if key in value and "constant" in value:
            yield make_problem([*path, key], "has no effect on a constant")
    yield from value_type_problems(value, path)
    if "now" in value:
        for key in ("constant", "default"):
            if key in value:
                yield make_problem([*path, key], "must not be combined with 'now'")


@json_schema(AnyOf(TEXT, VALUE_FIELDS))
def value_problems(value: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a path, or a map of `VALUE_FIELDS`."""
    return _value_problems(value, VALUE_FIELDS, path, plugins)


@json_schema(AnyOf(TEXT, ID_FIELDS))
def id_problems(value: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a path, or a map of `ID_FIELDS`."""
    return _value_problems(value, ID_FIELDS, path, plugins)


@json_schema(AnyOf(TEXT, TIMESTAMP_FIELDS))
def timestamp_problems(value: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a path, or a map of `TIMESTAMP_FIELDS`."""
    return _value_problems(value, TIMESTAMP_FIELDS, path, plugins)


@json_schema({NAME: value_problems})
def traits_problems(traits: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a map of names to values."""
    if not isinstance(traits, Mapping):
        yield make_problem(path, f"must be a map of traits, not {describe_kind(traits)}")
        return
    for name, value in traits.items():
        item_path = [*path, name]
        if fault := name_problem(name):
            message = f"{fault}; quote a name that YAML would read as another type"
            yield make_problem(item_path, message)
        elif name in REQUIRED_KEYS:
            yield make_problem(item_path, f"is no trait: write {name!r} beside 'traits'")
        if value_reads_traits(value):
            yield make_problem(item_path, "a trait cannot be made of other traits")
        yield from value_problems(value, item_path, plugins)


EXISTS_FIELDS: dict[Any, Any] = {
    Optional(EXISTS, description="whether there is a value that is not null"): boolean_problems
}
TEST_VALUE = AnyOf(str, bool, int, float, None)


@json_schema({TEXT: AnyOf(TEST_VALUE, All([TEST_VALUE], Length(min=1)), EXISTS_FIELDS)})
def when_problems(conditions: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a map of paths to conditions."""
    if not isinstance(conditions, Mapping) or not conditions:
        kind = "an empty map" if conditions == {} else describe_kind(conditions)
        yield make_problem(path, f"must be a map of paths to conditions, not {kind}")
        return
    for text, condition in conditions.items():
        item_path = [*path, text]
        yield from path_problems(text, item_path, plugins)
        if isinstance(condition, Mapping):
            yield from mapping_problems(condition, EXISTS_FIELDS, item_path, plugins)
            if not condition:
                yield make_problem(item_path, "must not be an empty map; allowed: exists")
            continue
        if condition == []:
            yield make_problem(item_path, "must be one or more values, not an empty list")
        for value_path, value in texts_with_paths(condition, item_path):
            if isinstance(value, date | datetime):
                yield make_problem(value_path, "must not be a date; quote it if text is meant")
            elif isinstance(value, list | Mapping):
                yield make_problem(
                    value_path,
                    "must be a constant, a glob or a list of them, or a map of exists, not "
                    f"{describe_kind(value)}",
                )


@json_schema([definition_placeholder("mapping_rule")])
def element_rules_problems(rules: Any, path: ProblemPath, plugins: Plugins) -> Iterator[Invalid]:
    """Require a list of rules that do not split elements again."""
    if not isinstance(rules, list):
        yield make_problem(path, f"must be a list of rules, not {describe_kind(rules)}")
        return
    yield from rules_problems(rules, path, plugins)
    for index, rule in enumerate(rules):
        if isinstance(rule, Mapping) and "split" in rule:
            yield make_problem([*path, index, "split"], "an element cannot be split again")


RULE_FIELDS: dict[Any, Any] = {
    Optional(
        "when",
        description="map of paths to conditions that must all hold: a constant, a glob, a list of "
        "them, or `{exists: true}`; without it the rule applies to every message",
    ): when_problems,
    Optional(
        "drop", description="true: the message is dropped, and counted; no event is made"
    ): true_problems,
    Optional(
        "split",
        description="path of a list: each element makes an event, and paths begin at the element; "
        "`_body` is the whole body, `_element` an element that is not an object. At an object, "
        "paths begin there. Text is read as JSON of a list or an object",
    ): path_problems,
    Optional(
        "rules",
        description="rules of elements, besides `split` only: for each element, the first one that "
        "matches makes its event, or drops it",
    ): element_rules_problems,
    Optional(
        "message_id",
        description="id of the event (default: derived from the body, the headers and the "
        "properties that the rule reads)",
    ): id_problems,
    Optional("event_type", description="type of the event; required without `drop`"): (
        value_problems
    ),
    Optional("timestamp", description="time of the event; required without `drop`"): (
        timestamp_problems
    ),
    Optional("traits", description="map of names of traits to their values"): traits_problems,
}
