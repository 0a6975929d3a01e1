"""Overview of a site: its problems, its activity, and its processes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from winchester_core.console.activity import DEFAULT_PERIOD, PERIOD_WORDS, PERIODS
from winchester_core.console.charts import StateCounts, stacked_bars, state_bars
from winchester_core.console.pages.page import query_of, render, site_of
from winchester_core.console.paths import trigger_path
from winchester_core.console.shown_values import STATE_CLASSES
from winchester_core.console.site_condition import (
    failed_by_trigger,
    streams_path,
)
from winchester_core.inspection.processes import flat_process
from winchester_core.model.process import ProcessKind
from winchester_core.model.stream import ERROR_STATES, WAITING_STATES, StreamState
from winchester_core.service.exit import UsageError
from winchester_core.storage.filters import ListOrder, StreamFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup
    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.activity import Activity
    from winchester_core.console.site import Site
    from winchester_core.console.site_condition import SiteCondition
    from winchester_core.model.stream import StreamRecord

SINCE: Final = "since"
MAX_TRIGGERS: Final = 12
"""Number of triggers in a chart or table of the overview."""

MAX_PROCESSES: Final = 20
NEWEST_FAILURES: Final = 50
"""Number of streams in error among which the newest of each trigger is found."""

CHARTS: Final = (
    ("Events", "", ("events_stored", "events_duplicate", "messages_rejected")),
    (
        "Streams",
        "",
        (
            "streams_fired",
            "streams_expired",
            "streams_cancelled",
            "streams_suppressed",
            "streams_failed",
        ),
    ),
    ("Runs", "", ("runs",)),
)
"""Caption, unit and counts of each chart."""

ALWAYS_SHOWN: Final = frozenset(
    {
        *("events_stored", "events_duplicate", "messages_rejected"),
        *("streams_fired", "streams_expired", "streams_failed", "runs"),
    }
)
"""Counts that a chart shows even if they are 0."""


def overview_page(request: Request) -> Response:
    """Return the overview of the last hour, day or week."""
    site, period = site_of(request), period_of(request)
    condition = site.condition.get()
    if _is_fresh(site, condition):
        return render(request, "fresh_site.html", "overview", configuration=site.settings.name)
    activity = site.activity[period].get()
    return render(
        request,
        "overview.html",
        "overview",
        now=condition.now,
        findings=condition.findings(),
        period=period,
        periods=PERIOD_WORDS,
        charts=_charts(activity),
        stats=_stats(condition, activity, period),
        failures=_failures(site, condition),
        bars=_streams_by_trigger(site, condition),
        triggers_not_shown=max(len(condition.statistics.streams) - MAX_TRIGGERS, 0),
        processes=processes_of(condition, MAX_PROCESSES),
        process_count=len(condition.processes),
        age_seconds=site.condition.age_seconds,
        counted_up_to=condition.statistics.counted_up_to,
    )


def period_of(request: Request) -> str:
    """Return the period in the address. Raises `UsageError` for an unknown one."""
    period = query_of(request).one(SINCE) or DEFAULT_PERIOD
    if period not in PERIODS:
        raise UsageError(f"{SINCE} {period[:40]!r} is none of {', '.join(PERIODS)}")
    return period


def processes_of(condition: SiteCondition, limit: int) -> list[dict[str, Any]]:
    """Return up to `limit` processes as JSON, running processes first."""
    flat = [flat_process(each, condition.now) for each in condition.processes]
    return sorted(flat, key=lambda each: each["state"] == "gone")[:limit]


def _is_fresh(site: Site, condition: SiteCondition) -> bool:
    """Return whether the site has never had events."""
    if condition.statistics.streams or condition.statistics.rejected:
        return False
    return site.activity["7d"].get().is_empty and not site.store.find_events(limit=1)


def _charts(activity: Activity) -> list[Markup]:
    return [
        stacked_bars(
            activity.series(
                each for each in counts if each in ALWAYS_SHOWN or activity.total(each)
            ),
            caption,
            unit=unit,
        )
        for caption, unit, counts in CHARTS
    ]


def _stats(condition: SiteCondition, activity: Activity, period: str) -> list[dict[str, Any]]:
    """Return the labelled figures: those of the state of the site, then those of the period.

    `value` is a text, or a number of seconds; `age_seconds` is part of the note.
    """
    statistics = condition.statistics
    states = _states(statistics.streams)
    failed = sum(states.get(state, 0) for state in ERROR_STATES)
    completed = states.get(StreamState.COMPLETED, 0)
    opened = sum(states.values()) - failed - completed
    effects = statistics.effects.values()
    dead = sum(each.dead for each in effects)
    ready = max(statistics.oldest_ready_seconds.values(), default=0)
    running = [each for each in condition.processes if not each.is_gone(condition.now)]
    workers = sum(each.kind is ProcessKind.WORKER for each in running)
    last = f"in the last {activity.duration_words(period)}"
    return [
        _stat(
            "Open streams",
            f"{opened:,}",
            streams_path(states=(StreamState.ACTIVE,)),
            note="oldest",
            age_seconds=statistics.oldest_unexpired_seconds,
        ),
        _stat(
            "Streams in error",
            f"{failed:,}",
            streams_path(states=ERROR_STATES),
            note="wait for an operator" if failed else "",
            kind="error" if failed else "",
        ),
        _stat(
            "Oldest ready stream",
            ready or "none",
            streams_path(states=WAITING_STATES, order="oldest"),
            note="waits for a worker" if ready else "nothing waits for a worker",
        ),
        _stat(
            "Undelivered effects",
            f"{sum(each.pending for each in effects):,}",
            "/outbox?state=pending&order=oldest",
            note="oldest",
            age_seconds=max((each.oldest_seconds for each in effects), default=0),
        ),
        _stat(
            "Dead letters",
            f"{dead:,}",
            "/outbox?state=dead",
            note="wait for an operator" if dead else "",
            kind="error" if dead else "",
        ),
        _stat("Events stored", f"{activity.total('events_stored'):,}", "/events", note=last),
        _stat(
            "Streams fired",
            f"{activity.total('streams_fired'):,}",
            "/streams?outcome=fired",
            note=last,
        ),
        _stat(
            "Rejected messages",
            f"{statistics.rejected:,}",
            "/rejected",
            note=f"{condition.recently_rejected:,} in the last day",
        ),
        _stat(
            "Workers",
            f"{workers:,}",
            "/site#processes",
            note=f"of {len(running):,} running process{'' if len(running) == 1 else 'es'}",
        ),
        _stream_time_stat(condition),
    ]


def _stat(
    label: str,
    value: str | float,
    path: str,
    *,
    note: str = "",
    age_seconds: float = 0,
    kind: str = "",
) -> dict[str, Any]:
    values = {"label": label, "value": value, "path": path, "kind": kind}
    return {**values, "note": note, "age_seconds": age_seconds}


def _stream_time_stat(condition: SiteCondition) -> dict[str, Any]:
    """Return how far stream time is behind real time."""
    lag = condition.stream_lag
    value: str | float = "unknown"
    if lag is not None:
        value = lag.total_seconds() if lag >= timedelta(seconds=1) else "now"
    is_behind = isinstance(value, float)
    note = f"{'behind real time, ' if is_behind else ''}clock: {condition.clock}"
    return _stat("Stream time", value, "/site#stream-time", note=note)


def _states(streams: Mapping[str, Mapping[StreamState, int]]) -> dict[StreamState, int]:
    """Return the numbers of streams by state."""
    totals: dict[StreamState, int] = {}
    for states in streams.values():
        for state, number in states.items():
            totals[state] = totals.get(state, 0) + number
    return totals


def _failures(site: Site, condition: SiteCondition) -> list[dict[str, Any]]:
    """Return the triggers with streams in error: the number of these, and the newest."""
    numbers = failed_by_trigger(condition.statistics)
    newest: dict[str, StreamRecord] = {}
    if numbers:
        page = site.store.page_of_streams(
            StreamFilter(states=ERROR_STATES), limit=NEWEST_FAILURES, order=ListOrder.NEWEST
        )
        for stream in page.items:
            newest.setdefault(stream.name, stream)
    return [
        {
            "name": name,
            "number": number,
            "path": streams_path(name=name, states=ERROR_STATES),
            "trigger_path": trigger_path(name),
            "stream": newest.get(name),
        }
        for name, number in list(numbers.items())[:MAX_TRIGGERS]
    ]


def style_counts(states: Mapping[StreamState, int]) -> dict[str, int]:
    """Return the numbers of streams by style of their state, in the order of the states."""
    counts: dict[str, int] = {}
    for state in StreamState:
        if number := states.get(state):
            style = STATE_CLASSES[state]
            counts[style] = counts.get(style, 0) + number
    return counts


def _streams_by_trigger(site: Site, condition: SiteCondition) -> Markup | None:
    """Return the numbers of streams by state, for the triggers with the most streams."""
    streams = condition.statistics.streams
    names: Sequence[str] = sorted(streams, key=lambda name: -sum(streams[name].values()))
    rows = [
        StateCounts(name, style_counts(streams[name]), f"{site.options.prefix}{trigger_path(name)}")
        for name in names[:MAX_TRIGGERS]
    ]
    return state_bars(rows, "Streams by trigger") if rows else None
