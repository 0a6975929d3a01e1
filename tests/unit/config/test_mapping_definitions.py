"""The setting `mapping_definitions`, and names of mappings in the parameters of sources."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.config.reload_diff import CONSOLE_RELOAD, INGEST_RELOAD, WORKER_RELOAD
from winchester_core.config.reload_diff import compare_settings as compare
from winchester_core.distill.optional_import import INSTALL_COMMAND

if TYPE_CHECKING:
    from conftest import ConfigDir

RULE = "m:\n- {event_type: a, timestamp: b}\n"


def test_mappings_are_read_from_a_file_or_the_settings(config: ConfigDir) -> None:
    config.write("mappings.yaml", RULE)
    expected = {"m": [{"event_type": "a", "timestamp": "b"}]}
    assert config.settings("mapping_definitions: mappings.yaml").mapping_definitions == expected
    inline = config.settings("mapping_definitions: {m: [{event_type: a, timestamp: b}]}")
    assert inline.mapping_definitions == expected
    assert config.settings("mapping_definitions:").mapping_definitions == {}
    ignored = config.settings("mapping_definitions: none.yaml", ignores=["distiller"])
    assert ignored.mapping_definitions == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("- m", "mappings.yaml:1:1: must be a map of names to rules, not a list"),
        ("m: 5", "mappings.yaml:1:4: m: must be a rule or a list of rules, not 5 (int)"),
        ("m: []", "mappings.yaml:1:4: m: must be a rule or a list of rules, not an empty list"),
        (
            "m:\n- event_typ: {constant: x}\n  timestamp: a\n",
            (
                "mappings.yaml:2:3: m[0].event_typ: unknown key 'event_typ'; did you mean "
                "'event_type'? allowed: "
            ),
        ),
        (
            "m: {event_type: a}",
            "m: required key 'timestamp' is missing; for the time of arrival: {now: true}",
        ),
        (
            "m: {event_type: {template: 'a{b'}, timestamp: a}",
            "m.event_type.template: unpaired '{' at character 2",
        ),
        ("m: {event_type: a., timestamp: a}", "field path 'a.', character"),
        ("m: {event_type: _header.a, timestamp: a}", "unknown '_header'; did you mean '_headers'?"),
        (
            "m: {event_type: {fields: a, type: txt}, timestamp: a}",
            "m.event_type.type: unknown type 'txt'; did you mean 'text'? allowed: boolean",
        ),
        (
            "m: {event_type: a, timestamp: a, traits: {x: {fields: a, plugin: splt}}}",
            "m.traits.x.plugin: unknown trait plugin 'splt'; did you mean 'split'?",
        ),
        (
            "m: {event_type: a, timestamp: a, traits: {timestamp: b}}",
            "m.traits.timestamp: is no trait: write 'timestamp' beside 'traits'",
        ),
        (
            "m: {event_type: a, timestamp: a, traits: {x: {constant: 1, fields: a}}}",
            "m.traits.x.constant: must not be combined with 'fields'",
        ),
        (
            "m: {event_type: a, timestamp: {now: false}}",
            "m.timestamp.now: must be true, or be left out",
        ),
        ("m: {event_type: a, timestamp: {constant: x}}", "m.timestamp.constant: 'x' is not an RFC"),
        (
            "m: {event_type: a, timestamp: {fields: b, default: 7}}",
            "m.timestamp.default: 7 is not an RFC",
        ),
        (
            "m: {event_type: a, timestamp: {fields: b, type: int}}",
            "m.timestamp.type: must be a type of times: datetime, epoch_seconds",
        ),
        ("m: {event_type: {constant: ''}, timestamp: a}", "m.event_type.constant: must have 1"),
        (
            "m: {event_type: '_traits.kind', timestamp: a, traits: {kin: b}}",
            "m.event_type: '_traits.kind': the rule has no trait 'kind'; did you mean 'kin'?",
        ),
        (
            "m: {event_type: a, timestamp: a, message_id: {template: '{_traits.kind}'}}",
            "m.message_id: '_traits.kind': the rule has no trait 'kind'",
        ),
        (
            "m: {event_type: a, timestamp: a, traits: {b: {fields: c, type: int, default: d}}}",
            "m.traits.b.default: 'd' is not an int",
        ),
        (
            "m: {event_type: a, timestamp: a, traits: {b: {fields: c, type: int, lower: true}}}",
            "m.traits.b.lower: has no effect on the type 'int'",
        ),
        (
            "m:\n- {event_type: a, timestamp: a}\n- {when: {a: 1}, drop: true}",
            "mappings.yaml:3:3: m[1]: is never reached: rule 0 has no 'when'",
        ),
        (
            "m: {when: {on: push}, drop: true}",
            "must be a path, not True (bool); quote a path that YAML reads as another type",
        ),
        ("m: {drop: true, event_type: a}", "m.event_type: has no effect"),
        ("m: {when: {a: {exist: true}}, drop: true}", "unknown key 'exist'"),
        ("m: {when: {a: 2026-01-01}, drop: true}", "must not be a date; quote it"),
        ("m: {when: {}, drop: true}", "must be a map of paths to conditions, not an empty map"),
    ],
)
def test_an_invalid_mapping_is_reported_with_file_line_and_key(
    config: ConfigDir, content: str, problem: str
) -> None:
    config.write("mappings.yaml", content)
    problems = config.problems("mapping_definitions: mappings.yaml")
    assert any(problem in each for each in problems), problems
    assert all(each.startswith("mappings.yaml:") for each in problems)


def test_a_path_that_needs_an_extra_is_reported(
    config: ConfigDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jsonpath_rw", None)
    content = "m:\n  event_type: kinds[*].not_compiled_yet\n  timestamp: {template: '{a[*].x9}'}\n"
    config.write("mappings.yaml", content)
    reason = f"a path with wildcards, filters or functions needs: {INSTALL_COMMAND}"
    assert config.problems("mapping_definitions: mappings.yaml") == [
        f"mappings.yaml:2:15: m.event_type: {reason}",
        f"mappings.yaml:3:25: m.timestamp.template: {reason}",
    ]


def test_all_problems_are_reported(config: ConfigDir) -> None:
    config.write(
        "mappings.yaml",
        "m:\n- {when: {a: 1}, event_type: a}\n- {when: {a: 2}, timestamp: a}\n- 5\n",
    )
    assert len(config.problems("mapping_definitions: mappings.yaml")) == 3


SOURCE = """
mapping_definitions: {cameras: {event_type: a, timestamp: b}}
event_sources:
  spool:
    source: jsonl
    params: {path: spool, %s}
