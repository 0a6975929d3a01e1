"""A compiled event definition. Imports StackDistiller, which is optional."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from stackdistiller.distiller import EventDefinition

from winchester_core.distill.trait import TraitExtractor
from winchester_core.model.event import REQUIRED_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping


class CompiledDefinition(EventDefinition):
    """StackDistiller's definition (which types it covers), with traits that are compiled.

    A trait named as one of an event's required keys is left out: the notification's own values
    stand there.
    """

    # StackDistiller would build a parser for each path of these and of `traits`, 10 ms apiece.
    DEFAULT_TRAITS: ClassVar[dict[str, Any]] = {}

    def __init__(self, definition: Mapping[str, Any], trait_plugins: Mapping[str, type]) -> None:
        super().__init__({"event_type": definition["event_type"], "traits": {}}, trait_plugins)
        settings = EventDefinition.DEFAULT_TRAITS | definition["traits"]
        self.extractors = tuple(
            TraitExtractor(name, setting, trait_plugins)
            for name, setting in settings.items()
            if name not in REQUIRED_KEYS
        )
