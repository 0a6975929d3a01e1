"""The page of the site: processes, clock, database, masked configuration, plugins, actions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.operations import make_action, make_report
from support.scenes.guarded_console import VIEWER
from support.scenes.open_pages import HOSTILE, PagesSite, visible
from support.scenes.sites import task_events
from winchester_core.inspection.plugins import plugin_rows
from winchester_core.model.process import LASTING_DIFFERENCE, ProcessKind

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def site(tmp_path: Path) -> PagesSite:
    return PagesSite(tmp_path)


def test_an_empty_site_has_a_page(site: PagesSite) -> None:
    with site.pages() as pages:
        text = visible(pages.text("/site"))
    assert "No process has reported. Start winchester ingest and winchester-worker" in text
    assert "Stream time unknown" in text
    assert "0011 , as this program requires" in text
    assert "None in the last 90 days." in text


def test_processes_have_their_state_version_and_configuration(site: PagesSite) -> None:
    with site.store() as store:
        store.report_process(make_report("1", overdue=("delivery",), host=HOSTILE), {})
        ingest = {"kind": ProcessKind.INGEST, "name": "ingest", "pipelines_fingerprint": None}
        store.report_process(make_report("2", **ingest), {})
    with site.pages() as pages:
        text = pages.text("/site")
    assert "ingest running größe.example 4711 1.0" in visible(text)
    assert "worker worker-1 overdue delivery overdue" in visible(text)
    assert "&lt;script&gt;" in text
    assert 'warning" title="t1: differs from this console\'s">t1</span>' in text


def test_lasting_differences_are_explained(
    site: PagesSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("winchester_core.model.process.LASTING_DIFFERENCE", LASTING_DIFFERENCE * 0)
    with site.store() as store:
        store.report_process(make_report("1"), {})
        store.report_process(make_report("2", name="worker-2", triggers_fingerprint="t2"), {})
    with site.pages() as pages:
        text, overview = visible(pages.text("/site")), visible(pages.text("/triggers"))
    assert "Running processes have had different triggers for more than 10 minutes" in text
    assert "t1 : worker worker-1 on größe.example" in text
    assert "t2 : worker worker-2 on größe.example" in text
    assert "winchester reload" in text
    assert "different versions" not in text
    assert "Health: Processes have different triggers" in overview


def test_stream_time_is_explained(site: PagesSite) -> None:
    site.ingest(task_events("web-1"))
    with site.pages() as pages:
        text = visible(pages.text("/site"))
    assert "Clock event Stream time 2015-01-20 10:30:00" in text
    assert "it advances only with new events" in text
    assert "1 of 1 trigger" in text


def test_settings_that_differ_from_their_defaults_come_first(site: PagesSite) -> None:
    site.add_settings("max_attempts: 7\nactivity_days: 7\nstatistics_period: 0.5\n")
    with site.pages() as pages:
        text = visible(pages.text("/site"))
    changed, defaults = text.split("settings with their defaults", 1)
    assert "max_attempts 7 Failures before a stream is in error" in changed
    assert "statistics_period 0.5 s" in changed
    assert "activity_days" not in changed
    assert "activity_days 7" in defaults
    assert "trigger_definitions 1 trigger" in changed
    assert "report: - name: logger" in changed


def test_secrets_of_the_configuration_are_masked(site: PagesSite) -> None:
    site.write(
        "pipelines.yaml",
        f"""\
        report:
          - name: webhook
            params:
              url: https://user:{SECRET}@example.org/hook?token={SECRET}
              secret: {SECRET}
              headers: {{Authorization: Bearer {SECRET}, X-Customer: {SECRET}}}
              body: '{{"token": "{SECRET}", "key": {{{{ secrets.key | json }}}}}}'
              secrets: {{key: {SECRET}}}
          - name: notify
            params:
              targets: {{it: "json://example.org/{SECRET}"}}
              body: text
        """,
    )
    site.add_settings(
        f"time_sync_endpoint: http://user:{SECRET}@localhost:1\n"
        f"console: {{tokens: [{{name: anna, role: operator, token: {SECRET}-0123456789}}]}}\n"
    )
    site.write("winchester.yaml", site.config.read_text().replace("clock: event", ""))
    with site.pages(VIEWER) as pages:
        text = pages.text("/site")
    assert SECRET not in text
    assert "https://user:***@example.org/***" in text
    assert "it: Target(&#39;json://***&#39;)" in text
    assert "secret: &#39;***&#39;" in text
    assert "anna (operator)" in text


def test_plugins_with_a_problem_come_first(
    site: PagesSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows_with_problem(*arguments: Any) -> list[dict[str, Any]]:
        rows = plugin_rows(*arguments)
        broken = {**rows[0], "name": "broken", "problem": f"cannot be imported {HOSTILE}"}
        return [*rows, {**broken, "used_by": []}]

    monkeypatch.setattr("winchester_core.console.pages.site.plugin_rows", rows_with_problem)
    with site.pages() as pages:
        text = pages.text("/site")
    used, others = text.split("other installed plugins", 1)
    assert used.index("broken") < used.index(">logger<")
    assert "cannot be imported &lt;script&gt;" in used
    assert "pipeline report" in used
    assert "tzdata" in others


def test_actions_are_recorded_and_listed(site: PagesSite) -> None:
    with site.store() as store:
        for number in range(60):
            store.record_action(make_action(target=f"stream {number} {HOSTILE}"))
        store.record_action(make_action(name="bela", action="outbox.retry", target="effect 1"))
    with site.pages() as pages:
        newest = pages.text("/site")
        first = pages.text("/site/actions")
        filtered = pages.text("/site/actions?name=bela&action=outbox.retry")
        absent = pages.text("/site/actions?name=nobody")
        wrong = pages.text("/site/actions?younger_than=%3Cb%3E", status=400)
    assert newest.count("stream.reset") == 9
    assert 'href="/site/actions"' in newest
    assert first.count("stream.reset</bdi>") == 49
    assert 'rel="next"' in first
    assert "&lt;script&gt;" in first
    assert filtered.count("outbox.retry</bdi>") == 1
    assert "stream.reset</bdi>" not in filtered
    assert "No action matches these filters." in absent
    assert "&lt;b&gt;" in wrong


def test_no_action_is_an_empty_state(site: PagesSite) -> None:
    with site.pages() as pages:
        assert "each action of an operator here for 90 days" in pages.text("/site/actions")


def test_another_schema_revision_is_named(site: PagesSite) -> None:
    with site.pages() as pages:
        with closing(sqlite3.connect(site.path / "events.db")) as database, database:
            database.execute("UPDATE alembic_version SET version_num = 'another'")
        text = visible(pages.text("/site"))
    assert "as this program requires" not in text
    assert "another" in text
