"""Page of a trigger: its definition, its streams and rates, and why events do not match it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from winchester_core.console import actions
from winchester_core.console.activity import PERIOD_WORDS, STYLES
from winchester_core.console.charts import StateCounts, sparkline, state_bars
from winchester_core.console.pages.acting import operator_of
from winchester_core.console.pages.overview import period_of
from winchester_core.console.pages.page import notice_of, redirect, render, site_of
from winchester_core.console.pages.triggers import (
    grouping_texts,
    option_texts,
    state_counts,
)
from winchester_core.console.paths import trigger_path
from winchester_core.console.problems import not_found
from winchester_core.console.shown_values import STATE_CLASSES, words
from winchester_core.console.site_condition import streams_path
from winchester_core.inspection.mismatches import MAX_EVENTS, evaluate_newest
from winchester_core.inspection.triggers import describe_trigger
from winchester_core.inspection.values import to_json_value
from winchester_core.model.activity import COUNTS_OF_SUBJECT, Subject
from winchester_core.model.stream import StreamOutcome
from winchester_core.storage.filters import ListOrder, StreamFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup
    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.activity import Activity
    from winchester_core.console.site import Site
    from winchester_core.inspection.mismatches import Evaluation
    from winchester_core.model.stream import StreamState
    from winchester_core.storage.records import DebugRecord


OLDEST_STREAMS: Final = 10
MAX_REASONS: Final = 20


@dataclass(frozen=True, slots=True)
class Rate:
    """A count of a trigger in the period, and its values over time.

    `path` leads to all streams of the trigger with this outcome.
    """

    label: str
    path: str
    total: int
    line: Markup
    style: str


def trigger_page(request: Request) -> Response:
    """Return the page of a trigger that is configured or has streams."""
    site, name = site_of(request), request.path_params["name"]
    period = period_of(request)
    condition = site.condition.get()
    states = condition.statistics.streams.get(name, {})
    is_configured = name in site.definitions
    if not (is_configured or states):
        raise not_found(f"no trigger is named {name!r}, and there is no stream of such a trigger")
    activity = site.activity[period].get()
    oldest = site.store.page_of_streams(
        StreamFilter(name=name, is_open=True), limit=OLDEST_STREAMS, order=ListOrder.OLDEST
    )
    context = _definition(site, name) if is_configured else NO_DEFINITION
    return render(
        request,
        "trigger.html",
        "triggers",
        name=name,
        is_configured=is_configured,
        notice=notice_of(request),
        now=condition.now,
        stream_time=condition.stream_time,
        streams=oldest.items,
        streams_path=streams_path(name=name, order="oldest"),
        states=_states(site, name, states),
        age_seconds=site.condition.age_seconds,
        counted_up_to=condition.statistics.counted_up_to,
        period=period,
        periods=PERIOD_WORDS,
        rates=_rates(activity, name, period),
        path=trigger_path(name),
        **context,
    )


def reset_debug_counts(request: Request) -> Response:
    """Delete the debug counts of a trigger, and return to its page."""
    operator = operator_of(request)
    name = request.path_params["name"]
    is_reset = actions.reset_debug_counts(site_of(request), operator, name)
    return redirect(request, trigger_path(name) + ("?done=debug-reset" if is_reset else ""))


NO_DEFINITION: Final[Mapping[str, Any]] = {
    "described": None,
    "distinguished_by": [],
    "options": [],
    "definition_yaml": "",
    "debug_level": 0,
    "debug": None,
    "evaluation": None,
    "max_events": MAX_EVENTS,
    "max_reasons": MAX_REASONS,
}


def _definition(site: Site, name: str) -> dict[str, Any]:
    """Return the definition of a configured trigger, and how many events match it."""
    config, definition = site.trigger_configs[name], site.definitions[name]
    debug = site.store.debug_counts().get(name)
    return {
        **NO_DEFINITION,
        "described": describe_trigger(config, definition),
        "distinguished_by": grouping_texts(config),
        "options": option_texts(config),
        "definition_yaml": yaml.safe_dump(
            [to_json_value(config)], sort_keys=False, allow_unicode=True, width=100
        ),
        "debug_level": definition.debug_level,
        "debug": debug,
        "evaluation": _evaluation(site, name, debug),
    }


def _evaluation(site: Site, name: str, debug: DebugRecord | None) -> Evaluation | None:
    """Evaluate the newest events, unless ingest counts the reasons for mismatches."""
    definition = site.definitions[name]
    if definition.debug_level > 1 and debug is not None:
        return None
    return evaluate_newest(site.store, definition)


def _states(site: Site, name: str, states: Mapping[StreamState, int]) -> Markup | None:
    rows = [
        StateCounts(
            words(each.state),
            {STATE_CLASSES[each.state]: each.number},
            f"{site.options.prefix}{each.path}",
        )
        for each in state_counts(name, states)
    ]
    return state_bars(rows, "Streams by state") if rows else None


def _rates(activity: Activity, name: str, period: str) -> Sequence[Rate]:
    """Return the counts of the trigger, each with its values over the period."""
    rates = []
    for count in COUNTS_OF_SUBJECT[Subject.TRIGGER]:
        label, style = STYLES[count]
        values = activity.values(count, name)
        text = f"{label} in the last {activity.duration_words(period)}"
        line = sparkline(values or [0], text, style=style)
        outcome = count.removeprefix("streams_")
        is_outcome = outcome in list(StreamOutcome)
        path = streams_path(name=name, outcome=outcome) if is_outcome else streams_path(name=name)
        rates.append(Rate(label, path, round(sum(values)), line, style))
    return rates
