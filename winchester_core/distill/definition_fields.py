"""The keys of an event definition and of what is in it: what each means, and what it takes."""

from __future__ import annotations

from typing import Any

from voluptuous import All, In, Length, Optional, Required
from voluptuous import Any as AnyOf

from winchester_core.distill.datatypes import CONVERTERS, DEFAULT_TYPE
from winchester_core.interfaces.json_schema import definition_placeholder
from winchester_core.model.event import MAX_NAME_LENGTH

TEXT = All(str, Length(min=1))
TEXTS = AnyOf(TEXT, All([TEXT], Length(min=1)))
NAME = All(str, Length(min=1, max=MAX_NAME_LENGTH))

TRAIT_FIELDS: dict[Any, Any] = {
    Required(
        "fields",
        description="a path into the notification, or a list of them: the first found counts",
    ): TEXTS,
    Optional("type", default=DEFAULT_TYPE, description="what the trait is converted to"): In(
        tuple(CONVERTERS)
    ),
    Optional(
        "plugin", description="what computes the trait from what was found"
    ): definition_placeholder("trait_plugin"),
}
DEFINITION_FIELDS: dict[Any, Any] = {
    Required(
        "event_type",
        description="a glob, or a list of globs; `!glob` excludes. The last definition counts",
    ): TEXTS,
    Required("traits", description="a map of a trait's name to where it is found"): {
        NAME: TRAIT_FIELDS
    },
}

PLUGIN_FIELDS: dict[Any, Any] = {
    Required("name", description="a trait plugin that is installed, or a local name"): TEXT,
    Optional("parameters", description="what the plugin's own schema takes"): AnyOf(dict, None),
}

TRAIT_KEYS = tuple(str(key.schema) for key in TRAIT_FIELDS)
DEFINITION_KEYS = tuple(str(key.schema) for key in DEFINITION_FIELDS)
PLUGIN_KEYS = tuple(str(key.schema) for key in PLUGIN_FIELDS)
