"""Distiller of notifications into events, with event definitions in StackDistiller's format."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from voluptuous import MultipleInvalid

from winchester_core.clock import SystemClock
from winchester_core.distill.definition_schema import format_problem, validate_definitions
from winchester_core.distill.notification import notification_time
from winchester_core.distill.optional_import import import_stackdistiller
from winchester_core.distill.trait import InvalidTrait
from winchester_core.errors import ConfigurationError
from winchester_core.model.event import Event, TraitDrop, clean_event
from winchester_core.model.json import as_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.clock import Clock
    from winchester_core.distill.definition import CompiledDefinition

DEFINITION_CACHE_SIZE = 4096
"""Maximum number of event types in the cache of matching definitions."""

_PLACEHOLDER_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DistillResult:
    """Result of distilling a notification.

    `event` is None when no definition matches its type. `drops` are the traits that could not be
    extracted.
    """

    event: Event | None
    drops: tuple[TraitDrop, ...] = ()


_NO_MATCH = DistillResult(None)


class Distiller:
    """Distills notifications into events as StackDistiller does. Safe to share between threads.

    If several definitions match a type, the last one is used. With `catch_all`, a notification
    without a definition becomes an event with `service`, `request_id` and `tenant_id`.
    `trait_plugins` maps the names used in definitions to classes. If a notification has no
    timestamp, it gets the time of `clock` (default: the host's clock).

    Raises `ConfigurationError` with all problems of invalid definitions, or `PluginError` if
    StackDistiller is not installed.
    """

    def __init__(
        self,
        definitions: Sequence[Mapping[str, Any]],
        trait_plugins: Mapping[str, type],
        catch_all: bool = False,
        *,
        clock: Clock | None = None,
    ) -> None:
        import_stackdistiller()
        from winchester_core.distill.definition import CompiledDefinition

        try:
            validate_definitions(definitions, trait_plugins)
        except MultipleInvalid as invalid:
            raise ConfigurationError(
                [format_problem(problem) for problem in invalid.errors]
            ) from None
        self._definitions = [CompiledDefinition(d, trait_plugins) for d in reversed(definitions)]
        if catch_all and not any(d.is_catchall for d in self._definitions):
            everything = {"event_type": "*", "traits": {}}
            self._definitions.append(CompiledDefinition(everything, trait_plugins))
        self._definition_of = lru_cache(maxsize=DEFINITION_CACHE_SIZE)(self._find_definition)
        self._clock = clock or SystemClock()

    def distill(self, notification: Mapping[str, Any]) -> DistillResult:
        """Return the event of a `notification` without an envelope.

        Raises `InvalidEvent`, and nothing else, when `message_id`, `event_type` or, if a definition
        matches, the timestamp is invalid.
        """
        event = _event_without_traits(notification)
        definition = self._definition_of(event["event_type"])
        if definition is None:
            return _NO_MATCH
        event["timestamp"] = notification_time(notification) or self._clock.now()
        drops = _add_traits(event, definition, notification)
        return DistillResult(event, tuple(drops))

    def _find_definition(self, event_type: str) -> CompiledDefinition | None:
        return next((d for d in self._definitions if d.match_type(event_type)), None)


def _event_without_traits(notification: Mapping[str, Any]) -> Event:
    identity = {key: as_object(notification).get(key) for key in ("message_id", "event_type")}
    return clean_event(identity | {"timestamp": _PLACEHOLDER_TIME}).event


def _add_traits(
    event: Event, definition: CompiledDefinition, notification: Mapping[str, Any]
) -> list[TraitDrop]:
    drops = []
    for extractor in definition.extractors:
        try:
            value = extractor.extract(notification)
        except InvalidTrait as error:
            drops.append(TraitDrop(extractor.name, str(error)))
        else:
            if value is not None:
                event[extractor.name] = value
    return drops
