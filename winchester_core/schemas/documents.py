"""JSON Schema of each YAML file, including the parameters of installed plugins."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from voluptuous import Schema

from winchester_core.config.cases import CASES_SCHEMA
from winchester_core.config.pipelines import HANDLER_ENTRY_SCHEMA
from winchester_core.config.settings import SETTINGS_SCHEMA, SOURCE_SCHEMA
from winchester_core.config.triggers import PIPELINE_KEYS, TRIGGER_SCHEMA
from winchester_core.criteria.compiler import CANCEL_FIELDS, FIRE_FIELDS, MATCH_FIELDS
from winchester_core.criteria.conditions.typed_condition import parse_constant
from winchester_core.distill.definition_schema import DEFINITION_FIELDS, PLUGIN_FIELDS
from winchester_core.interfaces.json_schema import definition_reference
from winchester_core.mapping.schema import RULE_FIELDS
from winchester_core.plugins import CONDITIONS, EVENT_SOURCES, HANDLERS, TRAIT_PLUGINS
from winchester_core.schemas.conversion import json_schema_of
from winchester_core.schemas.parameters import plugin_variants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.config.plugin_entries import PluginAliases
    from winchester_core.schemas.parameters import PluginVariant


def with_plugin_variants(
    mapping: dict[str, Any], name_key: str, params_key: str, variants: Sequence[PluginVariant]
) -> dict[str, Any]:
    """Return the schema `mapping` with the plugins' names in `name_key` and their parameters."""
    properties = mapping["properties"]
    name = {**properties[name_key], **plugin_name_schema(variants)}
    name.pop("minLength", None)
    return {
        **mapping,
        "properties": {**properties, name_key: name},
        "allOf": [_variant_rule(name_key, params_key, each) for each in variants],
    }


def plugin_name_schema(variants: Sequence[PluginVariant]) -> dict[str, Any]:
    """Return the schema of a plugin's name; VS Code shows the `enumDescriptions`."""
    return {
        "enum": [each.name for each in variants],
        "enumDescriptions": [each.description for each in variants],
    }


def _variant_rule(name_key: str, params_key: str, variant: PluginVariant) -> dict[str, Any]:
    params = variant.schema
    if variant.is_name_sufficient and params.get("type") == "object":
        params = {**params, "type": ["object", "null"]}
    then: dict[str, Any] = {
        "properties": {params_key: {**params, "description": variant.description}}
    }
    if not variant.is_name_sufficient:
        then["required"] = [params_key]
    return {
        "if": {"properties": {name_key: {"const": variant.name}}, "required": [name_key]},
        "then": then,
    }


Transform: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

NAMED_SUBSCHEMA_KEYS: Final = ("properties", "definitions")
SUBSCHEMA_KEYS: Final = ("items", "additionalProperties", "then")
SUBSCHEMA_LIST_KEYS: Final = ("anyOf", "allOf")


def map_subschemas(
    schema: dict[str, Any], transform_nested: Transform, transform_alternative: Transform
) -> dict[str, Any]:
    """Return a copy of `schema` with its subschemas transformed.

    `transform_alternative` is applied to the alternatives in `anyOf` and the like, and
    `transform_nested` to the others. Conditions (`if`) and schemas of keys are copied unchanged.
    """
    result = dict(schema)
    for key in NAMED_SUBSCHEMA_KEYS:
        if key in result:
            result[key] = {name: transform_nested(each) for name, each in result[key].items()}
    for key in SUBSCHEMA_KEYS:
        if isinstance(result.get(key), dict):
            result[key] = transform_nested(result[key])
    for key in SUBSCHEMA_LIST_KEYS:
        if key in result:
            result[key] = [transform_alternative(each) for each in result[key]]
    return result


