"""Existing trigger files beside the checkout compile, or report their errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from winchester_core.criteria import Criterion


def only_trigger(path: Path) -> dict[str, Any]:
    (trigger,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    return dict(trigger)


def test_triggers_of_the_sandbox_match_their_event_types(
    shared_data: Path, compiled: Callable[..., Criterion]
) -> None:
    trigger = only_trigger(shared_data / "config/stacktach-sandbox/winchester/triggers.yaml")
    lifecycle, exists = (compiled(each, fire=False) for each in trigger["match_criteria"])
    (fire,) = (compiled(each) for each in trigger["fire_criteria"])
    assert lifecycle.event_types.matches("compute.instance.create.start")
    assert not lifecycle.event_types.matches("compute.instance.exists.verified")
    assert exists.map_distinguished_by == {"timestamp": "audit_period_beginning"}
    assert fire.describe().endswith(
        "audit_period_ending is a datetime in '$audit_period_beginning + 1d'"
    )


def test_the_misspelt_key_of_the_seed_example_is_reported(
    shared_data: Path, problems: Callable[..., dict[tuple[Any, ...], str]]
) -> None:
    trigger = only_trigger(shared_data / "config/winchester-etc/triggers.yaml")
    found = [problems(each, fire=False) for each in trigger["match_criteria"]]
    assert found[0] == {}
    assert list(found[1]) == [("map_distingushed_by",)]
    assert "did you mean 'map_distinguished_by'?" in found[1]["map_distingushed_by",]
