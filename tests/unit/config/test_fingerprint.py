"""Fingerprints of triggers and pipelines: included changes, and ignored changes."""

from __future__ import annotations

from typing import Any

import pytest

from winchester_core.config import load_settings

TRIGGER: dict[str, Any] = {
    "name": "t",
    "distinguished_by": ["id"],
    "match_criteria": [{"event_type": "a", "traits": {"size": "${SIZE:-3}", "host": "x"}}],
    "fire_criteria": [{"event_type": "a"}],
    "expiration": "$last + 1h",
    "fire_pipeline": "p",
}
PIPELINES: dict[str, Any] = {"p": ["logger"], "q": [{"name": "logger", "params": {}}]}


def load(
    trigger: dict[str, Any] = TRIGGER, pipelines: dict[str, Any] = PIPELINES, **choices: Any
) -> tuple[str | None, str | None]:
    """Return the fingerprints of a configuration."""
    content = {
        "database": {"url": "sqlite://"},
        "trigger_definitions": [trigger],
        "pipeline_config": pipelines,
        **choices.pop("settings", {}),
    }
    settings = load_settings(content, **choices)
    return settings.triggers_fingerprint, settings.pipelines_fingerprint


def test_the_environment_and_the_order_of_keys_do_not_matter() -> None:
    before = load()
    assert load(environ={"SIZE": "4"}) == before
    assert load(dict(reversed(TRIGGER.items())), dict(reversed(PIPELINES.items()))) == before
    assert all(len(each or "") == 16 for each in before)


def test_a_changed_trigger_changes_only_the_fingerprint_of_the_triggers() -> None:
    before, after = load(), load({**TRIGGER, "expiration": "$last + 2h"})
    assert after[0] != before[0]
    assert after[1] == before[1]
    other_default = {"event_type": "a", "traits": {"size": "${SIZE:-4}", "host": "x"}}
    assert load({**TRIGGER, "match_criteria": [other_default]})[0] != before[0]


def test_a_changed_pipeline_changes_only_the_fingerprint_of_the_pipelines() -> None:
    before, after = load(), load(pipelines={**PIPELINES, "q": ["logger", "logger"]})
    assert after[0] == before[0]
    assert after[1] != before[1]
    aliases = {"pipeline_handlers": {"log": "logger"}}
    assert load(settings=aliases)[1] != before[1]


def test_secrets_do_not_change_a_fingerprint() -> None:
    def fingerprint(token: str) -> str | None:
        params = {"url": "http://localhost/", "headers": {"Authorization": token}}
        return load(pipelines={"p": [{"name": "webhook", "params": params}]})[1]

    assert fingerprint("one") == fingerprint("another") == fingerprint("${HOME}")


@pytest.mark.parametrize("part", ["triggers", "pipelines"])
def test_a_part_that_is_not_read_has_no_fingerprint(part: Any) -> None:
    triggers, pipelines = load(ignores=[part])
    assert (triggers if part == "triggers" else pipelines) is None
    assert (pipelines if part == "triggers" else triggers) is not None
