"""The JSON Schemas agree with `winchester check`, as far as JSON Schema can express its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.builders.full_configuration import FILES
from support.probes.editor_schemas import Editor
from winchester_core.bootstrap import load_settings
from winchester_core.config.plugin_entries import load_plugin_aliases
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

MISTAKES = {
    "winchester": [
        ("ingest_batch_size: 1000", "ingest_batchsize: 1000"),  # unknown key
        ('database: {url: "sqlite:///x.db"}\n', ""),
        ('{url: "sqlite:///x.db"}', "sqlite:///x.db"),
        ('{url: "sqlite:///x.db"}', "{uri: x}"),
        ("sqlite:///x.db", "sqlserver://host/x"),
        ("sqlite:///x.db", "x.db"),
        ("config_path: [., more]", "config_path: []"),
        ("config_path: [., more]", "config_path: 7"),
        ("catch_all_notifications: false", "catch_all_notifications: never"),
        ("ingest_batch_size: 1000", "ingest_batch_size: 0"),
        ("ingest_batch_size: 1000", "ingest_batch_size: many"),
        ("ingest_batch_size: 1000", "ingest_batch_size: 1.5"),
        ("1m 30s", "1mo"),
        ("1m 30s", "-1"),
        ("pipeline_timeout: off", "pipeline_timeout: 0"),
        ("pipeline_timeout: off", "pipeline_timeout: true"),
        ("worker_name: one", "worker_name: [one]"),
        ("outbox_max_age: 7d", "outbox_max_age: a week"),
        ("clock: event", "clock: sundial"),
        ("time_sync_endpoint:", "time_sync_endpoint: clock.example.org"),
        ("log_level: Info", "log_level: loud"),
        ("$timestamp - 14d", "$tiemstamp - 14d"),
        ("trigger_definitions: triggers.yaml", "trigger_definitions: 7"),
        ("trigger_definitions: triggers.yaml", "trigger_definitions: [{name: x}]"),
        ("pipeline_config: pipelines.yaml", "pipeline_config: {verify: [loger]}"),
        ("distiller_config: event_definitions.yaml", "distiller_config: [{traits: {}}]"),
        ("pipeline_handlers: {report: logger}", "pipeline_handlers: [report]"),
        ("source: jsonl", "source: json"),
        ("    source: jsonl\n", ""),
        ("format: event,", "format: evnt,"),
        ("format: event,", "from: event,"),
        ("params: {path: spool, format: event", "params: {format: event"),
        ("{source: http}", "{source: jsonl}"),
        ("{source: http}", "http"),
        ("{source: http}", "{source: http, params: {port: 70000}}"),
        ("{source: http}", "{source: http, params: {token: no spaces}}"),
        ("{source: http}", "{source: http, params: []}"),
        ("batch_size: 500", "batch_size: none"),
        ("queue_type: quorum", "queue_type: fast"),
        ("name: exists, ", ""),
        ("[amqp://one/, amqps://two/]", "[http://one/]"),
        ("{server_name: rabbit}", "{server: rabbit}"),
        ("prefetch: 100", "prefetch: 0"),
        ("[info, error]", "[info, loud]"),
        ("batch_seconds: 0.5", "batch_seconds: 600"),
    ],
    "triggers": [
        ("debug_level: 1", "debug_level: 3"),
        ("debug_level: 1", "debuglevel: 1"),
        ("- name: day\n ", "-"),
        ("name: day", "name: 7"),
        ("name: day", 'name: ""'),
        ("[instance_id, {timestamp: day}]", "instance_id"),
        ("[instance_id, {timestamp: day}]", "[instance_id, instance_id]"),
        ("[instance_id, {timestamp: day}]", "[7]"),
        ("{timestamp: day}]", "{timestamp: $first}]"),
        ("{timestamp: day}]", "{timestamp: day, begun_at: day}]"),
        ('["compute.*", "!compute.exists"]', "[]"),
        ('["compute.*", "!compute.exists"]', "7"),
        ('"!compute.exists"', '"!"'),
        ("map_distinguished_by", "map_distingushed_by"),
        ("{timestamp: begun_at}", "timestamp"),
        ("timestamp: day\n      map", "timestamp: 7\n      map"),
        ("state: active", "state: [active, error]"),
        ("state: active", "state:"),
        ("state: active", "state: {}"),
        ("state: active", "state: {glob: a*, exists: true}"),
        ('{int: "> 512"}', '{imt: "> 512"}'),  # a misspelt condition
        ('{int: "> 512"}', '{int: "> many"}'),
        ('{int: "> 512"}', "{int: 5.5}"),
        ('{int: "> 512"}', '{int: "~ 5"}'),
        ("{float: 0.9}", "{float: fast}"),
        ("{float: 0.9}", "{float: true}"),
        ('{numeric: "<= 1e6"}', "{numeric: [1]}"),
        ('{string: "7"}', "{string: 7}"),
        ("{datetime: $timestamp - 1d}", "{datetime: 7}"),
        ('{regex: "^web-[0-9]+$"}', "{regex: 7}"),
        ('{regex: "^web-[0-9]+$"}', '{regex: ""}'),
        ('{glob: "eu-*"}', "{glob: [a]}"),
        ("{in: [a, 1, true]}", "{in: a}"),
        ("{in: [a, 1, true]}", "{in: []}"),
        ("{in: [a, 1, true]}", "{in: [[a]]}"),
        ("{min: 1, max: 4.5}", "{low: 1}"),
        ("{min: 1, max: 4.5}", "{}"),
        ("{min: 1, max: 4.5}", "[1, 4.5]"),
        ("{min: 1, max: 4.5}", "{min: soon}"),
        ("{min: 1, max: 4.5}", "{min: 2026-01-01}"),
        ("{exists: false}", "{exists: never}"),
        ("10.0.0.0/8", "intranet"),
        ('[10.0.0.0/8, "::/64"]', "[]"),
        ('{glob: "y*"}]', '{glop: "y*"}]'),
        ("{any: [x,", "{any: [[x],"),
        ('{all: [{exists: true}, {glob: "y*"}]}', "{all: []}"),
        ("number: 2", "number: 0"),
        ("number: 2", "number: two"),
        ("fire_criteria:\n    - event_type: compute.exists\n      number: 2", "fire_criteria: []"),
        ("    - event_type: compute.exists\n      number: 2", "    number: 2"),
        ("timestamp: day\n      map", "number: 2\n      map"),
        ("  expiration: $last + 2d\n", ""),
        ("$last + 2d", "$lats + 2d"),
        ("$last + 2d", "[2d]"),
        ("fire_delay: 0", "fire_delay: -1"),
        ("fire_delay: 0", "fire_delay: soon"),
        ("  fire_pipeline: verify\n", ""),
        ("fire_pipeline: verify", "fire_pipeline: [verify]"),
        ("expire_pipeline:", "expire_pipline:"),
    ],
    "pipelines": [
        ("  - logger\n  - report", "  - loger\n  - report"),
        ("  - usage", "  - webhook"),  # lacks its url
        ("  - usage", "  - 7"),
        ("  - usage", "  - {params: {}}"),
        ("  - usage", "  - {name: usage, param: {}}"),
        ("  - usage", "  - {name: usage, params: {verbose: true}}"),
        ("  - usage", "  - {name: webhook}"),
        ("  - usage", "  - {name: webhook, params: }"),
        ("  - usage", "  - {name: report, params: {level: loud}}"),
        ("level: debug", "level: loud"),
        ("level: debug", "levle: debug"),
        ("{level: debug}", "debug"),
        ("https://hooks.example.org/", "hooks.example.org"),
        ('["compute.*", "!*.start"]', "[]"),
        ("send: stream", "send: streams"),
        ("timeout: 5", "timeout: 0"),
        ("timeout: 5", "timeout: 5s"),
        ("{Authorization: Bearer x}", "{Authorization: 7}"),
        ("tls: {}", "tls: secure"),
        ("exchange: nova, ", ""),
        ("port: 5672", "port: 0"),
        ("tls: true", "tls: {ca: x}"),
        ("extra_info: {region: DFW}", "extra_info: {timestamp: now}"),
        ("empty: []", "empty: {}"),
        ("empty: []", "empty: logger"),
    ],
    "event_definitions": [
        ("- event_type: compute.*\n ", "-"),
        ("event_type: compute.*", "event_types: compute.*"),
        ('[image.*, "!image.old"]', "[]"),
        ("traits: {}", "traits: []"),
        ("traits: {}", "traits: null"),
        ("{fields: payload.memory, type: int}", "payload.memory"),
        ("{fields: payload.memory, type: int}", "{type: int}"),
        ("fields: payload.memory, ", "field: payload.memory, "),
        ("type: int}", "type: integer}"),
        ("[payload.tenant_id, _context_project_id]", "[]"),
        ("[payload.tenant_id, _context_project_id]", "[7]"),
        ("plugin: split", "plugin: splitt"),
        ("plugin: split", "plugin: map"),  # lacks its values
        ("plugin: split", "plugin: [split]"),
        ("name: piece, ", ""),
        ("segment: 1", "segment: first"),
        ("segment: 1", "part: 1"),
        ("parameters: {segment", "params: {segment"),
        ("path: payload.deleted_at, bit: 0", "path: payload.deleted_at"),
        ("{active: up}", "{}"),
        ("{active: up}", "[up]"),
    ],
}
"""Text of a valid file, and the mistake that replaces it."""

BEYOND_JSON_SCHEMA = {
    "winchester": [
        ("clock: event", "clock: time_sync"),  # without its endpoint
        ("{source: http}", "{source: http, params: {host: 0.0.0.0}}"),  # without a token
        ("triggers.yaml", "trigger.yaml"),
        ("worker_name: one", "worker_name: ${NOT_SET}"),
        ("worker_name: one", "worker_name: ${2}"),
        ("worker_name: one", "worker_name: one\nworker_name: two"),
    ],
    "triggers": [
        ("fire_pipeline: verify", "fire_pipeline: verfy"),
        ("$last + 2d", "$last + two days"),
        ('"^web-[0-9]+$"', '"web-("'),
        ("10.0.0.0/8", "10.0.0.1/8"),
        ("{min: 1, max: 4.5}", "{min: 5, max: 4.5}"),
        ("{timestamp: begun_at}", "{instance: begun_at}"),
        ("state: active", "state: 2026-01-01"),
    ],
    "pipelines": [("tls: true", "tls: {key_file: setup.cfg}")],
    "event_definitions": [("payload.memory", "'payload.['")],
}
"""Mistakes that only `winchester check` finds."""

VARIATIONS = {
    "winchester": [
        ("ingest_batch_size: 1000", "ingest_batch_size: ${SIZE}"),
        ("ingest_batch_size: 1000", "ingest_batch_size: ${SIZES:-7}"),
        ("catch_all_notifications: false", "catch_all_notifications: ${YES}"),
        ("sqlite:///x.db", "${URL:-sqlite:///x.db}"),
        ("clock: event", "clock: ${CLOCK}"),
        ("log_level: Info", "log_level: ${LEVEL:-debug}"),
        ("1m 30s", "${SIZE}"),
        ("$timestamp - 14d", "$ timestamp - ${AGE:-14}d"),
        ("pipeline_timeout: off", "pipeline_timeout: 'off'"),
        ("pipeline_timeout: off", "pipeline_timeout: 2.5"),
        ("source: jsonl", "source: ${SOURCE:-jsonl}"),
        ("prefetch: 100", "prefetch: ${SIZE}"),
        ("queue_type: quorum", "queue_type: '${KIND:-quorum}'"),
        ("{server_name: rabbit}", "${TLS:-true}"),
        ("time_sync_endpoint:", "time_sync_endpoint: null"),
        ("config_path: [., more]", "config_path: ."),
        ("trigger_definitions: triggers.yaml", "trigger_definitions: []"),
        ("pipeline_handlers: {report: logger}", "pipeline_handlers: {report: logger, b: usage}"),
    ],
    "triggers": [
        ("debug_level: 1", "debug_level: ${LEVEL:-2}"),
        ('{int: "> 512"}', "{int: '${SIZE}'}"),
        ('{int: "> 512"}', "{int: '> ${SIZE}'}"),
        ("{exists: false}", "{exists: '${YES}'}"),
        ("{min: 1, max: 4.5}", "{min: '${A:-1}'}"),
        ("10.0.0.0/8", '"${NET:-10.0.0.0/8}"'),
        ("number: 2", "number: ${SIZE}"),
        ("$last + 2d", "$last + ${SIZE}d"),
        ("{timestamp: day}]", "{timestamp: '${T:-day}'}]"),
        ("expire_pipeline:", "expire_pipeline: verify"),
        ("fire_delay: 0", "fire_delay: 0.5"),
        ("state: active", "state: 2026-01-01T00:00:00"),
        ("state: active", "state: {text: active}"),
        ("debug_level: 1", "load_criteria: {}"),
    ],
    "pipelines": [
        ("level: debug", "level: wArNing"),
        ("level: debug", "level: '${LEVEL:-info}'"),
        ("{level: debug}", ""),
        ("timeout: 5", "timeout: ${SIZE}"),
        ("https://hooks.example.org/", "${URL:-https://x.example.org}"),
        ("send: stream", "send: ${SEND:-event}"),
        ("tls: true", "tls: false"),
        ("tls: true", "tls: "),
        ("  - usage", "  - {name: usage}"),
        ("  - usage", '  - "${HANDLER:-usage}"'),
    ],
    "event_definitions": [
        ("type: int", "type: '${TYPE:-int}'"),
        ("segment: 1", "segment: '${A:-1}'"),
        ("plugin: split", "plugin: {name: split}"),
        ("plugin: split", "plugin: {name: split, parameters: }"),
        ("bit: 0", "bit: '3'"),
        ("bit: 0", "bit: 0, value: [1]"),
    ],
}
"""Alternative forms that are valid as well."""

ENVIRON = {"SIZE": "5", "YES": "true", "CLOCK": "event"}


def cases(table: dict[str, list[tuple[str, str]]]) -> list[object]:
    return [
        pytest.param(document, old, new, id=f"{document}: {new}")
        for document, changes in table.items()
        for old, new in changes
    ]


def changed(document: str, old: str, new: str) -> str:
    assert FILES[document].count(old) == 1, f"{old!r} must occur in {document} once"
    return FILES[document].replace(old, new)


@pytest.fixture
def checked(tmp_path: Path) -> Check:
    return Check(tmp_path)


class Check:
    """`winchester check` on a directory with the four files, one of them changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        (path / "more").mkdir()
        for name, text in FILES.items():
            (path / f"{name}.yaml").write_text(text)

    def problems(self, document: str, text: str) -> list[str]:
        (self._path / f"{document}.yaml").write_text(text)
        try:
            load_settings(self._path / "winchester.yaml", environ=ENVIRON)
        except ConfigurationError as error:
            return error.problems
        return []


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Editor:
    path = tmp_path_factory.mktemp("site") / "winchester.yaml"
    path.write_text(FILES["winchester"])
    return Editor(load_plugin_aliases(path, {}))


