"""Parameters of the `notify` handler."""

from __future__ import annotations

import re
from typing import Any

from voluptuous import Any as AnyOf
from voluptuous import In, Invalid, MultipleInvalid, Optional, Required, Schema

from winchester_core.interfaces import event_types, json_schema
from winchester_core.interfaces.params import CheckedSchema, expected, seconds
from winchester_core.interfaces.templates import STREAM_VARIABLES, check_variables, template
from winchester_handlers.notify.service import InvalidTarget, Target, open_service

SENDS = ("stream", "event")
FORMATS = ("text", "markdown", "html")
TYPES = ("info", "success", "warning", "failure")
DEFAULT_TYPES = {"fire": "info", "expire": "warning", "cancel": "success"}
DEFAULT_TITLE = "{{ stream.name }}: {{ reason }}"
TARGET_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
MAX_TIMEOUT_SECONDS = 600


@json_schema(
    type="object",
    minProperties=1,
    propertyNames={"pattern": f"^{TARGET_NAME.pattern}$"},
    additionalProperties={"type": "string", "minLength": 1},
    title="mapping of names to URLs of Apprise",
)
def targets(value: Any) -> dict[str, Target]:
    """Validate names and URLs, and report all problems. No message quotes a URL."""
    if not isinstance(value, dict) or not value:
        raise Invalid("expected a mapping of names to URLs, as in {mail: '${MAIL_URL}'}")
    valid, problems = {}, []
    for name, url in value.items():
        try:
            valid[name] = _target(name, url)
        except Invalid as problem:
            problems.append(problem)
    if problems:
        raise MultipleInvalid(problems)
    return valid


def _target(name: Any, url: Any) -> Target:
    if not isinstance(name, str) or not TARGET_NAME.fullmatch(name):
        raise Invalid("expected a name of 1 to 64 letters, digits and . _ -", [name])
    if isinstance(url, Target):  # validated before
        return url
    if not isinstance(url, str):
        raise Invalid("expected a URL of Apprise as text", [name])
    target = Target(url)
    try:
        open_service(target, 1)
    except InvalidTarget as error:
        raise Invalid(str(error), [name]) from None
    return target


TYPE_BY_REASON = Schema(
    {
        Optional(reason, default=default, description=f"type if the reason is `{reason}`"): In(
            TYPES
        )
        for reason, default in DEFAULT_TYPES.items()
    }
)


@json_schema(AnyOf(In(TYPES), TYPE_BY_REASON))
def message_type(value: Any) -> dict[str, str]:
    """Validate a type of message, or a mapping of reasons to types; return the mapping."""
    if isinstance(value, dict):
        by_reason: dict[str, str] = TYPE_BY_REASON(value)
        return by_reason
    one = expected(f"a type ({', '.join(TYPES)}) or a mapping of reasons to types", In(TYPES))
    return dict.fromkeys(DEFAULT_TYPES, one(value))


def _check(params: Any) -> None:
    """Refuse the variable `event` in templates of messages about a stream."""
    if params["send"] == "event":
        return
    for name in ("title", "body"):
        try:
            check_variables(params[name], STREAM_VARIABLES)
        except Invalid as error:
            raise Invalid(f"{error}; 'event' requires send: event", [name]) from None


NOTIFY_SCHEMA = CheckedSchema(
    {
        Required(
            "targets",
            description=(
                "URLs of Apprise by name, normally from variables; each target has its own order "
                "and retries"
            ),
        ): targets,
        Required("body", description="template of the text; an empty text is not sent"): template(),
        Optional(
            "title", default=DEFAULT_TITLE, description="template of the title, one line"
        ): template(),
        Optional(
            "format",
            default="text",
            description=(
                "format of `body`: `text`, `markdown` or `html` (values are escaped); Apprise "
                "converts it to a format of the service"
            ),
        ): In(FORMATS),
        Optional(
            "type",
            default=lambda: dict(DEFAULT_TYPES),
            description=(
                "`info`, `success`, `warning` or `failure`, or a mapping of `fire`, `expire` and "
                "`cancel` to types; services show it as a colour or an icon"
            ),
        ): message_type,
        Optional(
            "send",
            default="stream",
            description="`stream`: one message for the stream; `event`: one for each event",
        ): In(SENDS),
        Optional(
            "event_types",
            default=lambda: ["*"],
            description=(
                "which events: a glob or a list of globs of event types, `!glob` excludes; no "
                "message if no event matches"
            ),
        ): event_types,
        Optional(
            "timeout",
            default=30,
            description="maximum seconds of an attempt with all its requests",
        ): seconds(maximum=MAX_TIMEOUT_SECONDS, over_minimum=True),
    },
    _check,
)
