"""What is told of a plugin's parameters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from voluptuous import All, Coerce, In, Length, Optional, Range, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.cli.plugin_schema import parameters, taken_in_words


def plausible_port(value: Any) -> int:
    return int(value)


class Plugin:
    config_schema = Schema(
        {
            Required("path"): str,
            Required("port", default=80): plausible_port,
            Optional("mode", default="r", description="how to open it"): In(["r", "w"]),
            Optional("wait", default=timedelta(seconds=5)): timedelta,
            Optional("names", default=list): [str],
            "plain": bool,
        }
    )


def test_each_parameter_has_its_default_and_what_it_takes() -> None:
    told = {each.pop("name"): tuple(each.values()) for each in parameters(Plugin)}
    assert told == {
        "path": (True, None, "str"),
        "port": (False, 80, "plausible port"),
        "mode": (False, "r", "how to open it"),
        "wait": (False, "0:00:05", "timedelta"),
        "names": (False, [], "a list of: str"),
        "plain": (False, None, "bool"),
    }


@pytest.mark.parametrize("schema", [None, Schema(plausible_port), Schema(object)])
def test_a_plugin_whose_schema_is_no_mapping_has_no_parameters(schema: Any) -> None:
    assert parameters(type("Other", (), {"config_schema": schema})) == []


def test_a_mere_mapping_serves_as_a_schema() -> None:
    (told,) = parameters(type("Other", (), {"config_schema": {"n": int}}))
    assert told == {"name": "n", "required": False, "default": None, "takes": "int"}


@pytest.mark.parametrize(
    ("validator", "words"),
    [
        (object, "anything"),
        (All(str, plausible_port, Length(min=1, max=5)), "str, length at least 1 and at most 5"),
        (All(plausible_port), "plausible port"),
        (AnyOf(None, int), "None or int"),
        (All(Coerce(int), Range(min=3)), "int, at least 3"),
        ({"a": int}, "a mapping"),
        ([{"a": int}], "a list of: a mapping"),
        ("constant", "'constant'"),
    ],
)
def test_validators_in_words(validator: Any, words: str) -> None:
    assert taken_in_words(validator) == words
