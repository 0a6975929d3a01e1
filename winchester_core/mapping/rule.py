"""Compiled rule of a mapping: makes the events of one message."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
    reads_traits,
    traits_scope,
)
from winchester_core.mapping.values import NoValue, Value
from winchester_core.model.event import CleanEvent, TraitDrop, clean_event
from winchester_core.model.json import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from winchester_core.mapping.paths import Scope, ScopedPath

ID_NAMESPACE: Final = UUID("0a9ba5a6-3a5c-5a60-9d0c-5b4c0f1a9b1e")
"""Namespace of the ids that are derived from the content of messages; never change it."""

MAX_ELEMENTS: Final = 10_000
"""Maximum number of events of one message."""

MAX_TEXT_CHARACTERS: Final = 64 * 1024 * 1024
"""Maximum size of all texts of one message's events, in which a part of it may be repeated."""


class Rule:
    """Compiled rule of a valid mapping. `label` names it in errors, as in `github[0]`.

    `rules` are the rules of the elements, if the rule has some.
    """

    def __init__(self, label: str, setting: Mapping[str, Any], plugins: Mapping[str, type]) -> None:
        self.label = label
        self.is_drop = bool(setting.get("drop"))
        self.rules = tuple(
            Rule(f"{label}.rules[{index}]", each, plugins)
            for index, each in enumerate(setting.get("rules") or ())
        )
        self._conditions = Conditions(setting.get("when") or {})
        paths: list[ScopedPath] = [*self._conditions.paths]
        split = setting.get("split")
        self._split = None if split is None else compile_scoped_path(split)
        if self._split is not None:
            paths.append(self._split)
        if not (self.is_drop or self.rules):
            paths += self._compile_event(setting, plugins)
        headers = [each.header for each in paths if each.header is not None]
        self.headers: frozenset[str] = frozenset(headers).union(*(r.headers for r in self.rules))
        """Names of the headers that the rule reads."""
        properties = [each.property for each in paths if each.property is not None]
        self.properties: frozenset[str] = frozenset(properties).union(
            *(r.properties for r in self.rules)
        )
        """Names of the properties that the rule reads."""

    def _compile_event(
        self, setting: Mapping[str, Any], plugins: Mapping[str, type]
    ) -> list[ScopedPath]:
        """Compile the parts of an event; return all their paths."""
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
        keys = (self._event_type, self._timestamp, self._message_id)
        self._reads_traits = any(
            reads_traits(path.text) for key in keys if key is not None for path in key.paths
        )
        return [path for value in values for path in value.paths]

    def matches(self, scope: Scope) -> bool:
        """Return whether all conditions hold."""
        return self._conditions.first_unmet(scope) is None

    def first_unmet(self, scope: Scope) -> str | None:
        """Return the path of the first condition that does not hold, or None."""
        return self._conditions.first_unmet(scope)

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
        for index, element in enumerate(self.elements(scope)):
            place = f" (element {index} of {split.text})"
            inner = element_scope(scope, element)
            rule = self.rule_of(inner, place)
            if rule.is_drop:
                continue
            clean = rule._event(inner, now, content_id, place, index)
            size += sum(len(value) for value in clean.event.values() if isinstance(value, str))
            if size > MAX_TEXT_CHARACTERS:
                reason = f"the texts of the events have more than {MAX_TEXT_CHARACTERS} characters"
                raise InvalidEvent(self.label, reason + place)
            events.append(clean)
        return events

    def rule_of(self, scope: Scope, place: str = "") -> Rule:
        """Return the rule of an element by its scope: the first of `rules` that matches, or self.

        Raises `InvalidEvent` if there are `rules` and none matches.
        """
        if not self.rules:
            return self
        unmet: dict[str, None] = {}
        for rule in self.rules:
            path = rule.first_unmet(scope)
            if path is None:
                return rule
            unmet[path] = None
        reason = f"none of them matches; conditions that do not hold: {', '.join(unmet)}"
        raise InvalidEvent(f"{self.label}.rules", reason + place)

    def elements(self, scope: Scope) -> list[Any]:
        """Return the elements of a message that matches: its body if the rule does not split it.

        Raises `InvalidEvent` if the value at which it is split has no elements.
        """
        split = self._split
        if split is None:
            return [scope.context[BODY]]
        key = f"{self.label}.split"
        try:
            found = split.first(scope)
        except Exception as error:  # noqa: BLE001 - see ScopedPath
            reason = f"path {split.text!r} does not fit the message ({type(error).__name__})"
            raise InvalidEvent(key, reason) from None
        if isinstance(found, str):
            found = read_json(found, key)
        if isinstance(found, Mapping):
            return [found]
        if not isinstance(found, list):
            kind = "nothing" if found is None else type(found).__name__
            allowed = "a list, an object, or text with JSON of one"
            raise InvalidEvent(key, f"{split.text} must be {allowed}, not {kind}")
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
            traits, drops = self._read_traits(scope)
            if self._reads_traits:
                scope = traits_scope(scope, traits)
            event: dict[str, Any] = {
                "message_id": self._id(scope, content_id, index),
                "event_type": _required("event_type", self._event_type, scope),
                "timestamp": self._time(scope, now),
                **traits,
            }
            clean = clean_event(event)
        except InvalidEvent as error:
            key = f"{self.label}.{error.key}" if error.key else self.label
            raise InvalidEvent(key, error.reason + place) from None
        return CleanEvent(clean.event, (*drops, *clean.drops)) if drops else clean

    def _id(self, scope: Scope, content_id: Callable[[int | None], str], index: int | None) -> Any:
        if self._message_id is None:
            return content_id(index)
        if self._message_id.is_derived:
            found = _found("message_id", self._message_id, scope)
            return content_id(index) if found is None else found
        return _required("message_id", self._message_id, scope)

    def _time(self, scope: Scope, now: Callable[[], datetime]) -> Any:
        if self._timestamp.is_now:
            found = _found("timestamp", self._timestamp, scope)
            return now() if found is None else found
        return _required("timestamp", self._timestamp, scope)

    def _read_traits(self, scope: Scope) -> tuple[dict[str, Any], list[TraitDrop]]:
        """Return the traits by name, and those that cannot be read."""
        traits: dict[str, Any] = {}
        drops = []
        for name, value in self._traits:
            try:
                found = value.read(scope)
            except NoValue as error:
                drops.append(TraitDrop(name, str(error)))
            else:
                if found is not None:
                    traits[name] = found
        return traits, drops

    def _content_id(self, scope: Scope) -> Callable[[int | None], str]:
        """Return a function that returns the id of the event of an element by its index.

        It is derived from the content of the message: the body, and the headers and properties that
        the rule reads. Others, such as the time of delivery, may differ when the message is
        delivered again.
        """
        cached: list[str] = []

        def content_id(index: int | None) -> str:
            if not cached:
                facts = [
                    dict(select_values(scope.context[HEADERS], self.headers)),
                    dict(select_values(scope.context[PROPERTIES], self.properties)),
                ]
                try:
                    body = canonical_json(scope.context[BODY], scope.raw_body)
                    content = b"\0".join((body, canonical_json(facts)))
                except ValueError as error:
                    raise InvalidEvent("message_id", f"none can be derived: {error}") from None
                cached.append(hashlib.sha256(content).hexdigest())
            digest = cached[0] if index is None else f"{cached[0]} {index}"
            return str(uuid5(ID_NAMESPACE, digest))

        return content_id


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
        raise InvalidEvent(key, value.describe_missing(scope))
    return found
