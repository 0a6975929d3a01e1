"""The example of every built-in plugin works, where no server is needed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from winchester_core import bootstrap
from winchester_core.criteria import CriteriaList, compile_criterion
from winchester_core.distill import Distiller
from winchester_core.distribution import DISTRIBUTION
from winchester_core.model.stream import Reason
from winchester_core.model.time_range import TimeRange
from winchester_core.pipelines.run import PipelineRun, StreamInfo
from winchester_core.plugins import (
    CONDITIONS,
    EVENT_SOURCES,
    HANDLERS,
    TRAIT_PLUGINS,
    PluginRegistry,
    describe_plugin,
    installed_plugins,
)

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
EVENTS: list[dict[str, Any]] = [
    {"message_id": f"m{number}", "event_type": event_type, "timestamp": NOON}
    for number, event_type in enumerate(
        ("compute.instance.update", "compute.instance.exists", "compute.instance.exists.verified")
    )
]
ADDED_AND_QUEUED = {
    "atompub": (0, 1),
    "emit": (1, 0),
    "kafka": (0, 3),
    "logger": (0, 0),
    "nats": (0, 3),
    "notabene": (2, 2),
    "notify": (0, 2),
    "usage": (2, 0),
    "webhook": (0, 3),
}
"""Numbers of events added and effects queued by each handler's example, for `EVENTS`."""

MATCHED: dict[str, tuple[Any, Any]] = {
    "cidr": ("10.1.2.3", "11.1.2.3"),
    "datetime": (NOON, datetime(2026, 3, 15, tzinfo=UTC)),
    "exists": (None, NOON),
    "float": (0.9, 0.8),
    "glob": ("web-1", "db-1"),
    "in": ("error", "deleted"),
    "int": (513, 512),
    "numeric": (0.5, -1),
    "range": (4, 5),
    "regex": ("web-17", "web-x"),
    "string": ("active", "Active"),
    "text": ("active", "Active"),
}
"""A value that each condition's example matches, and one that it does not."""

DISTILLED: dict[str, tuple[dict[str, Any], Any]] = {
    "bitfield": ({"payload": {"deleted_at": "2026-03-14"}}, 1),
    "map": ({"payload": {"state": "stopped"}}, "down"),
    "split": ({"publisher_id": "compute.host-17"}, "host-17"),
    "timedelta": ({"payload": {"start": "2026-03-14T12:00", "end": "2026-03-14T12:01"}}, 60.0),
}
"""Content of a notification for each trait plugin, and the trait that its example returns."""

WITHOUT_SERVER = {"http", "jsonl", "schedule"}
WITH_SERVER = {"kafka", "mqtt", "nats", "oslo", "rabbitmq", "redis", "yagi"}


def example_of(group: str, name: str) -> Any:
    return yaml.safe_load(describe_plugin(PluginRegistry(group)[name]).example)


def own(group: str) -> set[str]:
    return {
        name for name, each in installed_plugins(group).items() if each.distribution == DISTRIBUTION
    }


def test_every_built_in_plugin_is_tested() -> None:
    assert set(ADDED_AND_QUEUED) == own(HANDLERS)
    assert set(MATCHED) == own(CONDITIONS)
    assert set(DISTILLED) == own(TRAIT_PLUGINS)
    assert own(EVENT_SOURCES) == WITHOUT_SERVER | WITH_SERVER


@pytest.mark.parametrize("name", ADDED_AND_QUEUED)
def test_the_example_of_a_handler_handles_events(name: str) -> None:
    settings = bootstrap.load_settings(
        {"database": {"url": "sqlite://"}, "pipeline_config": {"p": example_of(HANDLERS, name)}}
    )
    group = {"night": TimeRange(NOON, NOON + timedelta(days=1))}
    stream = StreamInfo(7, "instances", group, Reason.FIRE, 1, NOON)
    run = PipelineRun(bootstrap.pipelines(settings)["p"], stream)
    added = run.handle(EVENTS)

    assert run.commit() == ()
    assert (len(added), len(run.effects)) == ADDED_AND_QUEUED[name]


@pytest.mark.parametrize("name", MATCHED)
def test_the_example_of_a_condition_matches_some_values_and_not_others(name: str) -> None:
    traits = example_of(CONDITIONS, name)
    (trait,) = traits
    criterion = compile_criterion({"traits": traits}, PluginRegistry(CONDITIONS), CriteriaList.FIRE)

    assert [criterion.matches({**EVENTS[0], trait: value}) for value in MATCHED[name]] == [
        True,
        False,
    ]


@pytest.mark.parametrize("name", DISTILLED)
def test_the_example_of_a_trait_plugin_returns_a_trait(name: str) -> None:
    pytest.importorskip("stackdistiller", reason="the extra 'openstack' is not installed")
    traits = example_of(TRAIT_PLUGINS, name)
    (trait,) = traits
    holds, wanted = DISTILLED[name]
    distiller = Distiller([{"event_type": "*", "traits": traits}], PluginRegistry(TRAIT_PLUGINS))

    event = distiller.distill({**EVENTS[0], "timestamp": NOON.isoformat(), **holds}).event

    assert event is not None
    assert event[trait] == wanted


def test_the_example_of_jsonl_reads_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (params,) = (each["params"] for each in example_of(EVENT_SOURCES, "jsonl").values())
    event = {**EVENTS[0], "timestamp": NOON.isoformat()}
    (tmp_path / params["path"]).mkdir(parents=True)
    (tmp_path / params["path"] / "1.json").write_text(json.dumps(event))
    monkeypatch.chdir(tmp_path)

    source = PluginRegistry(EVENT_SOURCES)["jsonl"](**params)
    source.open()
    (message,) = source.receive(10, 0)
    source.ack([message])
    source.close()

    assert message.kind.value == "event"
    assert json.loads(message.body) == event


def test_the_example_of_schedule_produces_an_event_for_each_item_of_the_last_day() -> None:
    pytest.importorskip("cronsim", reason="the extra 'schedule' is not installed")
    (params,) = (each["params"] for each in example_of(EVENT_SOURCES, "schedule").values())

    source = PluginRegistry(EVENT_SOURCES)["schedule"](**params)
    source.clock = lambda: NOON
    source.open()
    messages = source.receive(10, 0)
    source.close()

    assert [(each.body["timestamp"], each.body["host"]) for each in messages] == [
        ("2026-03-13T19:00:00+00:00", host) for host in ("db1", "db2", "mail")
    ]


def test_the_example_of_http_listens() -> None:
    pytest.importorskip("uvicorn", reason="the extra 'http' is not installed")
    (params,) = (each["params"] for each in example_of(EVENT_SOURCES, "http").values())

    source = PluginRegistry(EVENT_SOURCES)["http"](
        **params | {"port": 0}
    )  # two tests may run at once
    source.open()
    host, port = source.address
    source.close()

    assert (host, port > 0) == ("127.0.0.1", True)
