"""Sources that follow the host's clock need the system clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from winchester_core.plugins import EVENT_SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ConfigDir

SOURCES = """\
event_sources:
  inbox: {source: jsonl, params: {path: in}}
  backups:
    source: schedule
    params: {name: n, cron: "0 6 * * *", event_type: backup.expected}
"""
TIME_SYNC = "time_sync_endpoint: http://127.0.0.1:1"


@pytest.mark.parametrize("clock", ["clock: system", "log_level: info"])
def test_a_schedule_needs_the_system_clock(config: ConfigDir, clock: str) -> None:
    settings = config.settings(f"{clock}\n{SOURCES}")
    assert set(settings.event_sources) == {"inbox", "backups"}


@pytest.mark.parametrize(
    ("setting", "clock"),
    [("clock: event", "event"), (TIME_SYNC, "time_sync")],
)
def test_a_schedule_is_refused_with_another_clock(
    config: ConfigDir, setting: str, clock: str
) -> None:
    assert config.problems(f"{setting}\n{SOURCES}") == [
        (
            "winchester.yaml:6:13: event_sources.backups.source: the event source 'schedule' "
            f"follows the system clock, and the clock is {clock!r}: set clock to system, or remove "
            "the source; a replay finds its events in the recording"
        )
    ]


def test_a_command_that_ignores_sources_accepts_them(config: ConfigDir) -> None:
    settings = config.settings(f"clock: event\n{SOURCES}", ignores=["sources"])
    assert not settings.event_sources


def test_the_source_of_a_third_party_may_require_the_system_clock(
    config: ConfigDir, install: Callable[..., None]
) -> None:
    module = """
        from winchester_core.interfaces import EventSource


        class Bell(EventSource):
            requires_system_clock = True
    """
    install("acme", {EVENT_SOURCES: {"bell": "acme_bell:Bell"}}, {"acme_bell": module})
    (problem,) = config.problems("clock: event\nevent_sources: {noon: {source: bell}}\n")
    assert problem.startswith("winchester.yaml:3:32: event_sources.noon.source: the event source")


def test_an_invalid_cron_expression_is_reported_at_its_place(config: ConfigDir) -> None:
    problems = config.problems(
        """\
        event_sources:
          backups:
            source: schedule
            params:
              name: n
              cron: "0 25 * * *"
              timezone: Europe/Berlim
              event_type: backup.expected
              for_each:
                host: [a, b, a]
        """
    )
    assert problems == [
        (
            "winchester.yaml:7:13: event_sources.backups.params.cron: cron expression "
            "'0 25 * * *': the field 'hour' is invalid; expected a cron expression: minute, hour, "
            "day of month, month, day of week, as in '0 6 * * 1-5'"
        ),
        (
            "winchester.yaml:8:17: event_sources.backups.params.timezone: no time zone is named "
            "'Europe/Berlim'; did you mean 'Europe/Berlin'?"
        ),
        (
            "winchester.yaml:11:22: event_sources.backups.params.for_each.host[2]: equals the item "
            "with index 0: their events would have the same id"
        ),
    ]
