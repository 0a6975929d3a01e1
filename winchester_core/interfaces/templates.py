"""Text templates of handlers: variables of a stream, validator of a parameter, bounded rendering.

Rendering requires Jinja2, which the extra `templates` installs. It is imported on first use, so
that a handler whose templates are optional works without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from voluptuous import Invalid

from winchester_core.distribution import install_command
from winchester_core.errors import WinchesterError
from winchester_core.interfaces.json_schema import json_schema
from winchester_core.suggestions import nearest, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from winchester_core.model.event import Event

__all__ = [
    "EVENT_VARIABLES",
    "MAX_OUTPUT_BYTES",
    "STREAM_VARIABLES",
    "TemplateFailed",
    "check_keys",
    "check_variables",
    "event_variables",
    "message_variables",
    "range_to_mapping",
    "render",
    "stream_variables",
    "template",
]

MAX_SOURCE_CHARACTERS: Final = 65_536
MAX_OUTPUT_BYTES: Final = 65_536
"""Maximum size of the result of a template in UTF-8."""

STREAM_VARIABLES: Final = ("stream", "events", "first", "last", "reason", "stream_url")
"""Names of the variables that `stream_variables` returns."""
STREAM_KEYS: Final = (
    "id",
    "name",
    "distinguished_by",
    "url",
    "time",
    "begin",
    "end",
    "duration",
    "count",
)
"""Keys of the variable `stream`."""
EVENT_VARIABLES: Final = (*STREAM_VARIABLES, "event")
"""Names of the variables that `event_variables` returns."""


class TemplateFailed(WinchesterError):  # noqa: N818 - a run fails with it
    """A template cannot be rendered. `line` counts from 1, or is None if it is unknown."""

    def __init__(self, parameter: str, line: int | None, reason: str) -> None:
        self.parameter, self.line, self.reason = parameter, line, reason
        place = f"the template {parameter!r}" + (f", line {line}" if line else "")
        super().__init__(f"{place}: {reason}")


def template(variables: Sequence[str] = EVENT_VARIABLES) -> Callable[[Any], str]:
    """Return a validator for the text of a template that reads these `variables`.

    It compiles the template. Raises `voluptuous.Invalid` with the line of a syntax error, unknown
    filter or unknown variable.
    """

    @json_schema(type="string", minLength=1, maxLength=MAX_SOURCE_CHARACTERS, title="template")
    def check_template(value: Any) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= MAX_SOURCE_CHARACTERS:
            raise Invalid(f"expected a template: text of 1 to {MAX_SOURCE_CHARACTERS} characters")
        _compile(value)
        check_variables(value, variables)
        return value

    return check_template


def _compile(source: str) -> None:
    try:
        from jinja2 import TemplateSyntaxError

        from winchester_core.interfaces.template_environment import compiled
    except ImportError as error:
        needed = error.name or "Jinja2"
        raise Invalid(f"templates need {needed}: {install_command('templates')}") from None
    try:
        compiled(source)
    except TemplateSyntaxError as error:
        raise Invalid(f"line {error.lineno} of the template: {error.message}") from None
    except RecursionError:
        raise Invalid("the template is nested too deeply") from None


def check_variables(source: str, variables: Sequence[str]) -> None:
    """Raise `voluptuous.Invalid` if a valid template reads a variable that is not listed.

    Also if it reads a key of `stream` that does not exist.
    """
    from winchester_core.interfaces.template_environment import undeclared_variables

    for name, line in undeclared_variables(source).items():
        if name not in variables:
            close = nearest(name, variables)
            hint = f"did you mean {close!r}?" if close else f"variables: {', '.join(variables)}"
            raise Invalid(f"line {line} of the template: no variable is named {name!r}; {hint}")
    if set(STREAM_VARIABLES) <= set(variables):
        check_keys(source, "stream", STREAM_KEYS)


def check_keys(source: str, variable: str, known: Collection[str]) -> None:
    """Raise `voluptuous.Invalid` if a valid template reads another key of a variable than these."""
    from winchester_core.interfaces.template_environment import unknown_key

    unknown = unknown_key(source, variable, known)
    if unknown is not None:
        key, line = unknown
        hint = suggestion(key, known, "keys")
        raise Invalid(f"line {line} of the template: {variable!r} has no key {key!r}; {hint}")


def stream_variables(events: Sequence[Event], env: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of a template for a stream.

    `events` are at least one, in order, and `env` is that of the run.
    """
    first, last = events[0], events[-1]
    stream = {
        "id": env["stream_id"],
        "name": env["stream_name"],
        "distinguished_by": {
            name: range_to_mapping(value) for name, value in env["distinguished_by"].items()
        },
        "url": env["stream_url"],
        "time": env["stream_time"],
        "begin": first["timestamp"],
        "end": last["timestamp"],
        "duration": last["timestamp"] - first["timestamp"],
        "count": len(events),
    }
    return {
        "stream": stream,
        "events": list(events),
        "first": first,
        "last": last,
        "reason": env["reason"],
        "stream_url": env["stream_url"],
    }


def event_variables(
    event: Event, events: Sequence[Event], env: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the variables of a template for one of the `events` of a stream."""
    return {**stream_variables(events, env), "event": event}


def message_variables(
    events: Sequence[Event], env: Mapping[str, Any], send: str
) -> list[dict[str, Any]]:
    """Return the variables of each message about `events`: one (`stream`), or one for each event.

    There are none without events.
    """
    if send == "event":
        return [event_variables(event, events, env) for event in events]
    return [stream_variables(events, env)] if events else []


def range_to_mapping(value: Any) -> Any:
    """Return a time range as a mapping of `begin` and `end`; any other value unchanged."""
    if hasattr(value, "begin"):
        return {"begin": value.begin, "end": value.end}
    return value


def render(
    source: str, variables: Mapping[str, Any], parameter: str, *, autoescape: bool = False
) -> str:
    """Return the text of a template that was validated.

    With `autoescape`, values are escaped for HTML. `parameter` is the name used in errors. Raises
    `TemplateFailed` if a value is undefined or unsuitable, or if the text is longer than
    `MAX_OUTPUT_BYTES`.
    """
    from winchester_core.interfaces.template_environment import compiled, limited_steps, line_of

    parts: list[str] = []
    size = 0
    try:
        with limited_steps():
            for chunk in compiled(source, autoescape=autoescape).generate(variables):
                size += len(chunk.encode("utf-8", "surrogatepass"))
                if size > MAX_OUTPUT_BYTES:
                    limit = f"the text is longer than {MAX_OUTPUT_BYTES} bytes"
                    raise TemplateFailed(parameter, None, limit)
                parts.append(chunk)
    except TemplateFailed:
        raise
    except Exception as error:  # noqa: BLE001 - of any operation on values of events
        reason = f"{error}" or type(error).__name__
        raise TemplateFailed(parameter, line_of(error), reason) from None
    return "".join(parts)
