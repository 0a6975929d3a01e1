"""Rules for every command of `winchester`: usage, errors, exit statuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from winchester_core.plugins import COMMANDS, installed_plugins

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

WITHOUT_CONFIGURATION = ("init", "plugin new", "plugin check")
"""Commands that need no configuration: `init`, and the commands for plugin authors."""


def test_the_program_lists_its_commands(site: Site) -> None:
    ended = site.run("winchester", "--help")
    assert ended.returncode == 0
    assert "Could not" not in ended.stdout
    for name in installed_plugins(COMMANDS):
        assert f"  {name} " in ended.stdout


@pytest.mark.parametrize("name", installed_plugins(COMMANDS))
def test_every_command_has_help_with_an_example(
    winchester: Winchester, site: Site, name: str
) -> None:
    ended = winchester(site, *name.split(), "--help")
    configuration = "" if name in WITHOUT_CONFIGURATION else " -c winchester.yaml"
    assert ended.status == 0
    assert ("-c FILE" in ended.out) == bool(configuration)
    examples = ended.out.partition("examples:")[2].replace("/etc/winchester/", "")
    assert f"  winchester {name}{configuration}" in examples


def test_a_missing_or_unknown_command_exits_with_2(winchester: Winchester, site: Site) -> None:
    assert winchester(site).status == 2
    misspelt = winchester(site, "strem", "list")
    assert (misspelt.status, misspelt.out) == (2, "")
    assert "did you mean 'stream list'" in misspelt.err
    group = winchester(site, "clock")
    assert group.status == 2
    assert "'clock show'" in group.err


def test_a_missing_configuration_is_reported_with_both_ways_to_name_one(site: Site) -> None:
    ended = site.run("winchester", "stream", "list")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "-c FILE" in ended.stderr
    assert "WINCHESTER_CONFIG" in ended.stderr


def test_the_option_overrides_the_environment_variable(winchester: Winchester, site: Site) -> None:
    other = str(site.write("other.yaml", "database: {url: 'sqlite://'}\n"))
    by_environment = winchester(site, "check")
    assert by_environment.out.splitlines()[0] == f"configuration: {site.config}"
    for arguments in (("-c", other, "check"), ("check", "-c", other), ("check", "--config", other)):
        assert winchester(site, *arguments).out.splitlines()[0] == f"configuration: {other}"


def test_each_configuration_problem_is_a_line_starting_with_its_position(
    winchester: Winchester, site: Site
) -> None:
    site.add_settings("clock_: 1\npipeline_worker_batch_size: none\n")
    site.write("pipelines.yaml", "report: [loger]\n")
    ended = winchester(site, "check")
    lines = ended.err.splitlines()
    assert (ended.status, ended.out) == (2, "")
    assert len(lines) == 3
    assert all(line.startswith(str(site.path)) for line in lines)


def test_debug_shows_the_traceback(winchester: Winchester, site: Site) -> None:
    for arguments in (("--debug", "check"), ("check", "--debug")):
        site.write("triggers.yaml", "none\n")
        ended = winchester(site, *arguments)
        assert ended.status == 2
        assert "Traceback" in ended.err


def test_a_database_without_tables_is_refused_with_the_command_to_create_them(
    winchester: Winchester, site: Site
) -> None:
    ended = winchester(site, "stream", "list")
    assert (ended.status, ended.out) == (2, "")
    assert f"winchester_db -c {site.config} upgrade head" in ended.err


def test_an_unreachable_database_is_a_failure(winchester: Winchester, site: Site) -> None:
    site.write("winchester.yaml", "database: {url: 'sqlite:////nowhere/at/all.db'}\n")
    ended = winchester(site, "event", "list", "-f", "csv")
    assert (ended.status, ended.out) == (1, "")
    assert "Traceback" not in ended.err


def test_a_command_of_another_distribution_works_and_fails_like_ours(site: Site) -> None:
    site.install(
        "winchester.commands",
        "stumble",
        "Stumble",
        """\
        from cliff.command import Command
        from winchester_core.errors import ConfigurationError

        class Stumble(Command):
            "Stumble over a stone."
            def take_action(self, parsed_args):
                raise ConfigurationError(["a stone"])
        """,
    )
    ended = site.run("winchester", "stumble")
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "a stone\n")


def test_a_command_that_fails_to_load_is_an_error_naming_its_origin(site: Site) -> None:
    site.install("winchester.commands", "absent", "Absent", "import nothing_like_that\n")
    ended = site.run("winchester", "absent")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "plugin_absent 1.0" in ended.stderr
    assert "nothing_like_that" in ended.stderr


def test_check_shows_the_configuration(winchester: Winchester, site: Site) -> None:
    site.add_settings(
        """\
        event_sources:
          inbox: {source: jsonl, params: {path: inbox, format: event}}
        """
    )
    ended = winchester(site, "check")
    lines = ended.out.splitlines()
    assert (ended.status, ended.err) == (0, "")
    assert {"triggers: 1", "pipelines: 1, with 1 handler", "event sources: 1"} <= set(lines)
    assert lines[-1] == "OK"
    assert not (site.path / "events.db").exists()


def test_check_shows_no_password(winchester: Winchester, site: Site) -> None:
    site.write("winchester.yaml", "database: {url: 'postgresql://me:hush@db.example/w'}\n")
    ended = winchester(site, "check")
    assert "hush" not in ended.out + ended.err


def test_check_connects_to_the_database_on_request(winchester: Winchester, site: Site) -> None:
    refused = winchester(site, "check", "--database")
    assert refused.status == 2
    assert "OK" not in refused.out
    site.migrate()
    accepted = winchester(site, "check", "--database")
    assert (accepted.status, accepted.err) == (0, "")


def test_formats_of_a_single_item(winchester: Winchester, ready_site: Site) -> None:
    assert json.loads(winchester(ready_site, "clock", "show", "-f", "json").out)["clock"] == "event"
    value = winchester(ready_site, "clock", "show", "-f", "value", "--column", "clock")
    assert (value.status, value.out) == (0, "event\n")
