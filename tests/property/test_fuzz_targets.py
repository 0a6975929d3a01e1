"""Any content of a file or a message raises only our own exceptions.

`make fuzz` runs the same targets with coverage feedback.
"""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fuzz.targets import DEFINITIONS, EVENT, NOTIFICATION, SEEDS, TARGETS

WORDS = st.sampled_from(
    [
        *("$timestamp", "$last", "$first", "$launched_at", "day", "hour", "month", "year", "to"),
        *("+", "-", "@", "(", ")", ".", "[0]", "[*]", "payload", "1d", "3h", "2mo", "9999y", "1us"),
        *(
            "*",
            "!",
            "${A}",
            "${A:-b}",
            "compute.*",
            "> 3",
            "3",
            "é",
            "\\ud800",
            "",
            "a-b",
            "2024-02-30",
        ),
    ]
)
TEXTS = st.one_of(WORDS, st.lists(WORDS, max_size=6).map(" ".join), st.text(max_size=20))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXTS,
    st.datetimes(),
    st.binary(max_size=4),
)
KEYS = st.one_of(
    st.sampled_from(
        sorted(
            {
                *("name", "distinguished_by", "match_criteria", "fire_criteria", "expiration"),
                *("event_type", "traits", "timestamp", "number", "map_distinguished_by", "fields"),
                *("type", "plugin", "parameters", "fire_pipeline", "expire_pipeline", "fire_delay"),
                *("int", "float", "numeric", "string", "datetime", "regex", "glob", "in", "range"),
                *("exists", "cidr", "not", "any", "all", "database", "url", "clock", "params"),
                *("pipeline_config", "pipeline_handlers", "trigger_definitions", "config_path"),
                *EVENT,
                *NOTIFICATION,
            }
        )
    ),
    TEXTS,
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=20,
)
TRIGGERS = [yaml.safe_load(SEEDS["triggers"][0])]
CONFIGURATIONS = [yaml.safe_load(each) for each in SEEDS["configuration"][:2]]
VALID = {
    "configuration": CONFIGURATIONS,
    "triggers": TRIGGERS,
    "event_definitions": [DEFINITIONS],
    "notification": [NOTIFICATION],
    "event": [json.loads(SEEDS["event"][0])],
}
"""Valid documents of each target that reads YAML or JSON."""


def changed(document: object, path: list[int], value: object) -> object:
    """Return the document with `value` in the place that `path` selects."""
    if not path or not isinstance(document, (dict, list)) or not document:
        return value
    copy = document.copy()
    keys = list(copy) if isinstance(copy, dict) else range(len(copy))
    key = keys[path[0] % len(keys)]
    copy[key] = changed(copy[key], path[1:], value)
    return copy


def documents(name: str) -> st.SearchStrategy[object]:
    """Generate valid documents with one value replaced, and trees of known keys."""
    valid = st.sampled_from(VALID[name])
    places = st.lists(st.integers(0, 50), min_size=1, max_size=6)
    return st.one_of(st.builds(changed, valid, places, TREES), TREES)


@pytest.mark.parametrize("name", ["configuration", "triggers", "event_definitions"])
@given(data=st.data())
def test_any_yaml_is_loaded_or_refused(name: str, data: st.DataObject) -> None:
    document = data.draw(documents(name))
    TARGETS[name](yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", ["notification", "event"])
@given(data=st.data())
def test_any_json_is_an_event_or_refused(name: str, data: st.DataObject) -> None:
    document = data.draw(documents(name))
    TARGETS[name](json.dumps(document, default=str, skipkeys=True).encode())


@pytest.mark.parametrize("name", ["time_expression", "field_path"])
@given(text=TEXTS)
def test_any_text_is_parsed_or_refused(name: str, text: str) -> None:
    TARGETS[name](text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_valid_inputs_with_changed_bytes(name: str, data: st.DataObject) -> None:
    seed = bytearray(data.draw(st.sampled_from(SEEDS[name])))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(seed)))
        seed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    TARGETS[name](bytes(seed))


@pytest.mark.parametrize("name", TARGETS)
@given(content=st.binary(max_size=60))
def test_any_bytes(name: str, content: bytes) -> None:
    TARGETS[name](content)


@pytest.mark.parametrize(("name", "seed"), [(n, each) for n, s in SEEDS.items() for each in s])
def test_the_seeds_are_read(name: str, seed: bytes) -> None:
    TARGETS[name](seed)
