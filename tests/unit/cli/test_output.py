"""Output of listings whose objects may have different keys."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import yaml

from winchester_core.cli.output import one_line, write_json, write_yaml

OBJECTS: list[dict[str, Any]] = [
    {"id": "a", "n": 1, "x": None},
    {"id": "b", "text": 'é "quoted"\nline', "f": 1e16, "list": [1, {"k": True}]},
]


@pytest.mark.parametrize("objects", [OBJECTS, OBJECTS[:1], []])
@pytest.mark.parametrize("indented", [True, False])
def test_json_is_one_array(objects: list[dict[str, Any]], indented: bool) -> None:
    output = io.StringIO()
    write_json(objects, output, indented=indented)
    assert json.loads(output.getvalue()) == objects


def test_indented_json_matches_the_format_of_other_commands() -> None:
    output = io.StringIO()
    write_json(OBJECTS, output, indented=True)
    assert output.getvalue() == json.dumps(OBJECTS, indent=2) + "\n"


@pytest.mark.parametrize("objects", [OBJECTS, []])
def test_yaml_is_one_sequence(objects: list[dict[str, Any]]) -> None:
    output = io.StringIO()
    write_yaml(objects, output)
    assert yaml.safe_load(output.getvalue()) == objects


def test_objects_are_written_as_they_arrive() -> None:
    output = io.StringIO()

    def objects() -> Any:
        yield {"id": 1}
        assert '"id": 1' in output.getvalue()
        yield {"id": 2}

    write_json(objects(), output, indented=False)
    assert json.loads(output.getvalue()) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (5, 5),
        (True, "true"),
        ({"a": ["é", 1]}, '{"a": ["é", 1]}'),
        ("é plain", "é plain"),
        ("two\nlines\x1b[0m\u202e", "two\\nlines\\x1b[0m\\u202e"),
    ],
)
def test_a_cell_is_one_line_without_control_characters(value: Any, shown: Any) -> None:
    assert one_line(value) == shown
