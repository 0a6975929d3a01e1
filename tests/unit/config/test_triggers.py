"""Validation of an entry of the triggers document."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from voluptuous import MultipleInvalid

from winchester_core.config import check_trigger_definitions, validate_trigger
from winchester_core.errors import ConfigurationError
from winchester_core.plugins import CONDITIONS, PluginRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ConfigDir

TRIGGER: dict[str, Any] = {
    "name": "t",
    "distinguished_by": ["instance_id", {"timestamp": "day"}],
    "match_criteria": [
        {"event_type": ["a.*", "!a.end"]},
        {"event_type": "a.end", "map_distinguished_by": {"timestamp": "began_at"}},
    ],
    "fire_criteria": [{"event_type": "a.end", "number": 1, "traits": {"state": "done"}}],
    "expiration": "$last + 1h",
    "fire_pipeline": "p",
}


def faults(**changes: Any) -> list[str]:
    """Return the problems of the trigger above with some keys changed; None removes a key."""
    trigger = {key: value for key, value in {**TRIGGER, **changes}.items() if value is not None}
    with pytest.raises(ConfigurationError) as caught:
        check_trigger_definitions([trigger], PluginRegistry(CONDITIONS))
    return [line.removeprefix("<trigger definitions>: [0]") for line in caught.value.problems]


def test_a_complete_trigger_is_accepted_unchanged() -> None:
    trigger = {**TRIGGER, "expire_pipeline": "q", "fire_delay": 1.5, "debug_level": 2}

    assert check_trigger_definitions([trigger], PluginRegistry(CONDITIONS)) == (trigger,)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": None}, ".name: is missing"),
        ({"name": ""}, ".name: expected 1 to 255 characters, not 0"),
        ({"name": "x" * 256}, ".name: expected 1 to 255 characters, not 256"),
        ({"name": 5}, ".name: expected text, not 5"),
        ({"name": "a\0"}, ".name: text with a NUL character"),
        ({"distinguished_by": None}, ".distinguished_by: is missing"),
        (
            {"distinguished_by": "x", "match_criteria": [{}]},
            ".distinguished_by: expected a list of trait names, not 'x'",
        ),
        (
            {"distinguished_by": ["timestamp", {"a": "day", "b": "day"}]},
            (
                ".distinguished_by[1]: expected a trait's name, or a map of one such name to a "
                "time expression, not a mapping"
            ),
        ),
        (
            {"distinguished_by": ["timestamp", {"timestamp": "day"}]},
            ".distinguished_by[1]: the trait 'timestamp' is listed already",
        ),
        (
            {"distinguished_by": [{"timestamp": "$timestmp + 1d"}]},
            (
                ".distinguished_by[0].timestamp: time expression '$timestmp + 1d': unknown "
                "variable '$timestmp'; did you mean '$timestamp'? Known here: $timestamp"
            ),
        ),
        ({"match_criteria": None}, ".match_criteria: is missing"),
        (
            {"match_criteria": []},
            ".match_criteria: expected a list of at least one criterion, not an empty list",
        ),
        (
            {"match_criteria": {"event_type": "a"}},
            ".match_criteria: expected a list of at least one criterion, not a mapping",
        ),
        (
            {"match_criteria": [{"map_distinguished_by": {"instance": "id"}}]},
            (
                ".match_criteria[0].map_distinguished_by.instance: not a distinguishing trait of "
                "this trigger; did you mean 'instance_id'?"
            ),
        ),
        (
            {"match_criteria": [{"map_distinguished_by": {"host": "id"}}]},
            (
                ".match_criteria[0].map_distinguished_by.host: not a distinguishing trait of this "
                "trigger; distinguished_by has: instance_id, timestamp"
            ),
        ),
        (
            {"match_criteria": [{"map_distingushed_by": {"timestamp": "id"}}]},
            (
                ".match_criteria[0].map_distingushed_by: unknown key 'map_distingushed_by': did "
                "you mean 'map_distinguished_by'? allowed: event_type, map_distinguished_by, "
                "opens, timestamp, traits"
            ),
        ),
        (
            {"fire_criteria": []},
            ".fire_criteria: expected a list of at least one criterion, not an empty list",
        ),
        (
            {"expiration": "$fist + 1h"},
            (
                ".expiration: time expression '$fist + 1h': unknown variable '$fist'; did you mean "
                "'$first'? Known here: $first, $last, $timestamp"
            ),
        ),
        ({"expiration": None}, ".expiration: is missing"),
        ({"expiration": 5}, ".expiration: expected a time expression, as text, not 5"),
        (
            {"fire_delay": -1},
            (
                ".fire_delay: expected a duration: seconds, or text such as '1d 12h' "
                "(units d h m s us), not -1"
            ),
        ),
        (
            {"fire_delay": "3661d"},
            ".fire_delay: expected at most ten years",
        ),
        ({"debug_level": 3}, ".debug_level: expected 0, 1 or 2, not 3"),
        (
            {"fire_pipeline": None},
            ": names no pipeline; expected fire_pipeline, expire_pipeline or both",
        ),
        ({"fire_pipeline": ["p"]}, ".fire_pipeline: expected the name of a pipeline, not a list"),
        ({"firedelay": 5}, ".firedelay: unknown key 'firedelay'; did you mean 'fire_delay'?"),
    ],
)
def test_each_error_of_a_trigger_is_reported(changes: dict[str, Any], problem: str) -> None:
    assert faults(**changes) == [problem]


def test_an_invalid_time_expression_is_reported_with_the_parsers_reason() -> None:
    (problem,) = faults(expiration="$last + + 1h")

    assert problem.startswith(".expiration: time expression '$last + + 1h', character ")


def test_problems_of_several_criteria_are_all_reported() -> None:
    found = faults(
        match_criteria=[{"event_type": 5}, "a.*"],
        fire_criteria=[{"number": 0}, {"traits": {"size": {"nmeric": "> 3"}}}],
    )

    paths = [line.split(": ", 1)[0] for line in found]
    assert paths == [
        ".match_criteria[0].event_type",
        ".match_criteria[1]",
        ".fire_criteria[0].number",
        ".fire_criteria[1].traits.size.nmeric",
    ]
    assert "did you mean 'numeric'?" in found[-1]


def test_validate_trigger_raises_paths_relative_to_the_entry() -> None:
    with pytest.raises(MultipleInvalid) as caught:
        validate_trigger({**TRIGGER, "debug_level": 7, "x": 1}, PluginRegistry(CONDITIONS))

    assert {tuple(error.path): error.msg for error in caught.value.errors} == {
        ("debug_level",): "expected 0, 1 or 2, not 7",
        ("x",): caught.value.errors[-1].msg,
    }
    with pytest.raises(MultipleInvalid, match="expected a mapping that describes a trigger"):
        validate_trigger(["t"], PluginRegistry(CONDITIONS))


CONDITION = """
    from voluptuous import All, Range, Schema
    from winchester_core.interfaces import Condition


    class Odd(Condition):
        config_schema = Schema({"parity": All(int, Range(min=1))})
