"""From a notification to an event, by StackDistiller's event definitions."""

from __future__ import annotations

from collections.abc import Mapping
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
from winchester_core.errors import ConfigurationError, InvalidEvent
from winchester_core.model.event import Event, TraitDrop, clean_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.clock import Clock
    from winchester_core.distill.definition import CompiledDefinition

DEFINITION_CACHE_SIZE = 4096
"""For so many event types it is kept which definition covers them."""

_PLACEHOLDER_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DistillResult:
    """What became of a notification.

    `event` is None when no definition covers its type: it is to be dropped. `drops` are the
    traits that could not be had.
    """

    event: Event | None
    drops: tuple[TraitDrop, ...] = ()


_NOT_COVERED = DistillResult(None)


class Distiller:
    """Makes events of notifications as StackDistiller does; safe to share between threads.

    The last definition that covers a type decides. With `catch_all`, a notification that none
    covers becomes an event with `service`, `request_id` and `tenant_id`. `trait_plugins` maps
    the names that definitions use to classes. `clock` gives the time of a notification that
    does not tell it (default: the host's clock).

    Raises `ConfigurationError` for invalid definitions, with all problems; `PluginError` when
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
        except MultipleInvalid as fault:
            raise ConfigurationError(
                [format_problem(problem) for problem in fault.errors]
            ) from None
        self._definitions = [CompiledDefinition(d, trait_plugins) for d in reversed(definitions)]
        if catch_all and not any(d.is_catchall for d in self._definitions):
            everything = {"event_type": "*", "traits": {}}
            self._definitions.append(CompiledDefinition(everything, trait_plugins))
        self._definition_of = lru_cache(maxsize=DEFINITION_CACHE_SIZE)(self._find_definition)
        self._clock = clock or SystemClock()

    def distill(self, notification: Mapping[str, Any]) -> DistillResult:
        """Return the event in `notification`, an opened envelope.

        Raises `InvalidEvent` when `message_id`, `event_type` or, where a definition covers it,
        the timestamp cannot be used; nothing else, whatever the notification holds.
        """
        event = _event_without_traits(notification)
        definition = self._definition_of(event["event_type"])
        if definition is None:
            return _NOT_COVERED
        event["timestamp"] = notification_time(notification) or self._clock.now()
        drops = _add_traits(event, definition, notification)
        return DistillResult(event, tuple(drops))

    def _find_definition(self, event_type: str) -> CompiledDefinition | None:
        return next((d for d in self._definitions if d.match_type(event_type)), None)


def _event_without_traits(notification: Mapping[str, Any]) -> Event:
    if not isinstance(notification, Mapping):
        raise InvalidEvent("body", f"must be a JSON object, not {type(notification).__name__}")
    identity = {key: notification.get(key) for key in ("message_id", "event_type")}
    return clean_event(identity | {"timestamp": _PLACEHOLDER_TIME}).event


def _add_traits(
    event: Event, definition: CompiledDefinition, notification: Mapping[str, Any]
) -> list[TraitDrop]:
    drops = []
    for extractor in definition.extractors:
        try:
            value = extractor.extract(notification)
        except InvalidTrait as fault:
            drops.append(TraitDrop(extractor.name, str(fault)))
        else:
            if value is not None:
                event[extractor.name] = value
    return drops
