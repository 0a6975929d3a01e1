"""Validators of parameters: what they accept, their message, and their JSON Schema are one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from voluptuous import All, Invalid, Length, Range

from winchester_core.interfaces import params
from winchester_core.schemas import describe_schema, json_schema_of


@pytest.mark.parametrize(
    ("check", "schema", "valid", "invalid"),
    [
        (
            params.expected("1 to 3", All(params.integer, Range(min=1, max=3))),
            {"type": "integer", "minimum": 1, "maximum": 3},
            [1, 3],
            [0, 4, 1.0, True, "1", None, 10**400],
        ),
        (
            params.expected("a list", All([str], Length(min=1)), title="names"),
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "title": "names"},
            [["a"]],
            [[], "a", [1], {}],
        ),
        (
            params.whole_number(2),
            {"type": "integer", "minimum": 2},
            [2, 10**30],
            [1, True, 2.0, "2", None],
        ),
        (
            params.seconds(0, 5, over_minimum=True),
            {"type": "number", "exclusiveMinimum": 0, "maximum": 5},
            [0.1, 5],
            [0, 5.1, float("nan"), float("inf"), True, "1", None],
        ),
    ],
)
def test_a_declaration_is_the_validator_and_its_schema(
    check: Any, schema: dict[str, Any], valid: list[Any], invalid: list[Any]
) -> None:
    assert json_schema_of(check) == schema
    for value in valid:
        assert check(value) == value
    for value in invalid:
        with pytest.raises(Invalid, match=r"^expected "):
            check(value)


@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan"), True])
@pytest.mark.parametrize("check", [params.number, params.seconds(), params.seconds(0, 5)])
def test_a_number_that_no_float_represents_is_refused(check: Any, value: Any) -> None:
    with pytest.raises(Invalid, match=r"^expected "):
        check(value)


def test_a_valid_value_is_converted() -> None:
    check = params.expected("a name, or a list of names", params.TEXT, str.upper)

    assert check("a") == "A"
    assert type(params.seconds()(1)) is float
    with pytest.raises(params.UnexpectedValue, match=r"^expected a name, or a list of names$"):
        check("")
    assert describe_schema(json_schema_of(check)) == "text"


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia"])
def test_a_time_zone_is_an_iana_name(name: str) -> None:
    assert params.time_zone(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Europe/Berlim", "no time zone is named 'Europe/Berlim'; did you mean 'Europe/Berlin'?"),
        ("Europe", "no time zone is named 'Europe'"),
        ("localtime", "no time zone is named 'localtime'"),
        ("../etc/passwd", "no time zone is named '../etc/passwd'"),
        ("a\0b", r"no time zone is named 'a\x00b'"),
        ("", "no time zone is named ''"),
        (1, "expected the IANA name of a time zone"),
        (None, "expected the IANA name of a time zone"),
    ],
)
def test_another_time_zone_is_refused(name: Any, reason: str) -> None:
    with pytest.raises(Invalid, match=f"^{re.escape(reason)}"):
        params.time_zone(name)