"""


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ({"parity": "x"}, ".parity: expected a whole number, not 'x'"),
        ({"parity": 0}, ".parity: value must be at least 1, not 0"),
        ({"parity": 1, "x": 1}, ".x: unknown key 'x'"),
        (5, ": expected a mapping, not 5"),
    ],
)
def test_schema_errors_of_a_condition_use_the_same_wording(
    install: Callable[..., None], expression: Any, problem: str
) -> None:
    install("acme", {CONDITIONS: {"odd": "acme_odd:Odd"}}, {"acme_odd": CONDITION})

    found = faults(fire_criteria=[{"traits": {"size": {"odd": expression}}}])

    assert found == [f".fire_criteria[0].traits.size.odd{problem}"]


def test_a_duplicate_trigger_name_is_reported_with_both_lines(config: ConfigDir) -> None:
    entry = """\
        - name: twice
          distinguished_by: [a]
          match_criteria: [{event_type: a}]
          fire_criteria: [{event_type: a}]
          expiration: $last + 1h
          fire_pipeline: p
    """
    config.write("triggers.yaml", dedent(entry) * 2)

    assert config.problems("trigger_definitions: triggers.yaml") == [
        (
            "triggers.yaml:7:9: [1].name: duplicate trigger 'twice', first on line 1: names must "
            "be unique"
        )
    ]


def test_a_trigger_must_name_configured_pipelines(config: ConfigDir) -> None:
    config.write("pipelines.yaml", "notify: [logger]\n")
    content = dedent("""\
        trigger_definitions:
          - name: t
            distinguished_by: [a]
            match_criteria: [{event_type: a}]
            fire_criteria: [{event_type: a}]
            expiration: $last + 1h
            fire_pipeline: notfy
            expire_pipeline: other
        """)

    problems = config.problems(content + "pipeline_config: pipelines.yaml\n")

    where = f"in {config.path}/pipelines.yaml".replace(f"{config.path}/", "")
    assert problems == [
        (
            f"winchester.yaml:8:20: trigger_definitions[0].fire_pipeline: no pipeline is named "
            f"'notfy' {where}; did you mean 'notify'?"
        ),
        (
            f"winchester.yaml:9:22: trigger_definitions[0].expire_pipeline: no pipeline is named "
            f"'other' {where}; defined: notify"
        ),
    ]
    assert len(config.settings(content).trigger_definitions) == 1


def test_load_criteria_are_ignored_with_a_warning(config: ConfigDir) -> None:
    config.write(
        "triggers.yaml",
        """\
        - name: t
          distinguished_by: [a]
          match_criteria: [{event_type: a}]
          fire_criteria: [{event_type: a}]
          load_criteria: [{event_type: b}]
          expiration: $last + 1h
          fire_pipeline: p
        """,
    )

    settings = config.settings("trigger_definitions: triggers.yaml")

    assert "load_criteria" not in settings.trigger_definitions[0]
    assert settings.warnings == (
        (
            f"{config.path}/triggers.yaml:5:3: [0].load_criteria: has no effect, as in the "
            f"older system; remove it"
        ),
    )


@pytest.mark.parametrize("content", ["{}", "name: t", "5"])
def test_a_triggers_document_must_be_a_list(config: ConfigDir, content: str) -> None:
    config.write("triggers.yaml", content)

    assert config.problems("trigger_definitions: triggers.yaml") == [
        "triggers.yaml:1:1: expected a list of triggers"
    ]


def test_a_number_from_a_variable_is_accepted_in_a_criterion(config: ConfigDir) -> None:
    config.write(
        "triggers.yaml",
        """\
        - name: t
          distinguished_by: [a]
          match_criteria: [{event_type: a}]
          fire_criteria:
            - event_type: a
              number: ${COUNT}
          expiration: $last + 1h
          fire_delay: ${DELAY}
          fire_pipeline: p
        """,
    )

    settings = config.settings(
        "trigger_definitions: triggers.yaml", environ={"COUNT": "3", "DELAY": "5"}
    )

    assert settings.trigger_definitions[0]["fire_criteria"][0]["number"] == 3
    assert settings.trigger_definitions[0]["fire_delay"] == 5


def test_a_condition_that_fails_to_load_is_reported_at_its_position(
    config: ConfigDir, install: Callable[..., None]
) -> None:
    install("acme", {CONDITIONS: {"odd": "acme_odd:Odd"}}, {"acme_odd": "import no_such_library"})
    config.write(
        "triggers.yaml",
        """\
        - name: t
          distinguished_by: [a]
          match_criteria: [{event_type: a}]
          fire_criteria:
            - traits:
                size:
                  odd: 5
          expiration: $last + 1h
          fire_pipeline: p
        """,
    )

    assert config.problems("trigger_definitions: triggers.yaml") == [
        (
            "triggers.yaml:7:16: [0].fire_criteria[0].traits.size.odd: the condition 'odd' of acme "
            "1.0 cannot be loaded: entry point 'odd = acme_odd:Odd' in winchester.conditions: "
            "ModuleNotFoundError: No module named 'no_such_library'"
        )
    ]
