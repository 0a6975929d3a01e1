"""Parameters of the `atompub` handler."""

from __future__ import annotations

from math import isfinite
from typing import Any

from voluptuous import In, Invalid, Optional, Required, Schema

from winchester_core.interfaces import event_types, json_schema
from winchester_core.interfaces.params import TEXT, optional, seconds
from winchester_handlers.http_posting import http_url

JSON, CUF_XML = "json", "cuf_xml"
OWN_TRAITS = ("message_id", "event_type", "timestamp")


@json_schema(
    type="object",
    propertyNames={"not": {"enum": list(OWN_TRAITS)}},
    additionalProperties={"type": ["string", "number", "boolean"]},
    title="mapping of traits to values",
)
def extra_info(value: Any) -> dict[str, Any]:
    """Validate traits to add to every published event."""
    if not isinstance(value, dict):
        raise Invalid("expected a mapping of traits to values")
    for name, trait in value.items():
        if not isinstance(name, str) or name in OWN_TRAITS:
            own = ", ".join(OWN_TRAITS)
            raise Invalid(f"expected the name of a trait other than {own}", [name])
        is_number = isinstance(trait, (int, float)) and isfinite(trait)
        if not (is_number or isinstance(trait, str)):
            raise Invalid("expected text, a number, true or false", [name])
    return value


ATOMPUB_SCHEMA = Schema(
    {
        Required("url", description="the collection that entries are posted to"): http_url,
        Optional(
            "event_types",
            default=lambda: ["*"],
            description="which events: a glob or a list of globs of event types, `!glob` excludes",
        ): event_types,
        Optional(
            "extra_info",
            default=dict,
            description=(
                "traits that are added to each event; `cuf_xml` takes `data_center` and `region` "
                "from them"
            ),
        ): extra_info,
        Optional(
            "content_format",
            default=JSON,
            description=(
                "`json`: the traits as a JSON object; `cuf_xml`: the usage of a server, with "
                "`.cuf` appended to the published type"
            ),
        ): In((JSON, CUF_XML)),
        Optional(
            "title", default=None, description="title of each entry (default: the published type)"
        ): optional(TEXT),
        Optional(
            "categories",
            default=list,
            description=(
                "terms of each entry, besides the published type and, if the event has one, "
                "`original_message_id:` and the id"
            ),
        ): [TEXT],
        Optional("auth_user", default="", description="user of the identity service"): str,
        Optional("auth_key", default="", description="API key of `auth_user`"): str,
        Optional(
            "auth_server",
            default=None,
            description="URL of the identity service; if it is missing, no token is sent",
        ): optional(http_url),
        Optional(
            "wait_interval",
            default=30,
            description="seconds until a retry, multiplied by the number of attempts",
        ): seconds(),
        Optional(
            "max_wait", default=600, description="maximum wait before a retry, in seconds"
        ): seconds(),
        Optional(
            "http_timeout",
            default=120,
            description="timeout in seconds, for connecting and then for the whole request",
        ): seconds(over_minimum=True),
    }
)
