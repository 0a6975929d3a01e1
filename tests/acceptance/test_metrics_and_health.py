"""Metrics, liveness and readiness of the programs agree with the database."""

from __future__ import annotations

import json
import re
import shutil
import signal
import urllib.error
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.program_groups import program_group
from support.scenes.sites import task_events, wait_until
from winchester_core.model.stream import StreamState
from winchester_core.telemetry.metrics import METRICS, MetricOrigin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.program_groups import ProgramGroup, RunningProgram
    from support.scenes.sites import Site

LISTENS = re.compile(r"serving metrics and health: host=127\.0\.0\.1 port=(\d+)")
ANY_PORT = ("--metrics-listen", "0")

Values = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture
def programs(ready_site: Site) -> Iterator[ProgramGroup]:
    with program_group(ready_site) as programs:
        yield programs


def ask(member: RunningProgram, path: str) -> tuple[int, str]:
    """Return status and body of a response, once the program listens."""
    wait_until(lambda: LISTENS.search(member.text()) or not member.is_running)
    port = LISTENS.findall(member.text())[-1]
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}{path}", timeout=BOUND_SECONDS
        ) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_until_ready(member: RunningProgram) -> None:
    wait_until(lambda: ask(member, "/readyz")[0] == 200)


def scrape(member: RunningProgram) -> Values:
    """Return the values by metric, then by label values in order."""
    status, text = ask(member, "/metrics")
    assert status == 200
    labels = {metric.name: metric.labels for metric in METRICS}
    values: Values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in labels:
                key = tuple(sample.labels[label] for label in labels[sample.name])
                values.setdefault(sample.name, {})[key] = sample.value
    return values


def metric_names(member: RunningProgram) -> set[str]:
    """Return our metrics among the exposed ones."""
    families = text_string_to_metric_families(ask(member, "/metrics")[1])
    return {
        each.name + ("_total" if each.type == "counter" else "")
        for each in families
        if each.name.startswith("winchester_")
    }


def test_worker_metrics_match_the_database_and_its_work(
    programs: ProgramGroup, ready_site: Site
) -> None:
    events = ready_site.write_events(
        "events.jsonl", [*task_events("a"), *task_events("b"), *task_events("c", ends=False)]
    )
    ready_site.run("winchester", "ingest", "-c", "winchester.yaml", "--file", events)
    worker = programs.worker("w", *ANY_PORT)
    wait_until_ready(worker)
    wait_until(lambda: scrape(worker)["winchester_streams_completed_total"]["fire",] == 2)
    assert ask(worker, "/livez") == (200, '{"status":"ok","causes":[]}\n')
    wanted = {each.name for each in METRICS if each.origin is not MetricOrigin.INGEST}
    # nothing is delivered at this site
    assert wanted - metric_names(worker) == {
        "winchester_store_effects",
        "winchester_store_oldest_effect_seconds",
    }
    assert metric_names(worker) <= wanted
    assert worker.end() == 0
    assert "Traceback" not in worker.text()


def test_ingest_metrics_are_reported_per_source(programs: ProgramGroup, ready_site: Site) -> None:
    ready_site.add_settings(
        """\
        event_sources:
          incoming: {source: jsonl, params: {path: new.jsonl, format: event, follow: true}}
        """
    )
    ready_site.write_events("new.jsonl", [*task_events("a"), *task_events("a"), {"no": "event"}])
    ingest = programs.start("i", "winchester", "ingest", "-c", ready_site.config, *ANY_PORT)
    wait_until_ready(ingest)
    outcomes = {"stored": 2, "duplicate": 2, "invalid": 1, "dropped": 0}
    by_source = {("incoming", outcome): number for outcome, number in outcomes.items()}
    wait_until(lambda: scrape(ingest)["winchester_source_messages_total"] == by_source)
    wait_until(lambda: scrape(ingest)["winchester_store_rejected_messages"] == {(): 1})
    scraped = scrape(ingest)
    assert scraped["winchester_ingest_events_total"] == {(each,): n for each, n in outcomes.items()}
    assert scraped["winchester_store_streams"]["pair", "active"] == 1
    wanted = {each.name for each in METRICS if each.origin is not MetricOrigin.WORKER}
    unknown = {
        *("winchester_store_effects", "winchester_store_oldest_effect_seconds"),
        "winchester_source_lag_messages",
        "winchester_source_refused_requests_total",
    }
    assert metric_names(ingest) == wanted - unknown
    assert ingest.end() == 0


