"""Warnings about values that YAML 1.1 reads as an unexpected type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from winchester_core.config.errors import ProblemReport
from winchester_core.config.yaml import parse_yaml

if TYPE_CHECKING:
    from conftest import ConfigDir

QUOTE = "quote it if text is meant"


@pytest.mark.parametrize("loader", [yaml.CSafeLoader, yaml.SafeLoader])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("on", f"'on' is read as the boolean true; {QUOTE}"),
        ("NO", f"'NO' is read as the boolean false; {QUOTE}"),
        ("Yes", f"'Yes' is read as the boolean true; {QUOTE}"),
        ("off", f"'off' is read as the boolean false; {QUOTE}"),
        ("0755", f"'0755' is read as the number 493 (base 8); {QUOTE}"),
        ("-010", f"'-010' is read as the number -8 (base 8); {QUOTE}"),
        ("12:30:45", f"'12:30:45' is read as the number 45045 (base 60); {QUOTE}"),
        ("1:30.5", f"'1:30.5' is read as the number 90.5 (base 60); {QUOTE}"),
        ("1_000", f"'1_000' is read as the number 1000; {QUOTE}"),
        ("1_0.5", f"'1_0.5' is read as the number 10.5; {QUOTE}"),
        ("+4930", f"'+4930' is read as the number 4930; {QUOTE}"),
        ("007", f"'007' is read as the number 7 (base 8); {QUOTE}"),
        ("00", f"'00' is read as the number 0; {QUOTE}"),
        ("0x1F", f"'0x1F' is read as the number 31; {QUOTE}"),
        ("0b11", f"'0b11' is read as the number 3; {QUOTE}"),
        ("1.10", f"'1.10' is read as the number 1.1; {QUOTE}"),
        ("2026-01-01", f"'2026-01-01' is read as a date or time; {QUOTE}"),
        (".5e3", "'.5e3' is read as text; write 500.0 if a number is meant, or quote it"),
        ("1e3", "'1e3' is read as text; write 1000.0 if a number is meant, or quote it"),
        ("089", "'089' is read as text; write 89 if a number is meant, or quote it"),
        ("0o17", "'0o17' is read as text; write 15 if a number is meant, or quote it"),
    ],
)
def test_a_value_that_looks_like_another_type_has_a_message(
    text: str, message: str, loader: type
) -> None:
    document = parse_yaml(text.encode(), "f", ProblemReport(), {}, loader_class=loader)

    assert document is not None
    assert [each.message for each in document.misreadings.values()] == [message]


@pytest.mark.parametrize(
    "text",
    [
        *("true", "False", "'on'", '"0755"', "y", "n", "online", "active", "~"),
        *("0", "7", "-7", "0.5", ".5", "1.0", "-2.25", "1.0e+3", ".inf", "1e", "e3", "0x", "1.2.3"),
        "'1e3'",
        "|\n on",
        "0x" + "F" * 100,
    ],
)
def test_other_values_have_none(text: str) -> None:
    document = parse_yaml(text.encode(), "f", ProblemReport(), {})

    assert document is not None
    assert document.misreadings == {}


def test_misread_constants_of_criteria_are_warned_about(config: ConfigDir) -> None:
    config.write(
        "triggers.yaml",
        """\
        - name: &name on-call
          distinguished_by: [x]
          match_criteria:
            - traits:
                one: on
                two: {in: [a, NO, "NO", 1e3]}
                three: {not: {any: [0755, {all: [off]}]}}
                four: {int: 0755}
                five: {range: {min: 12:30:45}}
                six: {exists: yes}
                seven: {numeric: 1e3}
                seven_a: {range: {min: 0.50, max: 1_000}}
                seven_b: {float: 1.50}
                seven_c: {not: {int: 0x10}}
                version: 1.10
                eight: 2026-01-01 00:00:00
                nine: &off off
                ten: *off
          fire_criteria: [{number: 010}]
          expiration: $last + 1d
          fire_pipeline: p
        """,
    )

    settings = config.settings("trigger_definitions: triggers.yaml\npipeline_config: {p: []}")

    path = "[0].match_criteria[0].traits"
    assert [each.replace(f"{config.path}/", "") for each in settings.warnings] == [
        f"triggers.yaml:5:14: {path}.one: 'on' is read as the boolean true; {QUOTE}",
        f"triggers.yaml:6:23: {path}.two.in[1]: 'NO' is read as the boolean false; {QUOTE}",
        (
            f"triggers.yaml:6:33: {path}.two.in[3]: '1e3' is read as text; "
            "write 1000.0 if a number is meant, or quote it"
        ),
        (
            f"triggers.yaml:7:29: {path}.three.not.any[0]: "
            f"'0755' is read as the number 493 (base 8); {QUOTE}"
        ),
        (
            f"triggers.yaml:7:42: {path}.three.not.any[1].all[0]: "
            f"'off' is read as the boolean false; {QUOTE}"
        ),
        f"triggers.yaml:8:21: {path}.four.int: '0755' is read as the number 493 (base 8); {QUOTE}",
        (
            f"triggers.yaml:9:29: {path}.five.range.min: "
            f"'12:30:45' is read as the number 45045 (base 60); {QUOTE}"
        ),
        f"triggers.yaml:15:18: {path}.version: '1.10' is read as the number 1.1; {QUOTE}",
        f"triggers.yaml:17:15: {path}.nine: 'off' is read as the boolean false; {QUOTE}",
        (
            "triggers.yaml:19:28: [0].fire_criteria[0].number: "
            f"'010' is read as the number 8 (base 8); {QUOTE}"
        ),
    ]


def test_misread_parameters_of_trait_plugins_are_warned_about(config: ConfigDir) -> None:
    settings = config.settings(
        """\
        distiller_config:
          - event_type: "*"
            traits:
              power:
                fields: payload.power
                plugin:
                  name: map
                  parameters:
                    values: {on: up, x: off, 2026-01-01: day, "no": 1.10}
                    case_sensitive: no
                    default: no
              piece: {fields: host, plugin: {name: split, parameters: {segment: 010}}}
        """
    )

    assert [each.partition("distiller_config[0].traits.")[2] for each in settings.warnings] == [
        f"power.plugin.parameters.values[True]: 'on' is read as the boolean true; {QUOTE}",
        f"power.plugin.parameters.values.x: 'off' is read as the boolean false; {QUOTE}",
        (
            "power.plugin.parameters.values[2026-01-01]: "
            f"'2026-01-01' is read as a date or time; {QUOTE}"
        ),
        f"power.plugin.parameters.values.no: '1.10' is read as the number 1.1; {QUOTE}",
        f"power.plugin.parameters.default: 'no' is read as the boolean false; {QUOTE}",
        f"piece.plugin.parameters.segment: '010' is read as the number 8 (base 8); {QUOTE}",
    ]
