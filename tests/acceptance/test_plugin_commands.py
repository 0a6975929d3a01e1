"""`winchester plugin list|show`: installed plugins and their problems."""

from __future__ import annotations

import json
import re
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.distribution import DISTRIBUTION
from winchester_core.plugins import GROUP_NOUNS, installed_plugins
from winchester_core.time_zones import time_zone_data

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site


def _rows(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (each["group"].removeprefix("winchester."), each["name"]): each for each in json.loads(text)
    }


def test_every_plugin_is_listed_with_distribution_and_version(
    winchester: Winchester, site: Site
) -> None:
    ended = winchester(site, "plugin", "list", "-f", "json")
    rows = _rows(ended.out)
    assert (ended.status, ended.err) == (0, "")
    time_zones = rows.pop(("time_zones", "tzdata"))
    assert (time_zones["version"], time_zones["distribution"]) == astuple(time_zone_data())
    assert len(rows) == sum(len(installed_plugins(group)) for group in GROUP_NOUNS)
    assert all(set(each) == set(time_zones) for each in rows.values())
    logger = rows["handlers", "logger"]
    assert (logger["distribution"], logger["problem"]) == (DISTRIBUTION, None)
    assert logger["version"]
    assert logger["value"] == "winchester_handlers.logger:LoggerHandler"


@pytest.mark.parametrize("output_format", ["table", "csv", "value", "yaml", "json"])
def test_the_version_of_the_time_zone_data_is_listed_in_every_format(
    winchester: Winchester, site: Site, output_format: str
) -> None:
    for options in ((), ("--sort-column", "version"), ("--column", "name", "--column", "version")):
        ended = winchester(site, "plugin", "list", "-f", output_format, *options)
        (line,) = re.findall(r".*\btzdata\b[^}]*?" + time_zone_data().version, ended.out, re.DOTALL)
        assert (ended.status, ended.err) == (0, "")
        assert line


def test_configured_uses_of_a_plugin_are_listed(winchester: Winchester, site: Site) -> None:
    site.write(
        "triggers.yaml",
        """\
        - name: pair
          distinguished_by: [host]
          expiration: "$last + 1h"
          fire_pipeline: report
          match_criteria:
            - event_type: "task.*"
              traits:
                host: {not: {regex: "^x"}}
                cores: {any: [4, {numeric: "> 5"}]}
          fire_criteria:
            - event_type: task.end
        """,
    )
    site.add_settings("event_sources: {inbox: {source: jsonl, params: {path: in}}}\n")
    site.add_settings(
        """\
        mapping_definitions:
          doors:
            event_type: {fields: kind, plugin: {name: split, parameters: {segment: 1}}}
            timestamp: at
            traits: {room: {fields: room, plugin: split}}
        """
    )
    used = {
        name: row["used_by"]
        for (_group, name), row in _rows(
            winchester(site, "plugin", "list", "-f", "json").out
        ).items()
        if row["used_by"]
    }
    assert used == {
        "logger": ["pipeline report"],
        "regex": ["trigger pair"],
        "numeric": ["trigger pair"],
        "jsonl": ["event source inbox"],
        "split": ["mapping doors"],
    }


def test_plugins_are_listed_without_a_configuration(site: Site) -> None:
    ended = site.run("winchester", "plugin", "list", "--group", "conditions", "-f", "json")
    rows = _rows(ended.stdout)
    assert ended.returncode == 0
    assert {group for group, _name in rows} == {"conditions"}
    assert "used_by" not in rows["conditions", "glob"]


def test_a_plugin_that_fails_to_load_is_listed_with_the_cause(site: Site) -> None:
    site.install("winchester.handlers", "lame", "Lame", "import nothing_like_that\n")
    site.write("pipelines.yaml", "report: [lame]\n")
    ended = site.run("winchester", "plugin", "list", "-c", site.config, "-f", "json")
    lame = _rows(ended.stdout)["handlers", "lame"]
    assert ended.returncode == 0
    assert "nothing_like_that" in lame["problem"]
    assert (lame["distribution"], lame["version"]) == ("plugin_lame", "1.0")
    assert "used_by is unknown" in ended.stderr
    shown = site.run("winchester", "plugin", "show", "handlers/lame")
    assert shown.returncode == 1
    assert "nothing_like_that" in shown.stdout
    assert "1.0" in shown.stdout


