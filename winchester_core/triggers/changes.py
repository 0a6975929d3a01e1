"""What is different between two sets of triggers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ASPECTS: Final[Mapping[str, Any]] = {
    "distinguished_by": None,
    "match_criteria": None,
    "fire_criteria": None,
    "expiration": None,
    "fire_delay": 0,
    "fire_pipeline": None,
    "expire_pipeline": None,
    "debug_level": 0,
}
"""The keys of a trigger that mean something, with what they mean when they are left out."""


class ChangeKind(StrEnum):
    """What became of a trigger."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class TriggerChange:
    """One trigger that is not as it was; `aspects` are the keys in which one has changed."""

    name: str
    kind: ChangeKind
    aspects: tuple[str, ...] = ()

    def __str__(self) -> str:
        detail = f" in {', '.join(self.aspects)}" if self.aspects else ""
        return f"{self.name} {self.kind}{detail}"


def compare_triggers(
    old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]
) -> list[TriggerChange]:
    """Compare checked entries of two trigger files: first those of `new` in order, then removed."""
    before = {each["name"]: each for each in old}
    changes = []
    for config in new:
        name = config["name"]
        known = before.pop(name, None)
        if known is None:
            changes.append(TriggerChange(name, ChangeKind.ADDED))
        elif aspects := _differing(known, config):
            changes.append(TriggerChange(name, ChangeKind.CHANGED, aspects))
    return changes + [TriggerChange(name, ChangeKind.REMOVED) for name in before]


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        key for key, default in ASPECTS.items() if old.get(key, default) != new.get(key, default)
    )
