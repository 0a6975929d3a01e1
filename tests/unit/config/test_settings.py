"""Settings of `winchester.yaml`, their defaults and errors."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from winchester_core.config import load_settings
from winchester_core.errors import ConfigurationError
from winchester_core.plugins import HANDLERS, installed_plugins

if TYPE_CHECKING:
    from conftest import ConfigDir


def test_every_setting_has_its_documented_default(config: ConfigDir) -> None:
    settings = config.settings()

    assert settings.database_url == "sqlite://"
    assert settings.config_path == (config.path,)
    assert settings.event_definitions is None
    assert settings.trait_plugin_aliases == {}
    assert settings.catch_all_notifications is False
    assert settings.trigger_definitions == ()
    assert settings.pipelines == {}
    assert settings.event_sources == {}
    assert settings.ingest_batch_size == 1000
    assert settings.pipeline_worker_batch_size == 1000
    assert settings.pipeline_worker_delay == 10
    assert settings.statistics_period == 10
    assert settings.purge_completed_streams is True
    assert settings.trim_events is False
    assert settings.trim_events_age == "$timestamp - 14d"
    assert settings.trim_events_batch_size == 100
    assert settings.activity_days == 7
    assert settings.time_sync_endpoint is None
    assert settings.clock == "system"
    assert settings.event_clock_max_jump == timedelta(days=1)
    assert settings.pipeline_timeout is None
    assert settings.max_attempts == 5
    assert (settings.retry_delay, settings.retry_delay_max) == (10, 3600)
    assert settings.lease_seconds == 60
    assert (settings.outbox_batch_size, settings.outbox_max_age) == (100, timedelta(days=7))
    assert settings.shutdown_timeout == 30
    assert settings.worker_name is None
    assert (settings.log_level, settings.log_file, settings.logging_config) == ("INFO", None, None)
    assert settings.warnings == ()


def test_a_mapping_serves_in_place_of_a_file() -> None:
    trigger = {
        "name": "t",
        "distinguished_by": ["instance_id"],
        "match_criteria": [{"event_type": "a.*"}],
        "fire_criteria": [{"event_type": "a.end"}],
        "expiration": "$last + 1h",
        "fire_pipeline": "p",
    }
    settings = load_settings(
        {
            "database": {"url": "sqlite://"},
            "trigger_definitions": [trigger],
            "pipeline_config": {"p": ["logger"]},
            "distiller_config": [{"event_type": "a.*", "traits": {}}],
        }
    )

    assert settings.name == "<dict>"
    assert settings.trigger_definitions == (trigger,)
    assert [entry.name for entry in settings.pipelines["p"]] == ["logger"]
    assert settings.event_definitions is not None
    assert settings.event_definitions.definitions == ({"event_type": "a.*", "traits": {}},)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "pipeline_worker_dely: 5",
            (
                "2:1: pipeline_worker_dely: unknown key 'pipeline_worker_dely'; "
                "did you mean 'pipeline_worker_delay'?"
            ),
        ),
        (
            "max_attempts: five",
            "2:15: max_attempts: expected a whole number of 1 or more, not 'five'",
        ),
        ("max_attempts: 0", "2:15: max_attempts: expected a whole number of 1 or more, not 0"),
        (
            "max_attempts: true",
            "2:15: max_attempts: expected a whole number of 1 or more, not true",
        ),
        ("max_attempts: 2.5", "2:15: max_attempts: expected a whole number of 1 or more, not 2.5"),
        ("trim_events: 1", "2:14: trim_events: expected true or false, not 1"),
        ("trim_events: 'no'", "2:14: trim_events: expected true or false, not 'no'"),
        (
            "purge_completed_streams:",
            "2:25: purge_completed_streams: expected true or false, not nothing",
        ),
        (
            "config_path: []",
            "2:14: config_path: expected text, or a list of texts, not an empty list",
        ),
        (
            "config_path: {a: b}",
            "2:14: config_path: expected text, or a list of texts, not a mapping",
        ),
        ("clock: sundial", "2:8: clock: expected one of system, event, time_sync, not 'sundial'"),
        (
            "clock: time_sync",
            (
                "2:8: clock: the time_sync clock needs a time service: set time_sync_endpoint to "
                "its URL"
            ),
        ),
        (
            "time_sync_endpoint: localhost:8001",
            (
                "2:21: time_sync_endpoint: expected a URL that begins with http:// or https://, "
                "without spaces"
            ),
        ),
        (
            "time_sync_endpoint: http://host:99999/",
            (
                "2:21: time_sync_endpoint: expected a URL that begins with http:// or https://, "
                "without spaces"
            ),
        ),
        (
            "pipeline_worker_delay: 36501d",
            "2:24: pipeline_worker_delay: expected a duration of at most 36500d, not '36501d'",
        ),
        (
            "lease_seconds: 1y",
            (
                "2:16: lease_seconds: expected a duration greater than zero: seconds, or text such "
                "as '1d 12h' (units d h m s us), not '1y'"
            ),
        ),
        (
            "pipeline_worker_delay: -1",
            (
                "2:24: pipeline_worker_delay: expected a duration: seconds, or text such as "
                "'1d 12h' (units d h m s us), not -1"
            ),
        ),
        (
            "retry_delay: .nan",
            (
                "2:14: retry_delay: expected a duration: seconds, or text such as "
                "'1d 12h' (units d h m s us), not nan"
            ),
        ),
        (
            "retry_delay_max: 5",
            "2:18: retry_delay_max: expected at least retry_delay, which is 10 s, not 5 s",
        ),
        (
            "log_level: loud",
            "2:12: log_level: expected one of critical, error, warning, info, debug, not 'loud'",
        ),
        (
            "log_file: '%(name)s.log'",
            (
                "2:11: log_file: expected a path in which only %(proc_name)s is replaced "
                "(%% for a percent sign), not '%(name)s.log'"
            ),
        ),
        (
            "trim_events_age: $now - 14d",
            (
                "2:18: trim_events_age: time expression '$now - 14d': unknown variable '$now'; "
                "known here: $timestamp"
            ),
        ),
        (
            "trim_events_age: 14",
            "2:18: trim_events_age: expected a time expression, as text, not 14",
        ),
        (
            "distiller_config: 5",
            (
                "2:19: distiller_config: expected the name of a file, or a list of event "
                "definitions, not 5"
            ),
        ),
        (
            "pipeline_handlers: [a]",
            (
                "2:20: pipeline_handlers: expected a mapping of names to names of entry "
                "points, not a list"
            ),
        ),
        ("pipeline_handlers: {a: 5}", "2:24: pipeline_handlers.a: expected text, not 5"),
        (
            "event_sources: jsonl",
            "2:16: event_sources: expected a mapping of names to event sources, not 'jsonl'",
        ),
    ],
)
def test_a_wrong_setting_is_reported_with_the_allowed_values(
    config: ConfigDir, line: str, problem: str
) -> None:
    assert config.problems(line) == [f"winchester.yaml:{problem}"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            {},
            (
                "<dict>: database.url: is missing; expected a database URL, as in "
                "sqlite:///winchester.db"
            ),
        ),
        ({"database": None}, "<dict>: database: expected a mapping, not nothing"),
        ({"database": {}}, "<dict>: database.url: is missing"),
        (
            {"database": {"url": "user:hunter2@host"}},
            "<dict>: database.url: expected a database URL, as in sqlite:///winchester.db",
        ),
        (
            {"database": {"url": "postgersql://u:hunter2@h/d"}},
            (
                "<dict>: database.url: the database 'postgersql' is not supported; "
                "did you mean 'postgresql'?"
            ),
        ),
        (
            {"database": {"url": "postgresql://u:hunter2@h:bad/d"}},
            (
                "<dict>: database.url: expected a host, and a port that is a number, as in "
                "db:5432, before the /"
            ),
        ),
        (
            {"database": {"url": "sqlite://", "ulr": "x"}},
            "<dict>: database.ulr: unknown key 'ulr'; did you mean 'url'?",
        ),
    ],
)
def test_problems_of_a_mapping_have_no_line_numbers(
    source: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(source)

    assert caught.value.problems == (problem,)
    assert str(caught.value) == problem


def test_a_mapping_that_contains_itself_is_refused() -> None:
    source: dict[str, object] = {"database": {"url": "sqlite://"}}
    source["event_sources"] = source

    with pytest.raises(ConfigurationError) as caught:
        load_settings(source)

    assert caught.value.problems == ("<dict>: is nested over 100 levels deep",)


def test_all_problems_of_all_files_are_reported_in_order_of_file_and_line(
    config: ConfigDir,
) -> None:
    config.write("triggers.yaml", "- name: t\n  nmae: u\n")
    config.write("pipelines.yaml", "p:\n  - lgger\n  - logger: x\n")
    config.write("events.yaml", "- a\n- event_type: b\n  event_type: c\n")

    problems = config.problems(
        """\
        max_attempts: none
        trigger_definitions: triggers.yaml
        pipeline_config: pipelines.yaml
        distiller_config: events.yaml
        clock: never
        """
    )

    assert problems == [
        "winchester.yaml:2:15: max_attempts: expected a whole number of 1 or more, not 'none'",
        "winchester.yaml:6:8: clock: expected one of system, event, time_sync, not 'never'",
        "events.yaml:1:3: [0]: expected a mapping of 'event_type' and 'traits', not 'a'",
        "events.yaml:3:3: [1].event_type: duplicate key, first on line 2",
        (
            "triggers.yaml:1:3: [0].fire_criteria: is missing; a trigger without it needs an "
            "expire_pipeline"
        ),
        "triggers.yaml:1:3: [0].distinguished_by: is missing",
        "triggers.yaml:1:3: [0].expiration: is missing",
        "triggers.yaml:1:3: [0].match_criteria: is missing",
        (
            "triggers.yaml:1:3: [0]: names no pipeline; expected fire_pipeline, expire_pipeline or "
            "both"
        ),
        "triggers.yaml:2:3: [0].nmae: unknown key 'nmae'; did you mean 'name'?",
        (
            "pipelines.yaml:2:5: p[0]: no handler is named 'lgger'; did you mean 'logger'? "
            f"Installed: {', '.join(installed_plugins(HANDLERS))}"
        ),
        "pipelines.yaml:3:5: p[1].logger: unknown key 'logger'; allowed: name, params",
        "pipelines.yaml:3:5: p[1].name: is missing",
    ]


def test_a_syntax_error_in_one_file_does_not_hide_the_others(config: ConfigDir) -> None:
    config.write("triggers.yaml", "- name: [\n")
    config.write("pipelines.yaml", "p: logger\n")

    assert config.problems(
        "trigger_definitions: triggers.yaml\npipeline_config: pipelines.yaml\n"
    ) == [
        "triggers.yaml:2:1: not valid YAML: did not find expected node content",
        "pipelines.yaml:1:4: p: expected a list of handlers, not 'logger'",
    ]


def test_a_settings_file_that_is_missing_or_not_a_mapping_is_refused(config: ConfigDir) -> None:
    absent = config.path / "absent.yaml"
    with pytest.raises(ConfigurationError) as caught:
        load_settings(absent)
    assert caught.value.problems == (f"{absent}: cannot be read: No such file or directory",)

    listed = config.write("list.yaml", "- a\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(str(listed))
    assert caught.value.problems == (f"{listed}:1:1: expected a mapping of settings",)


def test_a_directory_that_cannot_exist_is_named(config: ConfigDir) -> None:
    assert config.problems('config_path: "a\\0b"\ntrigger_definitions: t') == [
        (
            f"winchester.yaml:3:22: trigger_definitions: there is no file 't' in "
            f"a\0b, {config.path}; config_path adds directories"
        )
    ]


def test_an_empty_settings_file_lacks_only_the_database(config: ConfigDir) -> None:
    empty = config.write("empty.yaml", "---\n# nothing yet\n")

    with pytest.raises(ConfigurationError) as caught:
        load_settings(empty)

    assert [line.split(": ", 1)[1] for line in caught.value.problems] == [
        "database.url: is missing; expected a database URL, as in sqlite:///winchester.db"
    ]
    assert load_settings(empty, needs=()).database_url == ""


def test_durations_are_seconds_or_text(config: ConfigDir) -> None:
    settings = config.settings(
        """\
        pipeline_worker_delay: 0.5
        pipeline_timeout: 1h 30m
        outbox_max_age: 3600
        event_clock_max_jump: off
        lease_seconds: 1m
        """
    )

    assert settings.pipeline_worker_delay == 0.5
    assert settings.pipeline_timeout == 5400
    assert settings.event_clock_max_jump is None
    assert settings.outbox_max_age == timedelta(hours=1)
    assert settings.lease_seconds == 60


def test_an_endpoint_selects_the_time_sync_clock(config: ConfigDir) -> None:
    settings = config.settings("time_sync_endpoint: http://127.0.0.1:8001")

    assert (settings.clock, settings.time_sync_endpoint) == ("time_sync", "http://127.0.0.1:8001")


def test_an_endpoint_with_another_clock_is_warned_about(config: ConfigDir) -> None:
    settings = config.settings("clock: event\ntime_sync_endpoint: http://127.0.0.1:8001")

    assert settings.clock == "event"
    assert [line.replace(f"{config.path}/", "") for line in settings.warnings] == [
        "winchester.yaml:3:1: time_sync_endpoint: has no effect, because the clock is 'event'"
    ]


def test_settings_are_immutable(config: ConfigDir) -> None:
    settings = config.settings()

    with pytest.raises(AttributeError):
        settings.max_attempts = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.pipelines["p"] = ()  # type: ignore[index]
