"""Trigger definitions, compiled from entries of `triggers.yaml`, and their comparison."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from winchester_core.criteria import compile_criterion
from winchester_core.model.stream import Reason
from winchester_core.timex import parse
from winchester_core.triggers.grouping import DistinguishingTrait, Grouping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.criteria import Criterion
    from winchester_core.interfaces import Condition
    from winchester_core.timex import Expression


@dataclass(frozen=True, slots=True, eq=False)
class TriggerDefinition:
    """A trigger: which events to collect, how to group them into streams, when to fire or expire.

    `fingerprint` (32 hexadecimal digits) is a hash of the fire criteria and the expiration. If a
    stream has a different fingerprint, its progress was counted by a different version of the
    trigger.
    """

    name: str
    grouping: Grouping
    match_criteria: tuple[Criterion, ...]
    fire_criteria: tuple[Criterion, ...]
    expiration: Expression
    fire_delay: timedelta
    pipelines: Mapping[Reason, str | None]
    debug_level: int
    fingerprint: str

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], conditions: Mapping[str, type[Condition]]
    ) -> TriggerDefinition:
        """Compile an entry that has been validated.

        If the entry is invalid, raises `voluptuous.MultipleInvalid` or `TimeExpressionError`.
        """
        return cls(
            name=config["name"],
            grouping=Grouping(
                config["name"], (_distinguishing_trait(part) for part in config["distinguished_by"])
            ),
            match_criteria=tuple(
                compile_criterion(criterion, conditions, fire=False)
                for criterion in config["match_criteria"]
            ),
            fire_criteria=tuple(
                compile_criterion(criterion, conditions, fire=True)
                for criterion in config["fire_criteria"]
            ),
            expiration=parse(config["expiration"]),
            fire_delay=timedelta(seconds=config.get("fire_delay", 0)),
            pipelines={
                Reason.FIRE: config.get("fire_pipeline"),
                Reason.EXPIRE: config.get("expire_pipeline"),
            },
            debug_level=config.get("debug_level", 0),
            fingerprint=_fingerprint(config),
        )


def _distinguishing_trait(part: str | Mapping[str, str]) -> DistinguishingTrait:
    if isinstance(part, str):
        return DistinguishingTrait(part)
    ((name, expression),) = part.items()
    return DistinguishingTrait(name, parse(expression))


def _fingerprint(config: Mapping[str, Any]) -> str:
    content = [config["fire_criteria"], config["expiration"]]
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


COMPARED_KEYS: Final[Mapping[str, Any]] = {
    "distinguished_by": None,
    "match_criteria": None,
    "fire_criteria": None,
    "expiration": None,
    "fire_delay": 0,
    "fire_pipeline": None,
    "expire_pipeline": None,
    "debug_level": 0,
}
"""Keys that change the behaviour of a trigger, with their defaults."""


class ChangeKind(StrEnum):
    """Kind of change of a trigger."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class TriggerChange:
    """An added, removed or changed trigger; `changed_keys` are the keys that differ."""

    name: str
    kind: ChangeKind
    changed_keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        detail = f" in {', '.join(self.changed_keys)}" if self.changed_keys else ""
        return f"{self.name} {self.kind}{detail}"


def compare_triggers(
    old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]
) -> list[TriggerChange]:
    """Compare validated entries; return changes in the order of `new`, then removed triggers."""
    before = {each["name"]: each for each in old}
    changes = []
    for config in new:
        name = config["name"]
        previous = before.pop(name, None)
        if previous is None:
            changes.append(TriggerChange(name, ChangeKind.ADDED))
        elif changed_keys := _changed_keys(previous, config):
            changes.append(TriggerChange(name, ChangeKind.CHANGED, changed_keys))
    return changes + [TriggerChange(name, ChangeKind.REMOVED) for name in before]


def _changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        key
        for key, default in COMPARED_KEYS.items()
        if old.get(key, default) != new.get(key, default)
    )
