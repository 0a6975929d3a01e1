"""Warnings about triggers that may pass events to each other in a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from winchester_core.config.trigger_circles import Step, shortest_circle
from winchester_core.plugins import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ConfigDir

ADVICE = "Unless conditions on traits prevent it, exclude the event type in match_criteria"


def warnings(config: ConfigDir, triggers: dict[str, Any], pipelines: dict[str, Any]) -> list[str]:
    """Return the warnings for triggers by name, each with its match criteria and pipelines."""
    entries = [
        {
            "name": name,
            "distinguished_by": [],
            "match_criteria": criteria,
            "fire_criteria": [{}],
            "expiration": "$last + 1h",
            **names,
        }
        for name, (criteria, names) in triggers.items()
    ]
    text = yaml.safe_dump(entries, sort_keys=False, default_flow_style=None)
    config.write("triggers.yaml", text)
    config.write("pipelines.yaml", yaml.safe_dump(pipelines))
    files = "trigger_definitions: triggers.yaml\npipeline_config: pipelines.yaml\n"
    found = config.settings(files).warnings
    return [line.replace(f"{config.path}/", "") for line in found]


def emitting(*event_types: str) -> list[dict[str, Any]]:
    return [{"name": "emit", "params": {"event_type": each}} for each in event_types]


def test_a_circle_of_two_triggers_is_named_with_its_lines(config: ConfigDir) -> None:
    (warning,) = warnings(
        config,
        {
            "other": ([{"event_type": "x"}], {"fire_pipeline": "silent"}),
            "a": ([{"event_type": ["vm.*", "y"]}], {"fire_pipeline": "to_x"}),
            "b": ([{"event_type": "x"}], {"expire_pipeline": "to_y"}),
        },
        {"silent": ["logger"], "to_x": emitting("x"), "to_y": emitting("y")},
    )
    assert warning == (
        "triggers.yaml:9:9: [1].name: triggers may form a circle: 'a' emits 'x', which may open "
        f"streams of 'b' (line 17); 'b' emits 'y', which may open streams of 'a' (line 9). {ADVICE}"
    )


def test_a_trigger_that_matches_its_own_events_is_a_circle(config: ConfigDir) -> None:
    (warning,) = warnings(
        config, {"a": ([{}], {"fire_pipeline": "p"})}, {"p": ["logger", *emitting("x")]}
    )
    assert warning == (
        "triggers.yaml:1:9: [0].name: triggers may form a circle: 'a' emits 'x', which may open "
        f"streams of the same trigger. {ADVICE}"
    )


@pytest.mark.parametrize(
    ("criteria", "names"),
    [
        ([{"event_type": "vm.*"}], {"fire_pipeline": "p"}),
        ([{"event_type": ["*", "!digest"]}], {"fire_pipeline": "p"}),
        ([{}], {"fire_pipeline": "q"}),
        (
            [{"event_type": "vm"}, {"event_type": "digest", "opens": False}],
            {"fire_pipeline": "p", "lateness": 5},
        ),
        (
            [{"event_type": "vm"}],
            {"fire_pipeline": "p", "cancel_criteria": [{"event_type": "digest"}]},
        ),
    ],
    ids=["no pattern", "excluded", "another pipeline", "joins only", "cancels only"],
)
def test_there_is_no_circle_without_a_criterion_that_opens(
    config: ConfigDir, criteria: list[Any], names: dict[str, Any]
) -> None:
    pipelines = {"p": emitting("digest"), "q": ["logger"]}
    assert warnings(config, {"a": (criteria, names)}, pipelines) == []


def test_a_chain_of_triggers_is_no_circle(config: ConfigDir) -> None:
    triggers = {
        "a": ([{"event_type": "vm"}], {"fire_pipeline": "to_x"}),
        "b": ([{"event_type": "x"}], {"fire_pipeline": "to_y", "expire_pipeline": "to_y"}),
        "c": ([{"event_type": ["x", "y"]}], {"fire_pipeline": "silent"}),
    }
    pipelines = {"to_x": emitting("x"), "to_y": emitting("y"), "silent": ["logger"]}
    assert warnings(config, triggers, pipelines) == []


def test_a_cancel_pipeline_may_be_part_of_a_circle(config: ConfigDir) -> None:
    names = {
        "cancel_criteria": [{"event_type": "end"}],
        "fire_pipeline": "q",
        "cancel_pipeline": "p",
    }
    pipelines = {"p": emitting("x"), "q": ["logger"]}
    (warning,) = warnings(config, {"a": ([{"event_type": "x"}], names)}, pipelines)
    assert "'a' emits 'x'" in warning


def test_each_trigger_of_several_circles_is_in_a_warning(config: ConfigDir) -> None:
    triggers = {
        "a": ([{"event_type": ["to_a", "also_a"]}], {"fire_pipeline": "a"}),
        "b": ([{"event_type": "to_b"}], {"fire_pipeline": "b"}),
        "c": ([{"event_type": "to_c"}], {"fire_pipeline": "c"}),
        "d": ([{"event_type": "to_d"}], {"fire_pipeline": "d"}),
    }
    pipelines = {
        "a": emitting("to_b", "to_c"),
        "b": emitting("to_a"),
        "c": emitting("to_d"),
        "d": emitting("also_a"),
    }
    first, second = warnings(config, triggers, pipelines)
    assert ("'a' emits 'to_b'" in first, "'b' emits 'to_a'" in first) == (True, True)
    assert [f"'{name}' emits" in second for name in "acd"] == [True, True, True]


def test_the_shortest_circle_through_a_trigger_is_found() -> None:
    steps = {
        "a": [Step("a", "1", "b"), Step("a", "2", "c")],
        "b": [Step("b", "3", "c")],
        "c": [Step("c", "4", "a"), Step("c", "5", "d")],
    }
    assert shortest_circle("a", steps) == (Step("a", "2", "c"), Step("c", "4", "a"))
    assert len(shortest_circle("b", steps)) == 3
    assert shortest_circle("d", steps) == ()


THIRD_PARTY = """
    from voluptuous import Schema


    class Declaring:
        config_schema = Schema({"to": object})
        unique_params = ("to",)

        @classmethod
        def emitted_event_types(cls, params):
            return params["to"]

        def handle_events(self, events, env): return events
        def commit(self): pass
        def rollback(self): pass
