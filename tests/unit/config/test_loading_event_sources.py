"""Settings of `event_sources`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from winchester_core.plugins import EVENT_SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ConfigDir

SOURCE = """
    from voluptuous import Optional, Required, Schema
    from winchester_core.interfaces import EventSource


    class Tap(EventSource):
        config_schema = Schema({Required("where"): str, Optional("loud", default=False): bool})
"""


@pytest.fixture(autouse=True)
def acme(install: Callable[..., None]) -> None:
    points = {"tap": "acme_tap:Tap", "broken": "acme_none:Gone"}
    install("acme", {EVENT_SOURCES: points}, {"acme_tap": SOURCE})


def test_a_source_has_a_plugin_params_and_a_batch_size(config: ConfigDir) -> None:
    settings = config.settings(
        """\
        ingest_batch_size: 50
        event_sources:
          one: {source: tap, params: {where: here}, batch_size: 5}
          two: {source: tap, params: {where: there, loud: yes}}
        """
    )

    one, two = settings.event_sources["one"], settings.event_sources["two"]
    assert (one.name, one.plugin_name, one.batch_size) == ("one", "tap", 5)
    assert one.source_class.__name__ == "Tap"
    assert one.params == {"where": "here", "loud": False}
    assert (two.params, two.batch_size) == ({"where": "there", "loud": True}, 50)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{source: tap}", "3:7: event_sources.one.params.where: is missing"),
        ("{}", "3:7: event_sources.one.source: is missing"),
        ("tap", "3:7: event_sources.one: expected a mapping, not 'tap'"),
        (
            "{source: tap, parms: {where: a}}",
            "3:21: event_sources.one.parms: unknown key 'parms'; did you mean 'params'?",
        ),
        (
            "{source: tap, params: {where: a}, batch_size: 0}",
            "3:53: event_sources.one.batch_size: expected a whole number of 1 or more, not 0",
        ),
        (
            "{source: tap, params: {were: a, where: b}}",
            "3:30: event_sources.one.params.were: unknown key 'were'; did you mean 'where'?",
        ),
        (
            "{source: broken}",
            (
                "3:16: event_sources.one.source: the event source 'broken' of acme 1.0 cannot be "
                "loaded: entry point 'broken = acme_none:Gone' in winchester.event_sources: "
                "ModuleNotFoundError: No module named 'acme_none'"
            ),
        ),
    ],
)
def test_each_error_of_a_source_is_reported(config: ConfigDir, entry: str, problem: str) -> None:
    assert config.problems(f"event_sources:\n one: {entry}\n") == [f"winchester.yaml:{problem}"]


def test_an_unknown_source_is_reported_with_the_nearest_name(config: ConfigDir) -> None:
    (problem,) = config.problems("event_sources: {one: {source: tapp}}")

    assert problem.startswith(
        "winchester.yaml:2:31: event_sources.one.source: no event source is named 'tapp'; did you "
        "mean 'tap'? Installed: broken, "
    )


def test_a_repeated_value_of_a_unique_parameter_is_reported(
    config: ConfigDir, install: Callable[..., None]
) -> None:
    timer = """
        from voluptuous import Optional, Required, Schema
        from winchester_core.interfaces import EventSource


        class Timer(EventSource):
            config_schema = Schema({Required("name"): object, Optional("every"): int})
            unique_params = ("name",)


        class Other(Timer):
            pass
    """
    points = {"timer": "acme_timer:Timer", "other": "acme_timer:Other"}
    install("acme-timer", {EVENT_SOURCES: points}, {"acme_timer": timer})
    settings = """\
        event_sources:
          one: {source: timer, params: {name: [a], every: 1}}
          two: {source: timer, params: {name: b, every: 1}}
          three: {source: other, params: {name: b}}
        """
    assert len(config.settings(settings).event_sources) == 3
    assert config.problems(f"{settings}  four: {{source: timer, params: {{name: [a]}}}}\n") == [
        (
            "winchester.yaml:6:40: event_sources.four.params.name: is also the name of the event "
            "source 'one': it must be unique"
        )
    ]


def test_two_schedules_of_one_name_are_refused(config: ConfigDir) -> None:
    params = '{name: n, cron: "0 6 * * *", event_type: t}'
    (problem,) = config.problems(
        f"""\
        event_sources:
          one: {{source: schedule, params: {params}}}
          two: {{source: schedule, params: {params}}}
        """
    )
    assert problem.endswith(
        "two.params.name: is also the name of the event source 'one': it must be unique"
    )


@pytest.mark.parametrize(
    "params",
    [
        "{paths: [{path: /a, signature: not-for-the-log}]}",
        "{paths: [not-for-the-log]}",
    ],
)
def test_text_instead_of_a_mapping_with_secrets_is_not_shown(
    config: ConfigDir, params: str
) -> None:
    text = f"event_sources: {{hooks: {{source: http, params: {params}}}}}"
    (problem,) = config.problems(text)
    assert problem.endswith(": expected a mapping, not ***")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ("[github, nope]", "mapping[1]: unknown mapping 'nope'"),
        ("[github, 3]", "mapping[1]: expected text, not 3"),
        ("{a: b}", "mapping: expected the name of a mapping, or a list of names, not a mapping"),
    ],
)
def test_a_wrong_name_of_a_mapping_is_reported_at_its_position(
    config: ConfigDir, names: str, problem: str
) -> None:
    text = f"event_sources: {{s: {{source: jsonl, params: {{path: x, mapping: {names}}}}}}}"
    assert problem in "".join(config.problems(text))


@pytest.mark.parametrize(
    ("params", "others", "warned"),
    [
        ("{path: x}", "", True),
        ("{path: x, format: event}", "", False),
        ("{path: x, mapping: github}", "", False),
        ("{path: x}", "distiller_config: []", False),
    ],
)
def test_notifications_without_definitions_are_warned_of(
    config: ConfigDir, params: str, others: str, *, warned: bool
) -> None:
    settings = config.settings(
        f"event_sources: {{s: {{source: jsonl, params: {params}}}}}\n{others}"
    )
    (warning,) = settings.warnings or ("",)
    assert ("event_sources.s: its messages are notifications" in warning) == warned
