"""Compiled rule of a mapping: makes the events of one message."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from winchester_core.errors import InvalidEvent
from winchester_core.mapping.canonical_json import canonical_json
from winchester_core.mapping.conditions import Conditions
from winchester_core.mapping.paths import (
    ALL_NAMES,
    BODY,
    HEADERS,
    PROPERTIES,
    compile_scoped_path,
    element_scope,
)
from winchester_core.mapping.values import NoValue, Value
from winchester_core.model.event import CleanEvent, TraitDrop, clean_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from winchester_core.mapping.paths import Scope, ScopedPath

ID_NAMESPACE: Final = UUID("0a9ba5a6-3a5c-5a60-9d0c-5b4c0f1a9b1e")
"""Namespace of the ids that are derived from the content of messages; never change it."""

MAX_ELEMENTS: Final = 10_000
"""Maximum number of events of one message."""

MAX_TEXT_CHARACTERS: Final = 64 * 1024 * 1024
"""Maximum size of all texts of one message's events, in which a part of it may be repeated."""


class Rule:
    """Compiled rule of a valid mapping. `label` names it in errors, as in `github[0]`."""

    def __init__(self, label: str, setting: Mapping[str, Any], plugins: Mapping[str, type]) -> None:
        self.label = label
        self.is_drop = bool(setting.get("drop"))
        self._conditions = Conditions(setting.get("when") or {})
        paths: list[ScopedPath] = [*self._conditions.paths]
        if not self.is_drop:
            paths += self._compile_event(setting, plugins)
        self.headers = frozenset(each.header for each in paths if each.header is not None)
        """Names of the headers that the rule reads."""
        self.properties = frozenset(each.property for each in paths if each.property is not None)
        """Names of the properties that the rule reads."""

    def _compile_event(
        self, setting: Mapping[str, Any], plugins: Mapping[str, type]
    ) -> list[ScopedPath]:
        """Compile the parts of an event; return all their paths."""
        split = setting.get("split")
        self._split = None if split is None else compile_scoped_path(split)
        message_id = setting.get("message_id")
        self._message_id = (
            None
            if message_id is None
            else Value("message_id", message_id, plugins, "text", is_key=True)
        )
        self._event_type = Value("event_type", setting["event_type"], plugins, "text", is_key=True)
        self._timestamp = Value("timestamp", setting["timestamp"], plugins, "datetime")
        self._traits = [
            (name, Value(name, value, plugins))
            for name, value in (setting.get("traits") or {}).items()
        ]
        values = [self._event_type, self._timestamp, *(value for _, value in self._traits)]
        values += [] if self._message_id is None else [self._message_id]
        paths = [path for value in values for path in value.paths]
        return paths if self._split is None else [self._split, *paths]

    def matches(self, scope: Scope) -> bool:
        """Return whether all conditions hold."""
        return self._conditions.hold(scope)

    def events(self, scope: Scope, now: Callable[[], datetime]) -> list[CleanEvent]:
        """Return the events of a message that matches, one for each element, in order.

        Each has the traits that were dropped. `now` returns the time of arrival. Raises
        `InvalidEvent` if one of them is invalid: then the whole message is.
        """
        content_id = self._content_id(scope)
        split = self._split
        if split is None:
            return [self._event(scope, now, content_id, "")]
        events = []
        size = 0
        for index, element in enumerate(self._elements(split, scope)):
            place = f" (element {index} of {split.text})"
            clean = self._event(element_scope(scope, element), now, content_id, place, index)
            size += sum(len(value) for value in clean.event.values() if isinstance(value, str))
            if size > MAX_TEXT_CHARACTERS:
                reason = f"the texts of the events have more than {MAX_TEXT_CHARACTERS} characters"
                raise InvalidEvent(self.label, reason + place)
            events.append(clean)
        return events

    def _elements(self, split: ScopedPath, scope: Scope) -> list[Any]:
        key = f"{self.label}.split"
        try:
            found = split.first(scope)
        except Exception as error:  # noqa: BLE001 - see ScopedPath
            reason = f"path {split.text!r} does not fit the message ({type(error).__name__})"
            raise InvalidEvent(key, reason) from None
        if not isinstance(found, list):
            kind = "nothing" if found is None else type(found).__name__
            raise InvalidEvent(key, f"{split.text} must be a list, not {kind}")
        if len(found) > MAX_ELEMENTS:
            raise InvalidEvent(key, f"{split.text} has {len(found)} elements, over {MAX_ELEMENTS}")
        return found

    def _event(
        self,
        scope: Scope,
        now: Callable[[], datetime],
        content_id: Callable[[int | None], str],
        place: str,
        index: int | None = None,
    ) -> CleanEvent:
        try:
            event: dict[str, Any] = {
                "message_id": (
                    content_id(index)
                    if self._message_id is None
                    else _required("message_id", self._message_id, scope)
                ),
                "event_type": _required("event_type", self._event_type, scope),
                "timestamp": self._time(scope, now),
            }
            drops = self._add_traits(event, scope)
            clean = clean_event(event)
        except InvalidEvent as error:
            key = f"{self.label}.{error.key}" if error.key else self.label
            raise InvalidEvent(key, error.reason + place) from None
        return CleanEvent(clean.event, (*drops, *clean.drops)) if drops else clean

    def _time(self, scope: Scope, now: Callable[[], datetime]) -> Any:
        if self._timestamp.is_now:
            found = _found("timestamp", self._timestamp, scope)
            return now() if found is None else found
        return _required("timestamp", self._timestamp, scope)

    def _add_traits(self, event: dict[str, Any], scope: Scope) -> list[TraitDrop]:
        drops = []
        for name, value in self._traits:
            try:
                found = value.read(scope)
            except NoValue as error:
                drops.append(TraitDrop(name, str(error)))
            else:
                if found is not None:
                    event[name] = found
        return drops

    def _content_id(self, scope: Scope) -> Callable[[int | None], str]:
        """Return a function that returns the id of the event of an element by its index.

        It is derived from the content of the message: the body, and the headers and properties that
        the rule reads. Others, such as the time of delivery, may differ when the message is
        delivered again.
        """
        cached: list[str] = []

        def content_id(index: int | None) -> str:
            if not cached:
                content = [
                    scope.context[BODY],
                    _selected(scope.context[HEADERS], self.headers),
                    _selected(scope.context[PROPERTIES], self.properties),
                ]
                try:
                    cached.append(hashlib.sha256(canonical_json(content)).hexdigest())
                except ValueError as error:
                    raise InvalidEvent("message_id", f"the body {error}") from None
            digest = cached[0] if index is None else f"{cached[0]} {index}"
            return str(uuid5(ID_NAMESPACE, digest))

        return content_id


def _selected(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return dict(select_values(values, frozenset(names)))


def select_values(values: Mapping[str, Any], names: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Yield the items with these names, or all for `ALL_NAMES`."""
    for name, value in values.items():
        if name in names or ALL_NAMES in names:
            yield name, value


def _found(key: str, value: Value, scope: Scope) -> Any:
    try:
        return value.read(scope)
    except NoValue as error:
        raise InvalidEvent(key, str(error)) from None


def _required(key: str, value: Value, scope: Scope) -> Any:
    found = _found(key, value, scope)
    if found is None:
        raise InvalidEvent(key, value.describe_source())
    return found