def test_a_followed_file_has_source_metrics(programs: ProgramGroup, ready_site: Site) -> None:
    events = ready_site.write_events("new.jsonl", task_events("a"))
    follow = ("--file", events, "--follow", *ANY_PORT)
    ingest = programs.start("i", "winchester", "ingest", "-c", ready_site.config, *follow)
    wait_until_ready(ingest)
    wait_until(lambda: scrape(ingest)["winchester_source_messages_total"]["file", "stored"] == 2)
    assert ingest.end() == 0


def test_commands_that_end_by_themselves_do_not_listen(ready_site: Site) -> None:
    ready_site.add_settings("metrics_listen: nowhere.invalid:1")
    events = ready_site.write_events("new.jsonl", task_events("a"))
    command = ("winchester", "ingest", "-c", ready_site.config, "--file", events)
    assert ready_site.run(*command).returncode == 0  # type: ignore[arg-type]
    refused = ready_site.run(*command, *ANY_PORT)  # type: ignore[arg-type]
    assert refused.returncode == 2
    assert "--metrics-listen requires" in refused.stderr


def test_a_worker_is_not_ready_with_another_schema_revision(
    programs: ProgramGroup, ready_site: Site
) -> None:
    worker = programs.worker("w", *ANY_PORT)
    wait_until_ready(worker)
    migrate = ("winchester_db", "-c", "winchester.yaml")
    assert ready_site.run(*migrate, "downgrade", "-1").returncode == 0
    wait_until(lambda: ask(worker, "/readyz")[0] == 503)
    (cause,) = json.loads(ask(worker, "/readyz")[1])["causes"]
    assert "is at revision" in cause
    assert ask(worker, "/livez")[0] == 200
    assert ready_site.run(*migrate, "upgrade", "head").returncode == 0
    wait_until_ready(worker)
    assert worker.end() == 0


WAITING = """\
import pathlib
import threading

class Wait:
    "Runs while a file is there."
    def handle_events(self, events, env):
        pathlib.Path("at-work").touch()
        while pathlib.Path("wait").exists():
            threading.Event().wait(0.02)
        return events
    def commit(self): ...
    def rollback(self): ...
"""


def test_a_stopping_worker_is_alive_and_not_ready(programs: ProgramGroup, ready_site: Site) -> None:
    ready_site.install("winchester.handlers", "wait", "Wait", WAITING)
    ready_site.write("pipelines.yaml", "report: [wait]\n")
    wait = ready_site.write("wait", "")
    events = ready_site.write_events("events.jsonl", task_events("a"))
    ready_site.run("winchester", "ingest", "-c", "winchester.yaml", "--file", events)
    worker = programs.worker("w", *ANY_PORT)
    wait_until((ready_site.path / "at-work").exists)
    wait_until_ready(worker)
    worker.signal(signal.SIGTERM)
    wait_until(lambda: ask(worker, "/readyz")[0] == 503)
    assert "stopping: finishing the work in progress" in ask(worker, "/readyz")[1]
    assert ask(worker, "/livez")[0] == 200
    assert scrape(worker)["winchester_store_streams"]["pair", "firing"] == 1
    wait.unlink()
    assert worker.wait() == 0


def test_two_processes_cannot_share_an_address(programs: ProgramGroup, ready_site: Site) -> None:
    first = programs.worker("first", *ANY_PORT)
    wait_until_ready(first)
    port = LISTENS.findall(first.text())[-1]
    second = programs.worker("second", "--metrics-listen", port)
    assert second.wait() == 1
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in second.text()
    wait_until_ready(first)


