"""Each beginner's mistake gets an error message that names the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.scenes.sites import SETTINGS, task_events

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

CONFIGURED = ("-c", "winchester.yaml")


def _refused(winchester: Winchester, site: Site, *arguments: str) -> str:
    """Return standard error of a failing command: no traceback, nothing on standard output."""
    ended = winchester(site, *arguments)
    assert ended.status in (1, 2)
    assert "Traceback" not in ended.err
    assert ended.out == ""
    return ended.err


@pytest.mark.parametrize(
    "command",
    [
        ("ingest", "--file", "events.jsonl"),
        ("replay", "--file", "events.jsonl"),
        ("stream", "list"),
        ("event", "add", "--event-type", "x", "--timestamp", "2015-01-20"),
        ("rejected", "retry", "1"),
        ("clock", "show"),
    ],
)
def test_missing_tables(winchester: Winchester, site: Site, command: tuple[str, ...]) -> None:
    site.write_events("events.jsonl", task_events("a"))
    message = _refused(winchester, site, *command, *CONFIGURED)
    assert "run 'winchester_db -c winchester.yaml upgrade head'" in message


def test_missing_database_directory(winchester: Winchester, site: Site) -> None:
    site.write("winchester.yaml", "database: {url: 'sqlite:////nowhere/events.db'}\n")
    message = _refused(winchester, site, "stream", "list", *CONFIGURED)
    assert "does the directory in database.url in winchester.yaml exist" in message


def test_unreachable_database_server(winchester: Winchester, site: Site) -> None:
    pytest.importorskip("psycopg")
    url = "postgresql+psycopg://me:hush@127.0.0.1:9/events"
    site.write("winchester.yaml", SETTINGS.format(url=url))
    message = _refused(winchester, site, "stream", "list", *CONFIGURED)
    assert "is database.url in winchester.yaml right, and is the server up?" in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("winchestr.yaml", "did you mean 'winchester.yaml'?"),
        ("etc/winchester.yaml", "there is no directory etc either"),
        (".", "name the file, as in winchester.yaml"),
        ("xyz", "'winchester init DIR' creates one"),
        ("nope.yaml", "'winchester init DIR' creates one"),
        ("winchester.yml", "did you mean 'winchester.yaml'?"),
    ],
)
def test_wrong_configuration_path(
    winchester: Winchester, site: Site, path: str, remedy: str
) -> None:
    assert remedy in _refused(winchester, site, "check", "-c", path)


def test_a_file_of_another_kind_is_not_suggested(winchester: Winchester, site: Site) -> None:
    site.write("notes.txt", "")
    assert "notes.txt" not in _refused(winchester, site, "check", "-c", "nope.yaml")


def test_missing_configuration(site: Site) -> None:
    ended = site.run("winchester", "stream", "list")
    assert ended.returncode == 2
    assert "'winchester init DIR' creates one" in ended.stderr


def test_wrong_path_in_the_configuration(winchester: Winchester, site: Site) -> None:
    settings = site.config.read_text().replace("triggers.yaml", "trigers.yaml")
    site.write("winchester.yaml", settings)
    message = _refused(winchester, site, "check", *CONFIGURED)
    assert message.startswith("winchester.yaml:3:22: trigger_definitions: there is no file")
    assert "did you mean 'triggers.yaml'?" in message


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("evnts.jsonl", "did you mean 'events.jsonl'?"),
        ("in/events.jsonl", "there is no directory in either"),
        ("xyz", "a relative path starts from the working directory"),
    ],
)
@pytest.mark.parametrize("command", ["ingest", "replay"])
def test_wrong_events_path(
    winchester: Winchester, ready_site: Site, command: str, path: str, remedy: str
) -> None:
    ready_site.write_events("events.jsonl", task_events("a"))
    assert remedy in _refused(winchester, ready_site, command, "--file", path)


def test_misspelt_pipeline(winchester: Winchester, site: Site) -> None:
    site.write("pipelines.yaml", "reports: [logger]\n")
    message = _refused(winchester, site, "check", *CONFIGURED).splitlines()
    assert [line.partition(": ")[0] for line in message] == [
        "triggers.yaml:4:18",
        "triggers.yaml:5:20",
    ]
    for line in message:
        assert "no pipeline is named 'report' in pipelines.yaml; did you mean 'reports'?" in line


def test_plugin_not_installed(winchester: Winchester, site: Site) -> None:
    site.write("pipelines.yaml", "report: [teletype]\n")
    message = _refused(winchester, site, "check", *CONFIGURED)
    assert message.startswith("pipelines.yaml:1:10: report[0]: no handler is named 'teletype'")
    assert "pip install the distribution that brings it" in message


def test_misspelt_plugin(winchester: Winchester, site: Site) -> None:
    site.write("pipelines.yaml", "report: [loger]\n")
    assert "did you mean 'logger'?" in _refused(winchester, site, "check", *CONFIGURED)


def test_old_file_under_the_system_clock(winchester: Winchester, ready_site: Site) -> None:
    settings = ready_site.config.read_text().replace("clock: event", "clock: system")
    ready_site.write("winchester.yaml", settings)
    ready_site.write_events("yesterday.jsonl", task_events("a"))
    ended = winchester(ready_site, "ingest", "--file", "yesterday.jsonl")
    assert ended.status == 0
    assert "use 'winchester replay' or set 'clock: event'" in ended.err
    assert "with an empty database" in ended.err


def test_misspelt_command(winchester: Winchester, site: Site) -> None:
    assert "did you mean 'stream show'" in _refused(winchester, site, "stream", "sohw", "1")


@pytest.mark.parametrize("command", ["ingest", "replay", "backtest"])
def test_datetime_traits_of_notifications(
    winchester: Winchester, ready_site: Site, command: str
) -> None:
    ready_site.write_events("events.jsonl", task_events("a"))
    options = ("--file", "events.jsonl", "--format", "notification", "--datetime-trait", "x")
    message = _refused(winchester, ready_site, command, *options, *CONFIGURED)
    assert "--datetime-trait is for events" in message


@pytest.mark.parametrize("command", ["ingest", "replay", "backtest"])
def test_notifications_without_event_definitions(
    winchester: Winchester, ready_site: Site, command: str
) -> None:
    ready_site.write_events("events.jsonl", task_events("a"))
    options = ("--file", "events.jsonl", "--format", "notification")
    message = _refused(winchester, ready_site, command, *options, *CONFIGURED)
    assert message.startswith("winchester.yaml:1:1: distiller_config: is missing, and needed here")


TOO_LARGE = str(2**63)


@pytest.mark.parametrize(
    "command",
    [
        ("stream", "list", "--cursor", TOO_LARGE),
        ("rejected", "list", "--cursor", TOO_LARGE),
        ("outbox", "list", "--cursor", "9" * 5000),
        ("outbox", "list", "--stream", TOO_LARGE),
        ("outbox", "discard", "9" * 5000),
        ("stream", "purge", TOO_LARGE),
        ("stream", "show", TOO_LARGE),
    ],
)
def test_ids_that_no_table_can_hold(
    winchester: Winchester, ready_site: Site, command: tuple[str, ...]
) -> None:
    message = _refused(winchester, ready_site, *command)
    assert f"is too large: the greatest number is {2**63 - 1}" in message
