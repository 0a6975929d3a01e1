"""The built-in conditions pass the conformance suite for conditions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from winchester_core.distribution import DISTRIBUTION
from winchester_core.plugins import CONDITIONS, import_plugin, installed_plugins
from winchester_core.testing import ConditionConformance

EXPRESSIONS: dict[str, list[Any]] = {
    "int": [3, "> 3", "!= 3", "<= -9223372036854775808"],
    "float": [0.5, "> 3", "!= 1e300", ">= -0.0"],
    "numeric": ["<= 3", "!= 0.5", 7],
    "string": ["a", ""],
    "text": ["a", "Größe"],
    "datetime": ["day", "$timestamp", "$x + 1mo", "$x to $timestamp", "day($other)", "$x - 9y"],
    "regex": ["a*$", r"\pL", "(a|b)+c", "(?i)größe"],
    "glob": ["*a*b*", "[!a]*", "?"],
    "in": [[1, 1.0, "1", True, datetime(2014, 1, 2)], ["a"]],
    "range": [
        {"min": 1, "max": 2.5},
        {"min": datetime(2014, 1, 2)},
        {"max": "2014-01-02T03:04:05"},
    ],
    "exists": [True, False],
    "cidr": ["10.0.0.0/8", ["::/0", "0.0.0.0/0"]],
}
REFUSED: dict[str, list[Any]] = {
    "int": ["three", 1.5, True, "> x", [3]],
    "float": ["three", True, "nan"],
    "numeric": ["three", None],
    "string": [3, None, ["a"]],
    "text": [3, None, ["a"]],
    "datetime": ["yesterday", 2014, ""],
    "regex": ["(", "(?=a)", "", 3],
    "glob": ["", 3],
    "in": ["a", [], [[1]]],
    "range": [{}, {"min": 2, "max": 1}, {"min": "a"}, {"minimum": 1}, 3],
    "exists": ["yes", 1, None],
    "cidr": ["10.0.0.1/8", "localhost", [], 3],
}


@pytest.mark.parametrize("name", EXPRESSIONS)
class TestConditions(ConditionConformance):
    other_traits = {"other": datetime(2024, 1, 1)}

    @pytest.fixture(autouse=True)
    def _condition(self, name: str) -> None:
        self.plugin = import_plugin(CONDITIONS, name)
        self.expressions = EXPRESSIONS[name]
        self.invalid_expressions = REFUSED[name]


def test_every_condition_is_tested() -> None:
    plugins = installed_plugins(CONDITIONS).values()

    assert {p.name for p in plugins if p.distribution == DISTRIBUTION} == set(EXPRESSIONS)
