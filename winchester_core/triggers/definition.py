"""A trigger as it works: compiled from an entry of `triggers.yaml`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from winchester_core.matching import compile_criterion
from winchester_core.model.stream import Reason
from winchester_core.timex import parse
from winchester_core.triggers.grouping import DistinguishingTrait, Grouping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.interfaces import Condition
    from winchester_core.matching import Criterion
    from winchester_core.timex import Expression


@dataclass(frozen=True, slots=True, eq=False)
class TriggerDefinition:
    """What to collect, how to divide it into streams, and when each fires or expires.

    `fingerprint` (32 hexadecimal digits) changes whenever the fire criteria or the expiration
    do, so that a stream knows when its progress was counted by other rules.
    """

    name: str
    grouping: Grouping
    match_criteria: tuple[Criterion, ...]
    fire_criteria: tuple[Criterion, ...]
    expiration: Expression
    fire_delay: timedelta
    fire_pipeline: str | None
    expire_pipeline: str | None
    debug_level: int
    fingerprint: str

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], conditions: Mapping[str, type[Condition]]
    ) -> TriggerDefinition:
        """Compile an entry that has been validated.

        Raises `voluptuous.MultipleInvalid` or `TimeExpressionError` when it has not been.
        """
        return cls(
            name=config["name"],
            grouping=Grouping(
                config["name"], (_distinguishing(part) for part in config["distinguished_by"])
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
            fire_pipeline=config.get("fire_pipeline"),
            expire_pipeline=config.get("expire_pipeline"),
            debug_level=config.get("debug_level", 0),
            fingerprint=_fingerprint(config),
        )

    def pipeline(self, reason: Reason) -> str | None:
        """The name of the pipeline for `reason`, if there is one."""
        return self.fire_pipeline if reason is Reason.FIRE else self.expire_pipeline


def _distinguishing(part: str | Mapping[str, str]) -> DistinguishingTrait:
    if isinstance(part, str):
        return DistinguishingTrait(part)
    ((name, expression),) = part.items()
    return DistinguishingTrait(name, parse(expression))


def _fingerprint(config: Mapping[str, Any]) -> str:
    deciding = [config["fire_criteria"], config["expiration"]]
    text = json.dumps(deciding, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