def test_off_on_the_command_line_overrides_the_setting(
    programs: ProgramGroup, ready_site: Site
) -> None:
    ready_site.add_settings("metrics_listen: nowhere.invalid:1")
    assert programs.worker("w", "--metrics-listen", "off", "--until-idle").wait() == 0
    assert programs.worker("w", "--until-idle").wait() == 1
    assert programs.worker("w", "--metrics-listen", "x:y").wait() == 2


def test_json_logs_have_one_object_per_line_with_the_stream(
    programs: ProgramGroup, ready_site: Site
) -> None:
    ready_site.add_settings("log_format: json")
    events = ready_site.write_events("events.jsonl", task_events("a"))
    ready_site.run("winchester", "ingest", "-c", "winchester.yaml", "--file", events)
    worker = programs.worker("w", "--until-idle")
    assert worker.wait() == 0
    records: list[dict[str, Any]] = [json.loads(line) for line in worker.text().splitlines()]
    assert {each["program"] for each in records} == {"w"}
    logged = next(each for each in records if each.get("handler") == "logger")
    known = {"trigger": "pair", "reason": "fire", "attempt": 1, "pipeline": "report"}
    assert {key: logged[key] for key in known} == known
    assert isinstance(logged["stream_id"], int)


@pytest.fixture
def lifecycle(ready_site: Site, shared_data: Path) -> Path:
    """A site that runs the recorded load through the usage handler."""
    origin = shared_data / "config" / "stacktach-sandbox" / "winchester"
    for name in ("triggers.yaml", "event_definitions.yaml"):
        shutil.copy(origin / name, ready_site.path / name)
    names = ("test_fire_pipeline", "test_expire_pipeline")
    ready_site.write("pipelines.yaml", "".join(f"{each}: [usage]\n" for each in names))
    ready_site.add_settings(
        "distiller_config: event_definitions.yaml\npurge_completed_streams: false\n"
    )
    return shared_data / "loads" / "lifecycle_4k.jsonl.gz"


def test_metrics_match_the_tables_after_a_recorded_load(
    programs: ProgramGroup, ready_site: Site, lifecycle: Path
) -> None:
    ready_site.add_settings(
        f"""\
        event_sources:
          recorded: {{source: jsonl, params: {{path: {lifecycle}, format: notification}}}}
          never: {{source: jsonl, params: {{path: never.jsonl, format: event, follow: true}}}}
        event_clock_max_jump: off
        """
    )
    ingest = programs.start("i", "winchester", "ingest", "-c", ready_site.config, *ANY_PORT)
    wait_until_ready(ingest)
    wait_until(lambda: "event source exhausted: source=recorded" in ingest.text())
    worker = programs.worker("w", *ANY_PORT)
    wait_until_ready(worker)
    with ready_site.store() as store:
        wait_until(lambda: store.backlog(store.event_clock()).is_idle)
        wait_until(lambda: _streams(scrape(worker)) == store.count_states_by_trigger())
        wait_until(lambda: _streams(scrape(ingest)) == store.count_states_by_trigger())
        states, events = store.count_states(), store.count_events()
    moved, done = scrape(ingest), scrape(worker)
    stored = moved["winchester_ingest_events_total"]["stored",]
    assert moved["winchester_source_messages_total"]["recorded", "stored"] == stored
    assert events == stored + done["winchester_events_created_total"][()]
    completed = Counter(done["winchester_streams_completed_total"])
    assert completed.total() == states[StreamState.COMPLETED] > 0
    opened = moved["winchester_streams_opened_total"][()]
    opened += done["winchester_streams_opened_total"][()]
    assert opened == sum(states.values())
    assert [worker.end(), ingest.end()] == [0, 0]


def _streams(values: Values) -> dict[str, dict[StreamState, int]]:
    """Return the stream metrics expected from the store."""
    scraped: dict[str, dict[StreamState, int]] = {}
    for (trigger, state), number in values["winchester_store_streams"].items():
        if number:
            scraped.setdefault(trigger, {})[StreamState(state)] = int(number)
    return scraped
