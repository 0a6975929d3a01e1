"""Trigger definitions, compiled from entries of `triggers.yaml`, and their comparison."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from winchester_core.criteria import CriteriaList, MatchRole, compile_criterion
from winchester_core.interfaces.params import duration
from winchester_core.model.stream import Reason
from winchester_core.timex import parse
from winchester_core.triggers.grouping import DistinguishingTrait, Grouping
from winchester_core.triggers.windows import WindowRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

    from winchester_core.criteria import Criterion
    from winchester_core.interfaces import Condition
    from winchester_core.timex import Expression


@dataclass(frozen=True, slots=True, eq=False)
class TriggerDefinition:
    """A trigger: selection and grouping of events into streams, and conditions to fire or expire.

    If `in_sequence` is true, the fire criteria are steps. `fingerprint` (32 hexadecimal digits) is
    a hash of the keys on which the progress of a stream depends. If a stream has a different
    fingerprint, its progress was counted by a different version of the trigger.
    """

    name: str
    grouping: Grouping
    match_criteria: tuple[Criterion, ...]
    fire_criteria: tuple[Criterion, ...]
    cancel_criteria: tuple[Criterion, ...]
    in_sequence: bool
    fire_within: timedelta | None
    keep: timedelta | None
    lateness: timedelta
    suppress: timedelta
    expiration: Expression
    fire_delay: timedelta
    zone: tzinfo
    pipelines: Mapping[Reason, str | None]
    debug_level: int
    fingerprint: str
    evaluated_criteria: tuple[Criterion, ...] = field(init=False)
    """Cancel criteria, then match criteria. The first that an event satisfies decides."""
    every_event_opens: bool = field(init=False)
    """True if every match criterion opens streams, and there are no cancel criteria."""
    window_rules: WindowRules = field(init=False)
    """The fire criteria for which the order and the times of events matter."""
    is_plain: bool = field(init=False)
    """True if a stream's progress consists only of the numbers of events."""

    def __post_init__(self) -> None:
        """Derive the properties that ingest reads for every event."""
        opens = all(each.role is MatchRole.OPENS for each in self.match_criteria)
        window_rules = WindowRules(
            self.fire_criteria,
            in_sequence=self.in_sequence,
            fire_within=self.fire_within,
            keep=self.keep,
        )
        derived = {
            "evaluated_criteria": (*self.cancel_criteria, *self.match_criteria),
            "every_event_opens": opens and not self.cancel_criteria,
            "window_rules": window_rules,
            "is_plain": opens
            and not self.cancel_criteria
            and not window_rules.indexes
            and all(each.requirement.sum is None for each in self.fire_criteria),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], conditions: Mapping[str, type[Condition]]
    ) -> TriggerDefinition:
        """Compile an entry that has been validated.

        If the entry is invalid, raises `voluptuous.MultipleInvalid` or `TimeExpressionError`.
        """
        zone = ZoneInfo(config["timezone"]) if config.get("timezone", "UTC") != "UTC" else UTC
        criteria = {
            key.value: tuple(
                compile_criterion(criterion, conditions, key, zone)
                for criterion in config.get(key, ())
            )
            for key in CriteriaList
        }
        return cls(
            name=config["name"],
            grouping=Grouping(
                config["name"],
                (_distinguishing_trait(part, zone) for part in config["distinguished_by"]),
            ),
            **criteria,
            in_sequence=config.get("fire_order") == "sequence",
            fire_within=_duration(config, "fire_within"),
            keep=_duration(config, "keep"),
            lateness=_duration(config, "lateness") or NO_TIME,
            suppress=_duration(config, "suppress") or NO_TIME,
            expiration=parse(config["expiration"], zone),
            fire_delay=_duration(config, "fire_delay") or NO_TIME,
            zone=zone,
            pipelines={
                Reason.FIRE: config.get("fire_pipeline"),
                Reason.EXPIRE: config.get("expire_pipeline"),
                Reason.CANCEL: config.get("cancel_pipeline"),
            },
            debug_level=config.get("debug_level", 0),
            fingerprint=_fingerprint(config),
        )


NO_TIME: Final = timedelta(0)
_check_duration: Final = duration()


def _duration(config: Mapping[str, Any], key: str) -> timedelta | None:
    value = config.get(key)
    return None if value is None else _check_duration(value)


def _distinguishing_trait(part: str | Mapping[str, str], zone: tzinfo) -> DistinguishingTrait:
    if isinstance(part, str):
        return DistinguishingTrait(part)
    ((name, expression),) = part.items()
    return DistinguishingTrait(name, parse(expression, zone))


def _fingerprint(config: Mapping[str, Any]) -> str:
    """Return the hash. A key with its default value changes nothing."""
    content: list[Any] = [config.get("fire_criteria"), config["expiration"]]
    within = _duration(config, "fire_within")
    more = {
        "fire_order": "sequence" if config.get("fire_order") == "sequence" else None,
        "fire_within": None if within is None else within.total_seconds(),
        "timezone": None if config.get("timezone") == "UTC" else config.get("timezone"),
        "opens_not": _joining_criteria(config) or None,
    }
    if more := {key: value for key, value in more.items() if value is not None}:
        content.append(more)
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _joining_criteria(config: Mapping[str, Any]) -> list[Any]:
    """Return the match criteria if one of them does not open, because their order matters."""
    criteria: list[Any] = config["match_criteria"]
    return criteria if any(each.get("opens") is False for each in criteria) else []


COMPARED_KEYS: Final[Mapping[str, Any]] = {
    "distinguished_by": None,
    "match_criteria": None,
    "fire_criteria": None,
    "fire_order": "any",
    "fire_within": None,
    "keep": None,
    "cancel_criteria": None,
    "lateness": None,
    "suppress": None,
    "expiration": None,
    "timezone": "UTC",
    "fire_delay": 0,
    "fire_pipeline": None,
    "expire_pipeline": None,
    "cancel_pipeline": None,
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
