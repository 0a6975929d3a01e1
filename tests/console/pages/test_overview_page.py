"""Overview: what is wrong leads to what explains it, charts of a period, processes, fresh sites."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.operations import EVENTS, make_report, trigger
from support.scenes.open_pages import PagesSite, visible
from support.scenes.sites import task_events
from winchester_core.errors import QueryTimeout
from winchester_core.model.activity import ActivityCounts
from winchester_core.model.message import MessageKind
from winchester_core.model.stream import Reason
from winchester_core.storage.records import Failure, Rejection

if TYPE_CHECKING:
    from pathlib import Path

    from winchester_core.storage.sql.store import SqlStore


REJECTION = Rejection("source", MessageKind.EVENT, "is not JSON", b"x", 1, b"1" * 32)


@pytest.fixture
def site(tmp_path: Path) -> PagesSite:
    return PagesSite(tmp_path)


def fail_stream(store: SqlStore, error: str) -> int:
    """Let the only ready stream fail for good."""
    (claim,) = store.claim_ready(
        worker="w",
        reason=Reason.FIRE,
        now=store.event_clock(),
        limit=1,
        lease=timedelta(minutes=1),
    )
    store.fail(Failure(claim, error, timedelta(0), final=True), max_attempts=1)
    return claim.stream_id


def test_a_fresh_site_says_what_to_do_next(site: PagesSite) -> None:
    with site.pages() as pages:
        text = pages.text("/")
    assert "No event yet" in text
    assert f"winchester ingest -c {site.config}" in text
    assert f"winchester-worker -c {site.config}" in text


def test_a_site_without_problems_says_so(site: PagesSite) -> None:
    site.write("winchester.yaml", site.config.read_text().replace("clock: event", "clock: system"))
    site.ingest(task_events("web-1", ends=False))
    with site.store() as store:
        store.report_process(make_report(), {})
        (stream,) = store.find_streams()
        store.purge_stream(stream.id)
    with site.pages() as pages:
        text = visible(pages.text("/"))
    assert "No problems: nothing has failed, and nothing waits for long." in text
    assert "Health: No problems" in text
    assert "worker worker-1 running größe.example" in text


def test_streams_in_error_come_first_and_lead_to_their_list(site: PagesSite) -> None:
    site.ingest([*task_events("web-1"), *task_events("web-2", ends=False)])
    with site.store() as store:
        stream_id = fail_stream(store, "Traceback\nRuntimeError: <i>no disk</i>")
        store.insert_rejected([REJECTION])
    with site.pages() as pages:
        text = pages.text("/")
    findings = text[text.index('class="findings"') : text.index("</section>")]
    assert findings.index("1 stream in error") < findings.index("stream time is".capitalize())
    assert findings.index("behind real time") < findings.index("1 message rejected in the last day")
    assert 'href="/streams?state=error&amp;state=expire_error"' in findings
    assert 'href="/streams?trigger=pair&amp;state=error&amp;state=expire_error"' in findings
    assert 'href="/rejected?younger_than=1d"' in findings
    assert 'href="/site#stream-time"' in findings
    assert f'href="/streams/{stream_id}"' in text
    assert "RuntimeError: &lt;i&gt;no disk&lt;/i&gt;" in text
    assert "Health: 1 stream in error, 2 more" in visible(text)


def test_a_ready_stream_without_a_worker_leads_to_the_processes(site: PagesSite) -> None:
    site.ingest([*task_events("web-1"), *task_events("web-2", hour=15)])
    with site.pages() as pages:
        text = pages.text("/")
    assert "no worker is running" in text
    with site.store() as store:
        store.report_process(make_report(), {})
    with site.pages() as pages:
        text = pages.text("/")
    assert "The oldest ready stream has waited 5h" in text
    assert "no worker is running" not in text


def test_gone_overdue_and_different_processes_are_named(site: PagesSite) -> None:
    site.ingest(task_events("web-1", ends=False))
    with site.store() as store:
        store.report_process(make_report("1", overdue=("delivery", "claims")), {})
        store.report_process(make_report("2", name="worker-2", period_seconds=-1.0), {})
    with site.pages() as pages:
        text = visible(pages.text("/"))
    assert "Worker worker-1: delivery, claims overdue" in text
    assert "Worker worker-2 gone for" in text
    assert "worker worker-2 gone größe.example" in text


@pytest.mark.parametrize(("period", "word"), [("1h", "hour"), ("1d", "day"), ("7d", "week")])
def test_the_period_is_in_the_address(site: PagesSite, period: str, word: str) -> None:
    site.ingest(task_events("web-1"))
    with site.store() as store:
        counts = ActivityCounts(events_stored=1_234, messages_rejected=5)
        fired = ActivityCounts(streams_fired=17)
        store.report_process(None, {EVENTS: counts, trigger("pair"): fired})
    with site.pages() as pages:
        text = pages.text(f"/?since={period}")
    assert f'href="/?since={period}" aria-current="true">{word.capitalize()}</a>' in text
    assert f'hx-get="/?since={period}"' in text
    assert f"1,234 in the last {word}" in visible(text)
    assert "Fired 17" in visible(text)


def test_an_unknown_period_is_refused(site: PagesSite) -> None:
    with site.pages() as pages:
        text = visible(pages.text("/?since=%3Cb%3E", status=400))
    assert "since '<b>' is none of 1h, 1d, 7d" in text


def test_numbers_stand_beside_the_sections(site: PagesSite) -> None:
    site.ingest(task_events("web-1"))
    with site.store() as store:
        fail_stream(store, "no disk")
    with site.pages() as pages:
        text = pages.text("/triggers")
    assert '>Streams <span class="count count-error">1</span></a>' in text


def test_an_unavailable_database_is_reported(site: PagesSite) -> None:
    with site.pages() as pages:
        (site.path / "events.db").rename(site.path / "away.db")
        (site.path / "events.db").mkdir()
        pages.site.store.close()
        text = visible(pages.text("/", status=503))
    assert "Health: Database unavailable" in text
    assert "the database is unavailable" in text


def test_slow_statistics_are_no_unavailable_database(
    site: PagesSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out(*_arguments: object, **_options: object) -> None:
        raise QueryTimeout("canceling statement due to statement timeout")

    with site.pages() as pages:
        monkeypatch.setattr(pages.site.store, "statistics", time_out)
        text = visible(pages.text("/streams"))
    assert "Health unknown: its queries take too long" in text
    assert "Database unavailable" not in text


def test_numbers_that_take_too_long_to_count_are_counted_up_to_a_limit(
    site: PagesSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.ingest(task_events("web-1", ends=False))
    with site.pages() as pages:
        count = pages.site.store.statistics

        def time_out(now: Any, *, up_to: int | None = None) -> Any:
            if up_to is None:
                raise QueryTimeout("canceling statement due to statement timeout")
            return count(now, up_to=up_to)

        monkeypatch.setattr(pages.site.store, "statistics", time_out)
        texts = [visible(pages.text(path)) for path in ("/", "/triggers", "/triggers/pair")]
    for text in texts:
        assert "at most 10,000 of each trigger and state, because counting all takes" in text
    assert "Open streams 1" in texts[0]


def test_a_page_about_a_slow_database_does_not_wait_for_it_again(
    site: PagesSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any, **_options: Any) -> None:
        asked.append(1)
        raise QueryTimeout("canceled")

    asked: list[int] = []
    with site.pages() as pages:
        for name in ("page_of_streams", "statistics"):
            monkeypatch.setattr(pages.site.store, name, fail)
        text = visible(pages.text("/streams", status=503))
    assert "the query took too long" in text
    assert len(asked) == 1
