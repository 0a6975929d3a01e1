"""Compiled event definition. This module imports StackDistiller, which is optional."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from stackdistiller.distiller import EventDefinition

from winchester_core.distill.trait import TraitExtractor
from winchester_core.model.event import REQUIRED_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping


class CompiledDefinition(EventDefinition):
    """Event definition: matching of types by StackDistiller, traits compiled.

    Traits that have the name of a required key are ignored, because the values of these keys come
    from the notification itself.
    """

    # StackDistiller would build a parser for each path here and in `traits`, 10 ms each
    DEFAULT_TRAITS: ClassVar[dict[str, Any]] = {}

    def __init__(self, definition: Mapping[str, Any], trait_plugins: Mapping[str, type]) -> None:
        super().__init__({"event_type": definition["event_type"], "traits": {}}, trait_plugins)
        settings = EventDefinition.DEFAULT_TRAITS | definition["traits"]
        self.extractors = tuple(
            TraitExtractor(name, setting, trait_plugins)
            for name, setting in settings.items()
            if name not in REQUIRED_KEYS
        )
