"""Reading of the event definitions document; the distiller validates its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, MultipleInvalid

from winchester_core.errors import PluginError
from winchester_core.plugins import TRAIT_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    config.write("events.yaml", DEFINITIONS)

    def refuse(_definitions: list[Any], _plugins: Mapping[str, Any]) -> None:
        raise MultipleInvalid(
            [
                Invalid("not this", [1, "traits", "size", "fields"]),
                Invalid("unknown key 'x'", [0, "event_type"]),
            ]
        )

    problems = config.problems("distiller_config: events.yaml", validate_definitions=refuse)

    assert problems == [
        "events.yaml:1:3: [0].event_type: unknown key 'x'",
        "events.yaml:3:20: [1].traits.size.fields: not this",
    ]


def test_a_plugin_error_during_validation_is_a_problem_of_the_file(config: ConfigDir) -> None:
    config.write("events.yaml", DEFINITIONS)

    def refuse(_definitions: list[Any], _plugins: Mapping[str, Any]) -> None:
        raise PluginError(TRAIT_PLUGINS, "x", "a package is missing")

    assert config.problems("distiller_config: events.yaml", validate_definitions=refuse) == [
        "events.yaml:1:1: a package is missing"
    ]


def test_validation_knows_trait_plugins_by_entry_point_and_alias(
    config: ConfigDir, install: Callable[..., None]
) -> None:
    install(
        "acme", {TRAIT_PLUGINS: {"upper": "acme_upper:Upper"}}, {"acme_upper": "class Upper: 0"}
    )
    seen: list[Any] = []

    def look(_definitions: list[Any], plugins: Mapping[str, Any]) -> None:
        seen.extend([plugins["upper"], plugins["shout"], "lower" in plugins])

    settings = config.settings(
        "distiller_config: []\ndistiller_trait_plugins: {shout: upper}\n",
        validate_definitions=look,
    )

    assert [getattr(item, "__name__", item) for item in seen] == ["Upper", "Upper", False]
    assert settings.trait_plugin_aliases == {"shout": "upper"}
    assert settings.trait_plugins["shout"] is seen[0]


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
