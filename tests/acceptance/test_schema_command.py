"""`winchester schema`: JSON Schema of configuration files and installed plugins, for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from winchester_core.schemas import DOCUMENTS

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

HANDLER = """
    from voluptuous import Required, Schema


    class Page:
        \"""Pages whoever is on duty.\"""

        config_schema = Schema({Required("number", description="whom"): int})

        def handle_events(self, events, env):
            return events

        def commit(self): ...

        def rollback(self): ...
"""


def _schema(site: Site, *arguments: str) -> dict[str, Any]:
    ended = site.run("winchester", "schema", *arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    schema: dict[str, Any] = json.loads(ended.stdout)
    return schema


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_schema_is_valid_draft_7(site: Site, document: str) -> None:
    schema = _schema(site, document)

    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(schema)


def test_schemas_include_defaults_and_descriptions(site: Site) -> None:
    settings = _schema(site, "winchester")["properties"]

    assert settings["max_attempts"]["default"] == 5
    assert settings["max_attempts"]["description"] == (
        "failures before a stream is in error\n\nDefault: 5"
    )


def test_an_installed_plugin_is_included_with_its_parameters(site: Site) -> None:
    site.install("winchester.handlers", "page", "Page", HANDLER)
    validator = Draft7Validator(_schema(site, "pipelines"))

    assert validator.is_valid({"p": [{"name": "page", "params": {"number": 7}}]})
    for wrong in ("page", {"name": "page"}, {"name": "page", "params": {"number": "x"}}):
        assert not validator.is_valid({"p": [wrong]}), wrong
    assert "Pages whoever is on duty." in json.dumps(validator.schema)


def test_a_plugin_that_fails_to_load_accepts_anything_and_states_the_cause(site: Site) -> None:
    site.install("winchester.handlers", "lame", "Lame", "import nothing_like_that\n")
    schema = _schema(site, "pipelines")

    assert Draft7Validator(schema).is_valid({"p": [{"name": "lame", "params": {"x": 1}}]})
    assert "nothing_like_that" in json.dumps(schema)


def test_aliases_of_a_configuration_are_included(site: Site) -> None:
    wrong = "unknown_key: 1\nworker_name: ${NOT_SET}\n"
    site.add_settings("pipeline_handlers: {say: logger}\n" + wrong)
    content = {"p": [{"name": "say", "params": {"level": "info"}}]}

    assert not Draft7Validator(_schema(site, "pipelines")).is_valid(content)
    known = Draft7Validator(_schema(site, "-c", str(site.config), "pipelines"))
    assert known.is_valid(content)
    assert not known.is_valid({"p": [{"name": "say", "params": {"level": "loud"}}]})


def test_usage_errors_are_reported(winchester: Winchester, site: Site) -> None:
    assert winchester(site, "schema", "trigger").status == 2
    ended = site.run("winchester", "schema", "-c", "nowhere.yaml", "triggers")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "nowhere.yaml" in ended.stderr
    site.write("winchester.yaml", "a: [\n")
    ended = site.run("winchester", "schema", "-c", site.config, "triggers")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "not valid YAML" in ended.stderr
    site.write("winchester.yaml", "pipeline_handlers: [say]\n")
    ended = site.run("winchester", "schema", "-c", site.config, "triggers")
    assert ended.returncode == 2
    assert "pipeline_handlers" in ended.stderr