@pytest.mark.parametrize("document", FILES)
def test_the_full_configuration_is_valid_for_both(
    document: str, checked: Check, editor: Editor
) -> None:
    assert checked.problems(document, FILES[document]) == []
    assert editor.text_errors(document, FILES[document]) == []


@pytest.mark.parametrize(("document", "old", "new"), cases(MISTAKES))
def test_both_report_a_mistake(
    document: str, old: str, new: str, checked: Check, editor: Editor
) -> None:
    text = changed(document, old, new)

    problems = checked.problems(document, text)
    assert problems, "winchester check takes it"
    assert "not valid YAML" not in problems[0]
    assert editor.text_errors(document, text), "an editor reports no error"


@pytest.mark.parametrize(("document", "old", "new"), cases(BEYOND_JSON_SCHEMA))
def test_a_mistake_json_schema_cannot_express_is_reported_by_check_only(
    document: str, old: str, new: str, checked: Check, editor: Editor
) -> None:
    text = changed(document, old, new)

    assert checked.problems(document, text), "winchester check takes it"
    assert editor.text_errors(document, text) == []


@pytest.mark.parametrize(("document", "old", "new"), cases(VARIATIONS))
def test_an_alternative_form_is_valid_for_both(
    document: str, old: str, new: str, checked: Check, editor: Editor
) -> None:
    text = changed(document, old, new)

    assert checked.problems(document, text) == []
    assert editor.text_errors(document, text) == []
