"""Values of an event for templates: its typed traits, and how each trigger evaluates it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from markupsafe import escape

from winchester_core.console.parameters import MAX_TEXT_LENGTH
from winchester_core.console.shown_text import shown
from winchester_core.inspection.values import iso_text, parse_trait_value
from winchester_core.model.event import REQUIRED_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model.event import Event

MAX_ROW_TRAITS: Final = 8
"""Maximum number of traits of an event in a list."""

MAX_ROW_TEXT: Final = 80
MAX_TRAITS: Final = 500
MAX_TRAIT_TEXT: Final = 65_536
MAX_TRAITS_BYTES: Final = 393_216
"""Maximum number of traits of an event on its page, length of each, and size of all in HTML."""

MAX_RELATED_TRIGGERS: Final = 100
MAX_OTHER_TRIGGERS: Final = 200
MAX_CRITERIA: Final = 50
"""Maximum numbers of triggers that an event matches or not, and of criteria of each, on a page."""

OTHER_TYPE: Final = "its event type is not "
"""Beginning of the reason that matters least: triggers with another reason come first."""

TYPE_NAMES: Final = {bool: "boolean", int: "integer", float: "float", datetime: "time"}


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait of an event.

    `text` is its value as text, cut if it is long; `time` is the value if it is a time. `query`
    selects the events with this trait; it is empty if no filter can express the value.
    """

    name: str
    type_name: str
    text: str
    time: datetime | None
    query: str
    length: int


@dataclass(frozen=True, slots=True)
class EventView:
    """An event for its page; `omitted` is the number of traits that are not shown."""

    message_id: str
    event_type: str
    timestamp: datetime
    traits: list[Trait]
    omitted: int


@dataclass(frozen=True, slots=True)
class TriggersView:
    """The triggers for the page of an event.

    `related` are the triggers that it matches, or with a stream that contains it; `others` are the
    rest, with the reasons; `related_omitted` and `omitted` are the numbers of triggers that are not
    shown. `streams_omitted` is true if there are more streams than are shown.
    """

    related: list[Mapping[str, Any]]
    others: list[tuple[str, list[str]]]
    related_omitted: int
    omitted: int
    streams_omitted: bool


def event_row(event: Event) -> dict[str, Any]:
    """Return an event for a list: the first traits as texts, and the number of others."""
    names = _trait_names(event)
    return {
        "message_id": event["message_id"],
        "event_type": event["event_type"],
        "timestamp": iso_text(event["timestamp"]),
        "traits": {name: _text(event[name])[:MAX_ROW_TEXT] for name in names[:MAX_ROW_TRAITS]},
        "omitted": max(0, len(names) - MAX_ROW_TRAITS),
    }


def event_view(event: Event) -> EventView:
    """Return an event for its page."""
    names = _trait_names(event)
    traits: list[Trait] = []
    size = 0
    for name in names[:MAX_TRAITS]:
        trait = _trait(name, event[name])
        size += _html_bytes(trait)
        if traits and size > MAX_TRAITS_BYTES:
            break
        traits.append(trait)
    return EventView(
        message_id=event["message_id"],
        event_type=event["event_type"],
        timestamp=event["timestamp"],
        traits=traits,
        omitted=len(names) - len(traits),
    )


def triggers_view(explanation: Mapping[str, Any]) -> TriggersView:
    """Return the triggers of an explanation of `explain_stored_event`."""
    rows = explanation["triggers"]
    related = [each for each in rows if _is_related(each)]
    others = [(each["trigger"], _reasons(each)) for each in rows if not _is_related(each)]
    others.sort(key=lambda each: all(reason.startswith(OTHER_TYPE) for reason in each[1]))
    return TriggersView(
        related=related[:MAX_RELATED_TRIGGERS],
        others=others[:MAX_OTHER_TRIGGERS],
        related_omitted=max(0, len(related) - MAX_RELATED_TRIGGERS),
        omitted=max(0, len(others) - MAX_OTHER_TRIGGERS),
        streams_omitted=explanation["streams_omitted"],
    )


def _is_related(trigger: Mapping[str, Any]) -> bool:
    return bool(trigger["matches"] or trigger["streams"] or trigger["waits_until"])


def _reasons(trigger: Mapping[str, Any]) -> list[str]:
    """Return the reasons why an event does not match, without repetitions."""
    rows = [*trigger["cancel_criteria"], *trigger["match_criteria"]][:MAX_CRITERIA]
    if any(each["met"] for each in rows):
        return [trigger["reason"]]  # it has no group
    return list(dict.fromkeys(each["reason"] for each in rows)) or [trigger["reason"]]


def _trait_names(event: Event) -> list[str]:
    return sorted(event.keys() - set(REQUIRED_KEYS))


def _trait(name: str, value: Any) -> Trait:
    text = _text(value)
    return Trait(
        name=name,
        type_name=TYPE_NAMES.get(type(value), "text"),
        text=text[:MAX_TRAIT_TEXT],
        time=value if isinstance(value, datetime) else None,
        query=_filter_query(name, value),
        length=len(text),
    )


def _html_bytes(trait: Trait) -> int:
    """Return the size of the texts of a trait as HTML: some characters become much longer."""
    texts = (shown(trait.name), shown(trait.text, MAX_TRAIT_TEXT))
    return sum(len(escape(text).encode()) for text in texts) + len(trait.query)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str) else repr(value)


def _filter_query(name: str, value: Any) -> str:
    """Return the query of the list of events with this trait, or empty if there is none."""
    if "=" in name:
        return ""
    text = _text(value)
    if isinstance(value, str) and parse_trait_value(text) != text:
        text = f'"{text}"'
    found = parse_trait_value(text)
    if type(found) is not type(value) or found != value:
        return ""
    if len(f"{name}={text}") > MAX_TEXT_LENGTH:
        return ""
    return urlencode({"trait": f"{name}={text}"})
