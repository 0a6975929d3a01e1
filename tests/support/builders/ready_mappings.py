"""Samples of the ready mappings, and their conversion."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from winchester_core.distill.builtin_trait_plugins import MapTraitPlugin, SplitTraitPlugin
from winchester_core.mapping import (
    MappingSet,
    MessageDropped,
    ready_mapping_names,
    ready_mapping_samples,
)
from winchester_core.model import Message, MessageKind

if TYPE_CHECKING:
    from winchester_core.model.event import CleanEvent

ARRIVAL = datetime(2027, 1, 1, tzinfo=UTC)
"""Time of arrival of the samples."""

PLUGINS: dict[str, type] = {"map": MapTraitPlugin, "split": SplitTraitPlugin}
MAPPINGS = MappingSet({}, PLUGINS)


@dataclass(frozen=True)
class Sample:
    """A message for the mapping `name`; `index` is its position in the file of samples."""

    name: str
    index: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}-{self.index}"

    def message(self) -> Message:
        """Return the message that a source delivers."""
        body = json.dumps(self.body).encode()
        return Message(body, MessageKind.EVENT, headers=self.headers, mappings=(self.name,))

    def events(self, arrival: datetime = ARRIVAL) -> tuple[CleanEvent, ...]:
        """Return the events of the message, none if it is dropped. Raises `InvalidEvent`."""
        try:
            return MAPPINGS.convert(self.message(), lambda: arrival).events
        except MessageDropped:
            return ()

    def changed(self, path: tuple[str | int, ...], value: Any) -> Sample:
        """Return the sample with another value at a path of its body, which exists."""
        body = copy.deepcopy(self.body)
        inner = body
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        return Sample(self.name, self.index, body, self.headers)

    def without(self, *names: str) -> Sample:
        """Return the sample without the keys and headers with these names, at any depth."""
        lowered = {name.lower() for name in names}
        headers = {name: self.headers[name] for name in self.headers if name.lower() not in lowered}
        return Sample(self.name, self.index, _without(self.body, set(names)), headers)


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(each, names) for key, each in value.items() if key not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value


def samples_of(name: str) -> list[Sample]:
    """Return all samples of a ready mapping."""
    return [
        Sample(name, index, each["body"], each.get("headers", {}))
        for index, each in enumerate(ready_mapping_samples(name))
    ]


SAMPLES = [sample for name in ready_mapping_names() for sample in samples_of(name)]
