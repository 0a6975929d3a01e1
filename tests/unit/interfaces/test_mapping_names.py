"""The validator of names of mappings in the parameters of sources."""

from __future__ import annotations

from typing import Any

import pytest
from voluptuous import Invalid, MultipleInvalid, Optional, Schema

from winchester_core.interfaces import mapping_names
from winchester_core.interfaces.mapping_names import known_mappings


@pytest.mark.parametrize(("value", "expected"), [("a", ["a"]), (["a", "b"], ["a", "b"]), ([], [])])
def test_a_name_or_a_list_of_names_becomes_a_list(value: Any, expected: list[str]) -> None:
    assert mapping_names(value) == expected
    assert mapping_names(expected) == expected


@pytest.mark.parametrize("value", [None, 5, {"a": 1}, "", [""], ["a", 5]])
def test_another_value_is_refused(value: Any) -> None:
    with pytest.raises(Invalid):
        mapping_names(value)


def test_any_name_is_accepted_if_the_mappings_are_not_known() -> None:
    assert mapping_names("anything") == ["anything"]


def test_an_unknown_name_is_refused_with_its_place_and_a_suggestion() -> None:
    schema = Schema({"paths": [{Optional("mapping", default=list): mapping_names}]})
    with known_mappings({"github", "cameras"}):
        assert schema({"paths": [{"mapping": "github"}, {}]})["paths"][1] == {"mapping": []}
        with pytest.raises(MultipleInvalid) as caught:
            schema({"paths": [{"mapping": ["cameras", "githb"]}]})
    (error,) = caught.value.errors
    assert error.path == ["paths", 0, "mapping", 1]
    assert error.msg == ("unknown mapping 'githb': did you mean 'github'? allowed: cameras, github")
    assert mapping_names("githb") == ["githb"]
