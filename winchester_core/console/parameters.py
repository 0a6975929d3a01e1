"""Query parameters of lists: filters of the store, parsed from text, with their JSON Schemas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from winchester_core.inspection.values import TRAIT_FILTER_HELP, parse_time_before, parse_traits
from winchester_core.model.effect import EffectState
from winchester_core.model.event import MAX_INT
from winchester_core.model.message import MessageKind
from winchester_core.model.stream import StreamOutcome, StreamState
from winchester_core.service.exit import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from enum import StrEnum

    from winchester_core.console.site import Site

MAX_TEXT_LENGTH: Final = 2_000
"""Maximum length of a parameter's value."""

MAX_PARAMETERS: Final = 100
"""Maximum number of parameters: each value of a repeated filter is a condition of its query."""

TEXT: Final[Mapping[str, Any]] = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_LENGTH}
ID: Final[Mapping[str, Any]] = {"type": "integer", "minimum": 1, "maximum": MAX_INT}
TRIGGER_NAME: Final[Mapping[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 255}
TIME: Final[Mapping[str, Any]] = {**TEXT, "examples": ["1d", "2h30m", "2026-03-02T09:00:00Z"]}


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """A query parameter that sets `field` of the store's filter (default: its name).

    `parse` converts its text. A `repeated` parameter is converted from the list of its texts.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    parse: Callable[[Site, Any], Any]
    field: str = ""
    repeated: bool = False

    @property
    def filter_field(self) -> str:
        """The field of the store's filter."""
        return self.field or self.name


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a request, in their order; empty ones are left out."""

    pairs: Sequence[tuple[str, str]] = field(default_factory=tuple)

    def all(self, name: str) -> list[str]:
        """Return the values of a parameter."""
        return [value for key, value in self.pairs if key == name]

    def one(self, name: str) -> str | None:
        """Return the value of a parameter, or None. Raises `UsageError` if there are several."""
        values = self.all(name)
        if len(values) > 1:
            raise UsageError(f"{name} is given {len(values)} times")
        return values[0] if values else None

    def check_names(self, known: Iterable[str]) -> None:
        """Raise `UsageError` for a name that is not `known`, a long value, or too many."""
        names = list(known)
        if len(self.pairs) > MAX_PARAMETERS:
            raise UsageError(
                f"{len(self.pairs)} parameters are given; at most {MAX_PARAMETERS} are allowed"
            )
        for key, value in self.pairs:
            if key not in names:
                allowed = ", ".join(names) or "none"
                raise UsageError(f"unknown parameter {key[:100]!r}; known: {allowed}")
            if len(value) > MAX_TEXT_LENGTH:
                raise UsageError(f"{key} is longer than {MAX_TEXT_LENGTH} characters")
            if "\0" in value:
                raise UsageError(f"{key} contains the character NUL")


def parse_filters(site: Site, parameters: Iterable[QueryParameter], query: Query) -> dict[str, Any]:
    """Return the fields of the store's filter that the query sets. Raises `UsageError`."""
    found: dict[str, Any] = {}
    for each in parameters:
        value: Any = query.all(each.name) if each.repeated else query.one(each.name)
        if value not in (None, []):
            found[each.filter_field] = each.parse(site, value)
    return found


def text_parameter(name: str, description: str, filter_field: str = "") -> QueryParameter:
    """Return a parameter whose value is a text."""
    return QueryParameter(name, description, TEXT, lambda _site, text: text, filter_field)


def choice_parameter(
    name: str, description: str, choices: type[StrEnum], filter_field: str = "", *, many: bool
) -> QueryParameter:
    """Return a parameter whose value is one of `choices`, or with `many` any of several."""

    def parse_one(text: str) -> StrEnum:
        try:
            return choices(text)
        except ValueError:
            allowed = ", ".join(choices)
            raise UsageError(f"{name} {text!r} is none of {allowed}") from None

    def parse(_site: Site, value: Any) -> Any:
        return tuple(map(parse_one, dict.fromkeys(value))) if many else parse_one(value)

    one: dict[str, Any] = {"type": "string", "enum": [each.value for each in choices]}
    schema = {"type": "array", "items": one} if many else one
    return QueryParameter(name, description, schema, parse, filter_field, repeated=many)


def flag_parameter(
    name: str, description: str, value: Callable[[Site], Any], filter_field: str = ""
) -> QueryParameter:
    """Return a parameter that sets `value` if its text is ``true``."""

    def parse(site: Site, text: str) -> Any:
        if text != "true":
            raise UsageError(f"{name} {text!r} is not true; leave the parameter out instead")
        return value(site)

    return QueryParameter(
        name, description, {"type": "string", "enum": ["true"]}, parse, filter_field
    )


def id_parameter(name: str, description: str, filter_field: str = "") -> QueryParameter:
    """Return a parameter whose value is the id of an object."""

    def parse(_site: Site, text: str) -> int:
        return parse_id(text, name)

    return QueryParameter(
        name,
        description,
        {"type": "integer", "minimum": 1, "maximum": MAX_INT},
        parse,
        filter_field,
    )


def parse_id(text: str, noun: str) -> int:
    """Return the id in a text. Raises `UsageError`."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and 0 < int(text) <= MAX_INT):
        raise UsageError(f"{noun} {text[:40]!r} is not an id")
    return int(text)


def time_parameter(
    name: str, description: str, now: Callable[[Site], datetime], filter_field: str = ""
) -> QueryParameter:
    """Return a parameter whose value is a time, or a duration before `now`."""

    def parse(site: Site, text: str) -> datetime:
        return parse_time_before(text, lambda: now(site))

    return QueryParameter(name, description, TIME, parse, filter_field)


def _stream_now(site: Site) -> datetime:
    now = site.current_time()
    if now is None:
        raise UsageError("stream time is not known yet: give a time, not a duration")
    return now


def _real_now(site: Site) -> datetime:
    return site.store.real_time()


def _known_triggers(site: Site) -> frozenset[str]:
    names = frozenset(site.definitions)
    if not names:
        raise UsageError("unknown: no trigger is configured, so all streams would be unknown")
    return names


TRAIT: Final = QueryParameter(
    "trait",
    f"NAME=VALUE: {TRAIT_FILTER_HELP}. A distinguishing time range of a stream is begin/end",
    {"type": "array", "items": {**TEXT, "pattern": "="}},
    lambda _site, texts: parse_traits(texts, "trait"),
    "traits",
    repeated=True,
)

STREAM_PARAMETERS: Final = (
    text_parameter("trigger", "only streams of this trigger", "name"),
    choice_parameter("state", "only streams in these states", StreamState, "states", many=True),
    choice_parameter(
        "outcome", "only streams with these outcomes", StreamOutcome, "outcomes", many=True
    ),
    TRAIT,
    time_parameter("older_than", "only streams whose first event is earlier", _stream_now),
    time_parameter("younger_than", "only streams whose first event is not earlier", _stream_now),
    time_parameter(
        "last_event_older_than", "only streams whose last event is earlier", _stream_now
    ),
    time_parameter(
        "last_event_younger_than", "only streams whose last event is not earlier", _stream_now
    ),
    text_parameter("event_type", "only streams with an event of this type; * and ? are wildcards"),
    text_parameter(
        "error", "only streams with this text in the last error or its traceback", "error_text"
    ),
    text_parameter("message_id", "only streams that hold the event with this id"),
    flag_parameter(
        "trial", "only streams that will be tried alone", lambda _site: True, "has_trial"
    ),
    flag_parameter(
        "unknown",
        "only streams of triggers that are not configured, except completed streams",
        _known_triggers,
        "unknown_to",
    ),
)

EVENT_PARAMETERS: Final = (
    text_parameter("event_type", "only events of this type; * and ? are wildcards"),
    time_parameter("since", "only events with a timestamp at or after this time", _stream_now),
    time_parameter("until", "only events with a timestamp before this time", _stream_now),
    TRAIT,
)

REJECTED_PARAMETERS: Final = (
    text_parameter("source", "only messages from this source"),
    choice_parameter("kind", "only messages of this kind", MessageKind, many=False),
    time_parameter("older_than", "only messages stored earlier", _real_now),
    time_parameter("younger_than", "only messages stored not earlier", _real_now),
)

EFFECT_PARAMETERS: Final = (
    choice_parameter("state", "only effects in this state", EffectState, many=False),
    text_parameter("pipeline", "only effects of this pipeline"),
    text_parameter(
        "handler",
        "only effects of handlers with this name in a pipeline; followed by the receiver if the "
        "handler has several, as in notify:mail",
    ),
    id_parameter("stream", "only effects of this stream", "stream_id"),
    time_parameter("older_than", "only effects recorded earlier", _real_now),
    time_parameter("younger_than", "only effects recorded not earlier", _real_now),
)

ACTION_PARAMETERS: Final = (
    text_parameter("name", "only actions of this operator"),
    text_parameter("action", "only these actions, such as stream.reset"),
    time_parameter("older_than", "only actions performed earlier", _real_now),
    time_parameter("younger_than", "only actions performed not earlier", _real_now),
)