def with_default_descriptions(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of `schema` in which every description includes the default."""
    result = map_subschemas(schema, with_default_descriptions, with_default_descriptions)
    if "default" in result:
        default_text = f"Default: {json.dumps(result['default'], ensure_ascii=False)}"
        description = result.get("description")
        result["description"] = f"{description}\n\n{default_text}" if description else default_text
    return result


# `${NAME}` instead of a value. The editor does not know the value of the environment variable, so
# it accepts the reference instead of any text, number or boolean.

VARIABLE_DEFINITION: Final = "variable"
VARIABLE_REFERENCE: Final = {"$ref": f"#/definitions/{VARIABLE_DEFINITION}"}
VARIABLE: Final[dict[str, Any]] = {
    "title": "environment variable",
    "description": "`${NAME}` or `${NAME:-default}` within a text",
    "type": "string",
    "pattern": r"(^|[^$])\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}",
}

SCALARS: Final = frozenset({"string", "number", "integer", "boolean"})
TEXT_CONSTRAINTS: Final = frozenset({"pattern", "maxLength", "enum", "const", "allOf", "not"})
"""Keywords that may reject a reference to a variable, although the variable's value is valid."""

MIN_REFERENCE_LENGTH: Final = len("${N}")

ANNOTATION_KEYS: Final = ("title", "description", "default")


def with_variables(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of `schema` that accepts references to variables instead of scalars."""
    nested = _with_nested_variables(schema)
    if not _needs_variable(nested):
        return nested
    annotations: dict[str, Any] = {key: nested[key] for key in ANNOTATION_KEYS if key in nested}
    rest = {key: value for key, value in nested.items() if key not in annotations}
    alternatives = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    return {**annotations, "anyOf": [*alternatives, VARIABLE_REFERENCE]}


def _with_nested_variables(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of `schema` that accepts references to variables in nested values."""
    return map_subschemas(schema, with_variables, _with_nested_variables)


def _needs_variable(schema: dict[str, Any]) -> bool:
    alternatives = schema.get("anyOf", [schema])
    return any(map(_accepts_scalars, alternatives)) and not any(
        map(_accepts_any_text, alternatives)
    )


def _accepts_scalars(schema: dict[str, Any]) -> bool:
    if types_of(schema) & SCALARS or schema.keys() & {"enum", "const"}:
        return True
    return any(map(_accepts_scalars, schema.get("allOf", [])))


def _accepts_any_text(schema: dict[str, Any]) -> bool:
    if "string" in types_of(schema):
        return (
            not schema.keys() & TEXT_CONSTRAINTS
            and schema.get("minLength", 0) <= MIN_REFERENCE_LENGTH
        )
    return not schema.keys() - set(ANNOTATION_KEYS)


def types_of(schema: dict[str, Any]) -> set[str]:
    """Return the types of a schema; an empty set if it does not restrict them."""
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else set(types)


PREDICATE = definition_reference("predicate")
PREDICATES = {"type": "array", "items": PREDICATE, "minItems": 1}
COMBINATIONS: dict[str, dict[str, Any]] = {
    "not": {**PREDICATE},
    "any": PREDICATES,
    "all": PREDICATES,
}


def predicate_schema() -> dict[str, Any]:
    """Return the schema of a predicate: a constant, or one condition's name and expression."""
    conditions = COMBINATIONS | {
        each.name: {**each.schema, "description": each.description}
        for each in plugin_variants(CONDITIONS)
    }
    condition = {
        "type": "object",
        "title": "condition",
        "properties": conditions,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [json_schema_of(parse_constant), condition]}


DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""The latest draft that VS Code's YAML support implements completely."""


def schema_of(document: str, aliases: PluginAliases) -> dict[str, Any]:
    """Return the schema of a document, one of `DOCUMENTS`.

    `aliases` are the local names of plugins in a configuration.
    """
    definitions = DOCUMENTS[document](aliases)
    root = definitions.pop(document)
    result = with_variables(with_default_descriptions({**root, "definitions": definitions}))
    result["definitions"][VARIABLE_DEFINITION] = VARIABLE
    return {"$schema": DRAFT, "title": TITLES[document], **result}


def _settings_schemas(aliases: PluginAliases) -> dict[str, Any]:
    settings = json_schema_of(SETTINGS_SCHEMA)
    source = with_plugin_variants(
        json_schema_of(SOURCE_SCHEMA), "source", "params", list(plugin_variants(EVENT_SOURCES))
    )
    return {
        "winchester": {**settings, "required": ["database"]},
        "event_source": source,
        **_trigger_schemas(aliases),
        **_pipeline_schemas(aliases),
        **_event_definition_schemas(aliases),
        **_mapping_schemas(aliases),
    }


def _trigger_schemas(_aliases: PluginAliases) -> dict[str, Any]:
    trigger = json_schema_of(TRIGGER_SCHEMA)
    pipeline_required = [
        {"required": [key], "properties": {key: {"type": "string"}}} for key in PIPELINE_KEYS
    ]
    return {
        "triggers": _nullable("array", items=definition_reference("trigger")),
        "trigger": {**trigger, "anyOf": pipeline_required},
        "match_criterion": json_schema_of(MATCH_FIELDS),
        "cancel_criterion": json_schema_of(CANCEL_FIELDS),
        "fire_criterion": json_schema_of(FIRE_FIELDS),
        "predicate": predicate_schema(),
    }


def _pipeline_schemas(aliases: PluginAliases) -> dict[str, Any]:
    handlers = {"type": "array", "items": definition_reference("handler")}
    return {
        "pipelines": _nullable("object", additionalProperties=handlers),
        "handler": _plugin_entry(HANDLER_ENTRY_SCHEMA, "params", HANDLERS, aliases.handlers),
    }


def _event_definition_schemas(aliases: PluginAliases) -> dict[str, Any]:
    return {
        "event_definitions": _nullable("array", items=definition_reference("event_definition")),
        "event_definition": json_schema_of(DEFINITION_FIELDS),
        "trait_plugin": _trait_plugin_schema(aliases),
    }


def _mapping_schemas(aliases: PluginAliases) -> dict[str, Any]:
    rule = definition_reference("mapping_rule")
    rules = {"anyOf": [{"type": "array", "items": rule, "minItems": 1}, rule]}
    return {
        "mappings": _nullable("object", additionalProperties=rules),
        "mapping_rule": {
            **json_schema_of(RULE_FIELDS),
            "anyOf": [
                {"required": keys}
                for keys in (["drop"], ["split", "rules"], ["event_type", "timestamp"])
            ],
        },
        "trait_plugin": _trait_plugin_schema(aliases),
    }


def _trait_plugin_schema(aliases: PluginAliases) -> dict[str, Any]:
    entry = Schema(PLUGIN_FIELDS)
    return _plugin_entry(entry, "parameters", TRAIT_PLUGINS, aliases.trait_plugins)


def _plugin_entry(
    entry: Schema, params_key: str, group: str, aliases: Mapping[str, str]
) -> dict[str, Any]:
    """Return the schema of an entry: a plugin's name, or a mapping with its parameters."""
    variants = list(plugin_variants(group, aliases))
    name_only = plugin_name_schema([each for each in variants if each.is_name_sufficient])
    return {
        "anyOf": [
            name_only,
            with_plugin_variants(json_schema_of(entry), "name", params_key, variants),
        ]
    }


def _nullable(kind: str, **keywords: Any) -> dict[str, Any]:
    return {"type": [kind, "null"], **keywords}


DOCUMENTS: Final[Mapping[str, Callable[[PluginAliases], dict[str, Any]]]] = {
    "winchester": _settings_schemas,
    "triggers": _trigger_schemas,
    "pipelines": _pipeline_schemas,
    "event_definitions": _event_definition_schemas,
    "mappings": _mapping_schemas,
    "cases": lambda _aliases: {"cases": json_schema_of(CASES_SCHEMA)},
}
"""Mapping from a document's name to the function that returns its schema's definitions."""

TITLES: Final = {
    "winchester": "The settings of Winchester",
    "triggers": "Triggers of Winchester",
    "pipelines": "Pipelines of Winchester",
    "event_definitions": "Event definitions of Winchester",
    "mappings": "Mappings of Winchester",
    "cases": "Test cases of triggers of Winchester",
}
