"""Reading of the event definitions document; the distiller validates its content."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from winchester_core.plugins import TRAIT_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ConfigDir

DEFINITIONS = """\
- event_type: a.*
  traits: &base
    size: {fields: payload.size}
- event_type: a.end
  traits:
    <<: *base
    state: {fields: payload.state}
"""


def test_definitions_are_kept_verbatim_with_merges_resolved(config: ConfigDir) -> None:
    path = config.write("events.yaml", DEFINITIONS)

    read = config.settings("distiller_config: events.yaml").event_definitions

    assert read is not None
    assert read.name == str(path)
    assert read.definitions == (
        {"event_type": "a.*", "traits": {"size": {"fields": "payload.size"}}},
        {
            "event_type": "a.end",
            "traits": {"size": {"fields": "payload.size"}, "state": {"fields": "payload.state"}},
        },
    )


def test_validation_errors_are_reported_at_their_position(config: ConfigDir) -> None:
    faulty = DEFINITIONS.replace("payload.size", "'payload.['").replace("a.end", "a.end\n  x: 1")
    config.write("events.yaml", faulty)

    assert config.problems("distiller_config: events.yaml") == [
        (
            "events.yaml:3:20: [0].traits.size.fields: field path 'payload.[', character 10: "
            "unexpected end"
        ),
        (  # the same by its alias
            "events.yaml:3:20: [1].traits.size.fields: field path 'payload.[', character 10: "
            "unexpected end"
        ),
        "events.yaml:5:3: [1].x: unknown key 'x'; allowed: event_type, traits",
    ]


def test_a_plugin_error_during_validation_is_a_problem_of_the_file(
    config: ConfigDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write(
        "events.yaml", DEFINITIONS.replace("payload.size", "'payload.not_parsed_before[*]'")
    )
    monkeypatch.setitem(sys.modules, "jsonpath_rw", None)

    (problem,) = config.problems("distiller_config: events.yaml")

    assert problem.startswith("events.yaml:1:1: distilling notifications needs jsonpath_rw: ")


def test_validation_knows_trait_plugins_by_entry_point_and_alias(
    config: ConfigDir, install: Callable[..., None]
) -> None:
    install(
        "acme", {TRAIT_PLUGINS: {"upper": "acme_upper:Upper"}}, {"acme_upper": "class Upper: 0"}
    )
    definitions = """\
        distiller_trait_plugins: {shout: upper}
        distiller_config:
          - event_type: a
            traits:
              name: {fields: payload.name, plugin: upper}
              first: {fields: payload.first, plugin: shout}
        """

    settings = config.settings(definitions)

    assert settings.trait_plugin_aliases == {"shout": "upper"}
    assert settings.trait_plugins["shout"].__name__ == "Upper"
    (problem,) = config.problems(definitions.replace("plugin: shout", "plugin: lower"))
    assert "unknown trait plugin 'lower'" in problem
    assert "shout, split, timedelta, upper" in problem


def test_a_trait_defined_twice_is_warned_about_and_the_last_one_counts(config: ConfigDir) -> None:
    path = config.write(
        "events.yaml",
        """\
        - event_type: a
          traits:
            state: {fields: payload.first}
            state: {fields: payload.last}
        """,
    )

    settings = config.settings("distiller_config: events.yaml")

    assert settings.event_definitions is not None
    (definition,) = settings.event_definitions.definitions
    assert definition["traits"]["state"] == {"fields": "payload.last"}
    assert settings.warnings == (
        (f"{path}:4:5: [0].traits.state: duplicate key, first on line 3; this one counts"),
    )


def test_any_other_duplicate_in_the_definitions_is_an_error(config: ConfigDir) -> None:
    config.write("events.yaml", "- event_type: a\n  traits: {}\n  traits: {}\n")

    assert config.problems("distiller_config: events.yaml") == [
        "events.yaml:3:3: [0].traits: duplicate key, first on line 2"
    ]


@pytest.mark.parametrize(
    "name", ["x" * 300, "~nobody-has-this-name/events.yaml"], ids=["long", "home"]
)
def test_a_name_that_no_file_can_have_is_reported(config: ConfigDir, name: str) -> None:
    (problem,) = config.problems(f"distiller_config: {name}")

    assert f"there is no file '{name}'" in problem