"""


def test_a_source_names_mappings_of_the_configuration_and_ready_ones(config: ConfigDir) -> None:
    for text, names in (("mapping: cameras", ["cameras"]), ("mapping: [github, cameras]", None)):
        params = config.settings(SOURCE % text).event_sources["spool"].params
        assert params["mapping"] == (names or ["github", "cameras"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mapping: camera", "params.mapping: unknown mapping 'camera': did you mean 'cameras'?"),
        ("mapping: [github, githb]", "params.mapping[1]: unknown mapping 'githb': did you mean"),
        ("mapping: 5", "params.mapping: expected the name of a mapping, or a list"),
    ],
)
def test_an_unknown_mapping_of_a_source_is_reported(
    config: ConfigDir, text: str, problem: str
) -> None:
    (found,) = config.problems(SOURCE % text)
    assert found.startswith("winchester.yaml:7:")
    assert problem in found


def test_an_invalid_mapping_is_not_also_an_unknown_one(config: ConfigDir) -> None:
    content = (SOURCE % "mapping: cameras").replace("timestamp: b", "time: b")
    assert all("unknown mapping" not in each for each in config.problems(content))


def test_nested_parameters_of_a_source_are_checked(config: ConfigDir) -> None:
    content = """
    event_sources:
      web:
        source: http
        params:
          listen: 127.0.0.1:8080
          token: secret
          paths: [{path: /hooks, mapping: githb}]
    """
    problems = config.problems(content)
    assert any("unknown mapping 'githb': did you mean 'github'?" in each for each in problems)


def test_parameters_without_effect_are_a_warning(config: ConfigDir) -> None:
    settings = config.settings(SOURCE % "mapping: cameras, format: event")
    (warning,) = settings.warnings
    assert "params.format: has no effect, because a mapping makes the events" in warning
    assert config.settings(SOURCE % "format: event").warnings == ()


def test_ingest_reloads_changed_mappings(config: ConfigDir) -> None:
    def settings(event_type: str) -> Any:
        return config.settings(
            f"mapping_definitions: {{m: {{event_type: {event_type}, timestamp: b}}}}"
        )

    old, new = settings("a"), settings("c")
    change = compare(old, new, INGEST_RELOAD)
    assert change.applied == ("mapping_definitions",)
    assert change.settings.mapping_definitions == new.mapping_definitions
    assert compare(old, new, WORKER_RELOAD).applied == ()
    assert compare(old, new, CONSOLE_RELOAD).applied == ("mapping_definitions",)
