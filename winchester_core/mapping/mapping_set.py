"""Mappings by name, and the conversion of messages with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.errors import InvalidEvent
from winchester_core.mapping.paths import HEADERS, PROPERTIES, body_scope
from winchester_core.mapping.ready_mappings import read_ready_mapping, ready_mapping_names
from winchester_core.mapping.rule import Rule, select_values
from winchester_core.model.json import read_json
from winchester_core.suggestions import unknown_name_message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from winchester_core.mapping.paths import Scope
    from winchester_core.model.event import CleanEvent
    from winchester_core.model.message import Message


class MessageDropped(Exception):  # noqa: N818 - an outcome, not an error
    """A rule makes no event of a message. `label` names the rule, the text is the reason."""

    def __init__(self, label: str, reason: str) -> None:
        self.label = label
        super().__init__(f"{label}: {reason}")


@dataclass(frozen=True, slots=True)
class MappedMessage:
    """The events of a message, at least one, and the rule that made them."""

    rule: str
    events: tuple[CleanEvent, ...]


class MappingSet:
    """Mappings of a configuration (`definitions`: valid rules by name) and ready mappings.

    A mapping of the configuration replaces the ready one of its name. A mapping is compiled when it
    is first used. Safe to share between threads.
    """

    def __init__(self, definitions: Mapping[str, Any], trait_plugins: Mapping[str, type]) -> None:
        self._definitions = definitions
        self._plugins = trait_plugins
        self._compiled: dict[str, tuple[Rule, ...]] = {}
        self._removed: dict[str, tuple[Any, Mapping[str, type]]] = {}
        """Definitions of `keep_removed` by name, each with its trait plugins."""

    @property
    def names(self) -> Collection[str]:
        """The names of all mappings."""
        return {*self._definitions, *ready_mapping_names()}

    def keep_removed(self, earlier: MappingSet) -> None:
        """Keep the mappings of `earlier` that this set lacks.

        After a reload, sources use the mappings of the earlier configuration until a restart.
        """
        own = {name: (each, earlier._plugins) for name, each in earlier._definitions.items()}
        known = self.names
        self._removed = {
            name: each for name, each in (earlier._removed | own).items() if name not in known
        }

    def convert(self, message: Message, now: Callable[[], datetime]) -> MappedMessage:
        """Return the events of a message, by the first rule of its mappings that matches.

        `now` returns the time of arrival, for rules that use it. Raises `InvalidEvent` if no rule
        matches or an event is invalid, and `MessageDropped` if there is no event.
        """
        rules = self._rules_of(message)
        scope = _scope_of(message)
        rule = next((rule for rule in rules if rule.matches(scope)), None)
        if rule is None:
            raise InvalidEvent("mapping", _no_rule_message(message.mappings, len(rules)))
        if rule.is_drop:
            raise MessageDropped(rule.label, "the rule drops the message")
        events = rule.events(scope, now)
        if not events:
            reason = "no element makes an event" if rule.rules else "there are no elements"
            raise MessageDropped(rule.label, reason)
        return MappedMessage(rule.label, tuple(events))

    def unmet_conditions(self, message: Message) -> dict[str, str]:
        """Return the path of the first condition that does not hold, by rule that does not match.

        Raises `InvalidEvent` if the body is not JSON or a mapping is unknown.
        """
        scope = _scope_of(message)
        unmet = {rule.label: rule.first_unmet(scope) for rule in self._rules_of(message)}
        return {label: path for label, path in unmet.items() if path is not None}

    def used_values(self, message: Message) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the headers and the properties of a message that its mappings read.

        Returns all if one of the mappings is unknown.
        """
        scope = body_scope(None, message)
        try:
            rules = self._rules_of(message)
        except InvalidEvent:  # a mapping that is not configured any more
            return dict(scope.context[HEADERS]), dict(scope.context[PROPERTIES])
        headers = frozenset().union(*(rule.headers for rule in rules))
        properties = frozenset().union(*(rule.properties for rule in rules))
        return (
            dict(select_values(scope.context[HEADERS], headers)),
            dict(select_values(scope.context[PROPERTIES], properties)),
        )

    def _rules_of(self, message: Message) -> list[Rule]:
        return [rule for name in message.mappings for rule in self.rules(name)]

    def rules(self, name: str) -> tuple[Rule, ...]:
        """Return the compiled rules of a mapping. Raises `InvalidEvent` for an unknown name."""
        compiled = self._compiled.get(name)
        if compiled is None:
            compiled = self._compiled[name] = self._compile(name)
        return compiled

    def _compile(self, name: str) -> tuple[Rule, ...]:
        definition, plugins = self._definitions.get(name), self._plugins
        if name in self._removed:
            definition, plugins = self._removed[name]
        if definition is None:
            try:
                definition = read_ready_mapping(name)
            except KeyError:
                message = unknown_name_message("mapping", name, self.names)
                raise InvalidEvent("mapping", message) from None
        rules = [definition] if isinstance(definition, Mapping) else definition
        return tuple(Rule(f"{name}[{index}]", rule, plugins) for index, rule in enumerate(rules))


def _scope_of(message: Message) -> Scope:
    """Return the scope of a message. Raises `InvalidEvent` if its body is not JSON."""
    body = message.body
    if isinstance(body, bytes | str):
        body = read_json(body, "body")
    return body_scope(body, message)


def _no_rule_message(names: tuple[str, ...], number: int) -> str:
    which = "no rule" if number == 1 else f"none of the {number} rules"
    noun = "mapping" if len(names) == 1 else "mappings"
    return f"{which} of the {noun} {', '.join(names)} matches the message"