def test_a_plugin_with_an_unreadable_schema_is_listed_with_the_cause(site: Site) -> None:
    site.install(
        "winchester.handlers",
        "odd",
        "Odd",
        """
        from voluptuous import Optional, Schema


        class Odd:
            \"""Is odd.\"""

            config_schema = Schema({Optional("x", default=lambda: 1 / 0): int})
        """,
    )
    ended = site.run("winchester", "plugin", "list", "--group", "handlers", "-f", "json")
    odd = _rows(ended.stdout)["handlers", "odd"]
    assert ended.returncode == 0
    assert "ZeroDivisionError" in odd["problem"]
    assert odd["summary"] == "Is odd."
    assert site.run("winchester", "plugin", "show", "odd").returncode == 1


def test_each_distribution_registering_a_name_is_listed(site: Site) -> None:
    site.install("winchester.handlers", "logger", "Mine", "class Mine: ...\n")
    ended = site.run("winchester", "plugin", "list", "--group", "handlers", "-f", "json")
    claims = [each for each in json.loads(ended.stdout) if each["name"] == "logger"]
    assert {each["distribution"] for each in claims} == {DISTRIBUTION, "plugin_logger"}
    for claim in claims:
        assert "registered more than once" in claim["problem"]
        assert "plugin_logger 1.0" in claim["problem"]


def test_a_plugin_is_shown_with_its_docstring_and_parameters(
    winchester: Winchester, site: Site
) -> None:
    for named in ("jsonl", "event_sources/jsonl", "winchester.event_sources/jsonl"):
        shown = json.loads(winchester(site, "plugin", "show", named, "-f", "json").out)
        assert shown["description"].startswith("Reads events or notifications as JSON")
        assert [each["name"] for each in shown["parameters"]] == [
            "path",
            "format",
            "datetime_traits",
            "mapping",
            "follow",
        ]
        assert shown["parameters"][0]["required"] is True
        assert shown["parameters"][1]["default"] == "notification"
    table = winchester(site, "plugin", "show", "jsonl").out
    assert 'format: one of event, notification, default "notification"; format of' in table
    assert "  source: jsonl" in table


def test_a_plugin_is_listed_and_shown_with_summary_schema_and_example(
    winchester: Winchester, site: Site
) -> None:
    listed = _rows(winchester(site, "plugin", "list", "-f", "json").out)
    shown = json.loads(winchester(site, "plugin", "show", "logger", "-f", "json").out)
    for each in (listed["handlers", "logger"], shown):
        assert each["summary"].startswith("Logs the stream with its number of events")
        assert each["schema"]["properties"]["level"]["default"] == "INFO"
        assert each["example"].splitlines()[0] == "- name: logger"
    table = winchester(site, "plugin", "list", "--group", "handlers").out
    assert "Logs the stream with its number of events" in table
    assert "tzdata" not in table
    assert "winchester_handlers.logger:LoggerHandler" not in table


def test_a_condition_shows_the_form_of_its_expression(winchester: Winchester, site: Site) -> None:
    table = winchester(site, "plugin", "show", "int").out
    assert "whole number, or an operator and one" in table


def test_a_command_of_several_words_is_a_plugin_too(winchester: Winchester, site: Site) -> None:
    ended = winchester(site, "plugin", "show", "clock", "show", "-f", "json")
    assert json.loads(ended.out)["group"] == "winchester.commands"


@pytest.mark.parametrize("group", GROUP_NOUNS)
def test_every_installed_plugin_can_be_shown(
    winchester: Winchester, site: Site, group: str
) -> None:
    short = group.removeprefix("winchester.")
    for name in installed_plugins(group):
        ended = winchester(site, "plugin", "show", *f"{short}/{name}".split(), "-f", "yaml")
        assert (ended.status, ended.err) == (0, "")


@pytest.mark.parametrize(
    ("named", "hint"),
    [
        ("loger", "did you mean 'logger'?"),
        ("handlers/loger", "did you mean 'logger'?"),
        ("handler/logger", "did you mean 'handlers'?"),
        ("xyzzy", "'winchester plugin list'"),
    ],
)
def test_an_unknown_plugin_is_refused_with_a_suggestion(
    winchester: Winchester, site: Site, named: str, hint: str
) -> None:
    ended = winchester(site, "plugin", "show", named)
    assert (ended.status, ended.out) == (2, "")
    assert hint in ended.err


def test_a_name_in_two_groups_must_be_qualified(site: Site) -> None:
    site.install("winchester.conditions", "logger", "Logger", "class Logger: ...\n")
    ended = site.run("winchester", "plugin", "show", "logger")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "handlers/logger or conditions/logger" in ended.stderr
