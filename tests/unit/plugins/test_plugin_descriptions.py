"""Plugin descriptions: every built-in plugin has a summary and an example that loads."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from winchester_core.config import load_settings
from winchester_core.criteria import CriteriaList, compile_criterion
from winchester_core.distill import Distiller
from winchester_core.distribution import DISTRIBUTION
from winchester_core.interfaces import PipelineHandler
from winchester_core.plugins import (
    COMMANDS,
    CONDITIONS,
    EVENT_SOURCES,
    GROUP_NOUNS,
    HANDLERS,
    TRAIT_PLUGINS,
    PluginDescription,
    PluginRegistry,
    describe_plugin,
    installed_plugins,
)
from winchester_core.schemas import list_parameters, plugin_schema


def own(group: str) -> list[str]:
    return [
        name for name, each in installed_plugins(group).items() if each.distribution == DISTRIBUTION
    ]


def example_of(group: str, name: str) -> Any:
    return yaml.safe_load(describe_plugin(PluginRegistry(group)[name]).example)


ANYTHING = {"library", "flags[].value", "default"}
"""Parameters that accept any value."""

OWN = [(group, name) for group in GROUP_NOUNS for name in own(group)]


@pytest.mark.parametrize(("group", "name"), OWN, ids=lambda value: value)
def test_every_built_in_plugin_has_a_one_line_summary_and_an_example(group: str, name: str) -> None:
    description = describe_plugin(PluginRegistry(group)[name])

    assert description.text.splitlines()[0] == description.summary
    assert name.split(maxsplit=1)[0] in description.example or name == "text"


@pytest.mark.parametrize(("group", "name"), OWN, ids=lambda value: value)
def test_every_built_in_parameter_has_a_description_and_a_known_type(group: str, name: str) -> None:
    plugin = installed_plugins(group)[name]
    parameters = list_parameters(plugin_schema(plugin, plugin.load()))

    assert [each.name for each in parameters if not each.description] == []
    assert {each.name for each in parameters if each.takes == "anything"} <= ANYTHING


@pytest.mark.parametrize("name", own(CONDITIONS))
def test_the_expression_of_a_built_in_condition_has_a_known_type(name: str) -> None:
    plugin = installed_plugins(CONDITIONS)[name]

    assert plugin_schema(plugin, plugin.load()) != {}


@pytest.mark.parametrize("name", own(CONDITIONS))
def test_the_example_of_a_condition_compiles(name: str) -> None:
    traits = example_of(CONDITIONS, name)

    compile_criterion({"traits": traits}, PluginRegistry(CONDITIONS), CriteriaList.FIRE)
    assert all(name in demand or name == "text" for demand in traits.values())


@pytest.mark.parametrize("name", own(HANDLERS))
def test_the_example_of_a_handler_loads(name: str) -> None:
    settings = load_settings(_minimal(pipeline_config={"example": example_of(HANDLERS, name)}))

    assert name in [each.plugin_name for each in settings.pipelines["example"]]


@pytest.mark.parametrize("name", own(EVENT_SOURCES))
def test_the_example_of_a_source_loads(name: str) -> None:
    settings = load_settings(_minimal(event_sources=example_of(EVENT_SOURCES, name)))

    assert [each.plugin_name for each in settings.event_sources.values()] == [name]


@pytest.mark.parametrize("name", own(TRAIT_PLUGINS))
def test_the_example_of_a_trait_plugin_loads(name: str) -> None:
    pytest.importorskip("stackdistiller", reason="the extra 'openstack' is not installed")
    traits = example_of(TRAIT_PLUGINS, name)

    Distiller([{"event_type": "*", "traits": traits}], PluginRegistry(TRAIT_PLUGINS))
    assert all(name in str(trait["plugin"]) for trait in traits.values())


def test_a_description_is_never_inherited() -> None:
    class Described(PipelineHandler):
        """Does this
        and that.

        Besides, more.
        """

        example = """
            - name: described
              params: {}
        """

    class Silent(Described):
        pass

    assert describe_plugin(Described) == PluginDescription(
        "Does this and that.",
        "Does this\nand that.\n\nBesides, more.",
        "- name: described\n  params: {}",
    )
    assert describe_plugin(Silent) == PluginDescription("", "", "")


@pytest.mark.parametrize("plugin", [None, 7, type("Odd", (), {"__doc__": 3, "example": 4})])
def test_every_kind_of_entry_point_target_has_a_description(plugin: Any) -> None:
    assert describe_plugin(plugin).example == ""


def test_the_example_of_a_command_is_its_command_lines() -> None:
    assert describe_plugin(PluginRegistry(COMMANDS)["check"]).example.startswith(
        "winchester check -c "
    )


def _minimal(**more: Any) -> dict[str, Any]:
    return {"database": {"url": "sqlite://"}, **more}
