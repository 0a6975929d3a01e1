from __future__ import annotations

import pytest
from voluptuous import MultipleInvalid

from winchester_core.distill import Distiller, validate_definitions
from winchester_core.errors import ConfigurationError


def problems_of(document, trait_plugins):
    with pytest.raises(MultipleInvalid) as caught:
        validate_definitions(document, trait_plugins)
    return {tuple(problem.path): problem.msg for problem in caught.value.errors}


def trait(**setting):
    return [{"event_type": "*", "traits": {"t": {"fields": "a"} | setting}}]


VALID = [
    {"event_type": "compute.*", "traits": {}},
    {
        "event_type": ["a.*", "!a.b"],
        "traits": {
            "host": {"fields": "publisher_id", "plugin": "split"},
            "bits": {
                "fields": ["a", "b.c[0]"],
                "type": "int",
                "plugin": {"name": "bitfield", "parameters": {"flags": [{"path": "a", "bit": 1}]}},
            },
            "none": {"fields": "x", "plugin": {"name": "split", "parameters": None}},
            "timestamp": {"fields": "payload.timestamp", "type": "datetime"},
            "db.statement": {"fields": "a.`split(., 1, 1)`", "type": "float"},
        },
    },
]


def test_a_valid_document_is_returned_unchanged(trait_plugins):
    assert validate_definitions(VALID, trait_plugins) is VALID
    assert validate_definitions([], trait_plugins) == []


@pytest.mark.parametrize("document", [None, {}, "text", {"event_type": "x"}])
def test_a_document_must_be_a_list(trait_plugins, document):
    assert "must be a list of event definitions" in problems_of(document, trait_plugins)[()]


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        ([7], (0,), "must be a map"),
        ([{"traits": {}}], (0,), "required key 'event_type' is missing"),
        ([{"event_type": "x"}], (0,), "required key 'traits' is missing"),
        ([{"event_type": "x", "traits": None}], (0, "traits"), "must be a map of traits"),
        ([{"event_type": [], "traits": {}}], (0, "event_type"), "not an empty list"),
        ([{"event_type": ["x", 5], "traits": {}}], (0, "event_type", 1), "not 5 (int)"),
        (
            [{"event_type": "x", "traits": {}, "trait": {}}],
            (0, "trait"),
            "unknown key 'trait'; did you mean 'traits'?",
        ),
        ([{"event_type": "x", "traits": {"t": "a"}}], (0, "traits", "t"), "with 'fields'"),
        ([{"event_type": "x", "traits": {"t": {}}}], (0, "traits", "t"), "'fields' is missing"),
        (
            [{"event_type": "x", "traits": {True: {"fields": "a"}}}],
            (0, "traits", True),
            "cannot be of type bool",
        ),
        (trait(field="b"), (0, "traits", "t", "field"), "did you mean 'fields'?"),
        (trait(type="integer"), (0, "traits", "t", "type"), "did you mean 'int'?"),
        (trait(type=None), (0, "traits", "t", "type"), "allowed: datetime, float, int, text"),
        (trait(fields=[]), (0, "traits", "t", "fields"), "not an empty list"),
        (trait(fields=5), (0, "traits", "t", "fields"), "not 5 (int)"),
        (trait(fields=["a", "b..%"]), (0, "traits", "t", "fields", 1), "character 4"),
        (trait(fields="b c"), (0, "traits", "t", "fields"), "character 3: unexpected 'c'"),
        (trait(plugin="splitt"), (0, "traits", "t", "plugin"), "did you mean 'split'?"),
        (trait(plugin=None), (0, "traits", "t", "plugin"), "unknown trait plugin None"),
        (
            trait(plugin={"name": "maps"}),
            (0, "traits", "t", "plugin", "name"),
            "did you mean 'map'?",
        ),
        (trait(plugin={}), (0, "traits", "t", "plugin"), "required key 'name' is missing"),
        (
            trait(plugin={"name": "split", "params": {}}),
            (0, "traits", "t", "plugin", "params"),
            "unknown key 'params'",
        ),
        (
            trait(plugin={"name": "split", "parameters": [1]}),
            (0, "traits", "t", "plugin", "parameters"),
            "must be a map, not a list",
        ),
        (
            trait(plugin={"name": "split", "parameters": {"segment": "one"}}),
            (0, "traits", "t", "plugin", "parameters", "segment"),
            "plugin 'split': expected int",
        ),
        (
            trait(plugin={"name": "split", "parameters": {"max_splits": 1}}),
            (0, "traits", "t", "plugin", "parameters", "max_splits"),
            "did you mean 'max_split'?",
        ),
        (trait(plugin="map"), (0, "traits", "t", "plugin", "values"), "required key"),
    ],
)
def test_a_problem_is_reported_with_its_position(trait_plugins, document, path, message):
    problems = problems_of(document, trait_plugins)
    assert list(problems) == [path]
    assert message in problems[path]


def test_all_problems_are_reported_at_once(trait_plugins):
    document = [
        {"event_typ": "x", "traits": {"a": {"fields": "%", "type": "number"}}},
        {"event_type": "", "traits": {"b": {"plugin": "nope"}}},
    ]
    assert set(problems_of(document, trait_plugins)) == {
        (0, "event_typ"),
        (0,),
        (0, "traits", "a", "fields"),
        (0, "traits", "a", "type"),
        (1, "event_type"),
        (1, "traits", "b"),
        (1, "traits", "b", "plugin"),
    }


class ThirdPartyPlugin:
    """A third-party plugin without a schema."""

    def __init__(self, size):
        self.size = int(size)

    def trait_value(self, match_list):
        return self.size


@pytest.mark.parametrize("parameters", [{}, {"size": "big"}, {"size": 1, "colour": 2}])
def test_parameters_refused_by_a_plugin_without_a_schema_are_reported(trait_plugins, parameters):
    document = trait(plugin={"name": "picky", "parameters": parameters})
    problems = problems_of(document, trait_plugins | {"picky": ThirdPartyPlugin})
    assert list(problems) == [(0, "traits", "t", "plugin", "parameters")]
    assert (
        "plugin 'picky' refuses its parameters"
        in problems[0, "traits", "t", "plugin", "parameters"]
    )


def test_a_distiller_refuses_invalid_definitions(trait_plugins):
    with pytest.raises(ConfigurationError) as caught:
        Distiller([{"event_type": "x", "traits": {"t": {"type": "integer"}}}], trait_plugins)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "0.traits.t",
        "0.traits.t.type",
    ]
