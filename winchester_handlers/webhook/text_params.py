"""Parameters of the webhook handler for a body that is the text of a template."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, Optional

from winchester_core.interfaces import json_schema
from winchester_core.interfaces.params import optional
from winchester_core.interfaces.templates import (
    EVENT_VARIABLES,
    STREAM_VARIABLES,
    check_keys,
    check_variables,
    template,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
CONTENT_TYPE = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(; ?[A-Za-z0-9.-]+=[A-Za-z0-9.-]+)?")


@json_schema(type="string", pattern=rf"^{CONTENT_TYPE.pattern}$", title="media type")
def content_type(value: Any) -> str:
    """Validate a media type with parameters."""
    if isinstance(value, str) and CONTENT_TYPE.fullmatch(value):
        return value
    raise Invalid("expected a media type, such as application/json or text/plain; charset=utf-8")


@json_schema(
    type="object",
    propertyNames={"pattern": f"^{SECRET_NAME.pattern}$"},
    additionalProperties={"type": "string", "minLength": 1},
    title="mapping of names to secrets",
)
def secrets(value: Any) -> dict[str, str]:
    """Validate secrets by name. Messages do not quote them."""
    if not isinstance(value, dict):
        raise Invalid("expected a mapping of names to secrets")
    for name, text in value.items():
        if not isinstance(name, str) or not SECRET_NAME.fullmatch(name):
            raise Invalid("expected a name of letters, digits and _", [name])
        if not isinstance(text, str) or not text:
            raise Invalid("expected text, normally from a variable", [name])
    return value


def check_combination(params: Mapping[str, Any]) -> None:
    """Refuse parameters that have no effect, and templates of a stream that read an event."""
    if params["body"] is None:
        for name in ("path", "secrets"):
            if params[name]:
                raise Invalid("has an effect only with a body", [name])
        return
    if params["format"] != "json":
        raise Invalid("has no effect with a body: the template is the format", ["format"])
    if params["path"] is not None and re.search("[?#]", params["url"]):
        raise Invalid("expected a URL without ? and #, to which the path is added", ["url"])
    own = STREAM_VARIABLES if params["send"] == "stream" else EVENT_VARIABLES
    for name, variables in (("body", (*own, "secrets")), ("path", own)):
        try:
            check_variables(params[name] or "", variables)
        except Invalid as error:
            raise Invalid(str(error), [name]) from None
    try:
        check_keys(params["body"], "secrets", params["secrets"])
    except Invalid as error:
        raise Invalid(str(error), ["body"]) from None


TEXT_PARAMETERS = {
    Optional(
        "body",
        default=None,
        description=(
            "template of the body, instead of `format`; needs the extra `templates`. The text "
            "is stored with the effect"
        ),
    ): optional(template((*EVENT_VARIABLES, "secrets"))),
    Optional(
        "content_type",
        default="application/json",
        description="media type of `body`; if it is JSON, the text must be JSON",
    ): content_type,
    Optional(
        "secrets",
        default=dict,
        description=(
            "secrets for `body` by name, normally from variables; `{{ secrets.NAME }}` is "
            "replaced at each attempt and not stored"
        ),
    ): secrets,
    Optional(
        "path",
        default=None,
        description=(
            "template of a text that is added to `url`, as in "
            "`/alerts/{{ stream.id }}/close`; only with `body`"
        ),
    ): optional(template()),
}
