"""The JSON Schema of each YAML file, whole: made anew of what is installed when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from voluptuous import Schema

from winchester_core.config.case_fields import CASES_SCHEMA
from winchester_core.config.pipelines import ENTRY_SCHEMA
from winchester_core.config.schema import SETTINGS_SCHEMA, SOURCE_SCHEMA
from winchester_core.config.trigger_fields import TRIGGER_SCHEMA
from winchester_core.config.triggers import PIPELINE_KEYS
from winchester_core.criteria.compiler import FIRE_FIELDS, MATCH_FIELDS
from winchester_core.distill.definition_fields import DEFINITION_FIELDS, PLUGIN_FIELDS
from winchester_core.interfaces.json_schema import definition_reference
from winchester_core.plugins import EVENT_SOURCES, HANDLERS, TRAIT_PLUGINS
from winchester_core.schemas.choice import by_name, name_of
from winchester_core.schemas.conversion import json_schema_of
from winchester_core.schemas.criteria import demand
from winchester_core.schemas.hover import with_defaults_told
from winchester_core.schemas.plugins import named
from winchester_core.schemas.variables import DEFINITION, VARIABLE, with_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.config.aliases import Aliases

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""The newest that VS Code's YAML support knows; later drafts it knows in parts."""


def schema_of(document: str, aliases: Aliases) -> dict[str, Any]:
    """The schema of a document, one of `DOCUMENTS`.

    `aliases` are further names of plugins, which a configuration gives them.
    """
    definitions = DOCUMENTS[document](aliases)
    whole = definitions.pop(document)
    done = with_variables(with_defaults_told({**whole, "definitions": definitions}))
    done["definitions"][DEFINITION] = VARIABLE
    return {"$schema": DRAFT, "title": TITLES[document], **done}


def _winchester(aliases: Aliases) -> dict[str, Any]:
    settings = json_schema_of(SETTINGS_SCHEMA)
    source = by_name(json_schema_of(SOURCE_SCHEMA), "source", "params", list(named(EVENT_SOURCES)))
    return {
        "winchester": {**settings, "required": ["database"]},
        "event_source": source,
        **_triggers(aliases),
        **_pipelines(aliases),
        **_event_definitions(aliases),
    }


def _triggers(_aliases: Aliases) -> dict[str, Any]:
    trigger = json_schema_of(TRIGGER_SCHEMA)
    acting = [{"required": [key], "properties": {key: {"type": "string"}}} for key in PIPELINE_KEYS]
    return {
        "triggers": _nothing_or("array", items=definition_reference("trigger")),
        "trigger": {**trigger, "anyOf": acting},
        "match_criterion": json_schema_of(MATCH_FIELDS),
        "fire_criterion": json_schema_of(FIRE_FIELDS),
        "predicate": demand(),
    }


def _pipelines(aliases: Aliases) -> dict[str, Any]:
    handlers = {"type": "array", "items": definition_reference("handler")}
    return {
        "pipelines": _nothing_or("object", additionalProperties=handlers),
        "handler": _plugin(ENTRY_SCHEMA, "params", HANDLERS, aliases.handlers),
    }


def _event_definitions(aliases: Aliases) -> dict[str, Any]:
    entry = Schema(PLUGIN_FIELDS)
    return {
        "event_definitions": _nothing_or("array", items=definition_reference("event_definition")),
        "event_definition": json_schema_of(DEFINITION_FIELDS),
        "trait_plugin": _plugin(entry, "parameters", TRAIT_PLUGINS, aliases.trait_plugins),
    }


def _cases(_aliases: Aliases) -> dict[str, Any]:
    return {"cases": json_schema_of(CASES_SCHEMA)}


def _plugin(
    entry: Schema, params_key: str, group: str, aliases: Mapping[str, str]
) -> dict[str, Any]:
    """A plugin's name, where that will do, or a mapping of it and the parameters."""
    choices = list(named(group, aliases))
    alone = name_of([each for each in choices if each.stands_alone])
    return {"anyOf": [alone, by_name(json_schema_of(entry), "name", params_key, choices)]}


def _nothing_or(kind: str, **keywords: Any) -> dict[str, Any]:
    return {"type": [kind, "null"], **keywords}


DOCUMENTS: Final[Mapping[str, Callable[[Aliases], dict[str, Any]]]] = {
    "winchester": _winchester,
    "triggers": _triggers,
    "pipelines": _pipelines,
    "event_definitions": _event_definitions,
    "cases": _cases,
}
"""Name of a document to what makes the definitions that its schema consists of."""

TITLES: Final = {
    "winchester": "The settings of Winchester",
    "triggers": "Triggers of Winchester",
    "pipelines": "Pipelines of Winchester",
    "event_definitions": "Event definitions of Winchester",
    "cases": "Cases by which triggers of Winchester are tested",
}
