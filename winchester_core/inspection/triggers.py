"""Configured triggers as JSON, with their criteria as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.criteria import Criterion, MatchRole
from winchester_core.inspection.values import to_json_value
from winchester_core.triggers.definition import COMPARED_KEYS
from winchester_core.triggers.progress_explanation import describe_fire_criterion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.triggers.definition import TriggerDefinition

DEFAULTS: Final = {
    "fire_criteria": [],
    **{key: default for key, default in COMPARED_KEYS.items() if not key.endswith("_criteria")},
}
"""Defaults of the keys that have one. `cancel_criteria` has none: most triggers lack it."""

DESCRIBED_CRITERIA: Final = {
    "match_criteria": "matches",
    "fire_criteria": "fires_on",
    "cancel_criteria": "is_cancelled_by",
}


OPTIONS: Final = (
    *("fire_order", "fire_within", "keep", "lateness", "suppress"),
    *("timezone", "fire_delay", "cancel_pipeline"),
)
"""Keys that a list of triggers shows only if they have another value than their default."""


def _describe_match(criterion: Criterion) -> str:
    joins = "" if criterion.role is MatchRole.OPENS else " (opens no stream)"
    return f"{criterion.describe()}{joins}"


DESCRIBE: Final[Mapping[str, Callable[[Criterion], str]]] = {
    "match_criteria": _describe_match,
    "fire_criteria": describe_fire_criterion,
    "cancel_criteria": Criterion.describe,
}


def options_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `OPTIONS` of a trigger that differ from their defaults."""
    values = {key: config.get(key, COMPARED_KEYS[key]) for key in OPTIONS}
    return {key: value for key, value in values.items() if value != COMPARED_KEYS[key]}


def describe_trigger(config: Mapping[str, Any], definition: TriggerDefinition) -> dict[str, Any]:
    """Return a trigger's configuration with its defaults, and its criteria as text.

    The texts are the values of `DESCRIBED_CRITERIA`.
    """
    return {
        **to_json_value(config),
        **{key: value for key, value in DEFAULTS.items() if key not in config},
        **{
            described: [DESCRIBE[key](criterion) for criterion in getattr(definition, key)]
            for key, described in DESCRIBED_CRITERIA.items()
        },
    }