"""


@pytest.fixture
def third_party(install: Callable[..., None]) -> None:
    points = {"declaring": "acme_emit:Declaring", "alias": "acme_emit:Declaring"}
    install("acme", {HANDLERS: points}, {"acme_emit": THIRD_PARTY}, "1.4")


@pytest.mark.usefixtures("third_party")
def test_a_third_party_handler_may_declare_its_event_types(config: ConfigDir) -> None:
    entry = {"name": "declaring", "params": {"to": ["x", "y"]}}
    criteria = [{"event_type": "y"}]
    (warning,) = warnings(config, {"a": (criteria, {"fire_pipeline": "p"})}, {"p": [entry]})
    assert "'a' emits 'y', which may open streams of the same trigger" in warning


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ("5", "failed: TypeError: 'int' object is not iterable"),
        ("[5]", "returned values other than text"),
    ],
)
def test_a_wrong_declaration_is_a_problem_of_the_entry(
    config: ConfigDir, to: str, problem: str
) -> None:
    config.write("pipelines.yaml", f"p:\n  - {{name: declaring, params: {{to: {to}}}}}\n")
    assert config.problems("pipeline_config: pipelines.yaml") == [
        f"pipelines.yaml:2:5: p[0]: emitted_event_types of the handler 'declaring' {problem}"
    ]


@pytest.mark.usefixtures("third_party")
def test_a_unique_param_must_not_be_repeated_in_a_pipeline(config: ConfigDir) -> None:
    content = """
        p:
          - name: declaring
            params: {to: [x]}
          - logger
          - name: alias
            params:
              to: [x]
          - name: declaring
            params: {to: [y]}
        q:
          - {name: declaring, params: {to: [x]}}
    """
    config.write("pipelines.yaml", content)
    assert config.problems("pipeline_config: pipelines.yaml") == [
        (
            "pipelines.yaml:8:11: p[2].params.to: is also the to of the 'alias' on line 4: it must "
            "be unique in a pipeline"
        )
    ]


def test_two_emit_handlers_of_one_type_in_a_pipeline_are_an_error(config: ConfigDir) -> None:
    config.write(
        "pipelines.yaml",
        "p:\n"
        "  - {name: emit, params: {event_type: a}}\n"
        "  - {name: emit, params: {event_type: b}}\n"
        "  - {name: emit, params: {event_type: a}}\n",
    )
    assert config.problems("pipeline_config: pipelines.yaml") == [
        (
            "pipelines.yaml:4:39: p[2].params.event_type: is also the event_type of the 'emit' on "
            "line 2: it must be unique in a pipeline"
        )
    ]
